import { describe, expect, test } from "bun:test";
import {
  type Description,
  isSameDescription,
  plainDescription,
  readDescription,
} from "../../src/registry/description.ts";

const invalid = expect.objectContaining({ code: "invalid_argument" });
const servicesOf = (body: string) => readDescription(body).services;

describe("services", () => {
  test("names, sorted, each once", () => {
    expect(servicesOf('{"services":["b","a","b"]}')).toEqual(["a", "b"]);
    expect(servicesOf('{"services":[]}')).toEqual([]);
  });

  test("none told", () => {
    for (const body of ["", " \n", "{}", '{"services":null}', '{"other":1}']) {
      expect(servicesOf(body)).toBeUndefined();
    }
  });

  test("as many and as long as may be", () => {
    const names = Array.from({ length: 1_000 }, (_, i) => `S${i}`);
    expect(servicesOf(JSON.stringify({ services: names }))).toHaveLength(1_000);
    const long = ["x".repeat(200)];
    expect(servicesOf(JSON.stringify({ services: long }))).toEqual(long);
  });

  const tooMany = Array.from({ length: 1_001 }, () => "S");
  for (const body of [
    "no json",
    "null",
    "7",
    "[]",
    '["Arith"]',
    '{"services":"Arith"}',
    '{"services":{"0":"Arith"}}',
    '{"services":[1]}',
    '{"services":[""]}',
    '{"services":["a\\nb"]}',
    JSON.stringify({ services: ["x".repeat(201)] }),
    JSON.stringify({ services: tooMany }),
  ]) {
    test(`refuses ${body.slice(0, 40)}`, () => {
      expect(() => servicesOf(body)).toThrow(invalid);
    });
  }
});

const all = {
  services: ["Arith"],
  version: "1.2.3-β",
  weight: 2.5,
  zone: "eu/1",
  load: 0.25,
  labels: { rack: "7", "a.b/c_d-E": "", __proto: "x" },
};

describe("what else is told", () => {
  test("is read, labels sorted, the load in hundredths", () => {
    const { labels, ...rest } = readDescription(
      JSON.stringify({ ...all, load: 0.2549, other: 1 }),
    );
    expect(rest).toEqual({
      services: ["Arith"],
      version: "1.2.3-β",
      weight: 2.5,
      zone: "eu/1",
      load: 0.25,
    });
    expect([...(labels ?? [])]).toEqual([
      ["__proto", "x"],
      ["a.b/c_d-E", ""],
      ["rack", "7"],
    ]);
  });

  test("survives its own form, and a key that objects have already", () => {
    const body = `{"labels":{"__proto__":"x","constructor":"y"}}`;
    for (const text of [JSON.stringify(all), body, "{}"]) {
      const description = readDescription(text);
      const again = JSON.stringify(plainDescription(description));
      expect(readDescription(again)).toEqual(description);
      expect(JSON.parse(again)).toEqual(JSON.parse(text));
    }
  });

  test("null is not told, and what is not told is not there", () => {
    const nothing = Object.fromEntries(
      Object.keys(all).map((key) => [key, null]),
    );
    for (const body of [JSON.stringify(nothing), "{}", ""]) {
      expect(Object.keys(readDescription(body))).toEqual(["services"]);
    }
  });

  test("as much as may be", () => {
    const labels = Object.fromEntries(
      Array.from({ length: 32 }, (_, i) => [
        `${i}`.padEnd(63, "k"),
        "v".repeat(256),
      ]),
    );
    const version = "x".repeat(64);
    const body = { version, zone: version, weight: 1_000, load: 1, labels };
    expect(readDescription(JSON.stringify(body)).labels?.size).toBe(32);
  });

  test.each<Record<string, unknown>>([
    { version: "" },
    { version: 1 },
    { version: "x".repeat(65) },
    { version: "a\nb" },
    { zone: ["a"] },
    { zone: "x".repeat(65) },
    { weight: 0 },
    { weight: -1 },
    { weight: 1_001 },
    { weight: "2" },
    { load: 1.1 },
    { load: -0.1 },
    { labels: ["a"] },
    { labels: "a" },
    { labels: { "": "x" } },
    { labels: { "a b": "x" } },
    { labels: { ["k".repeat(64)]: "x" } },
    { labels: { a: 1 } },
    { labels: { a: null } },
    { labels: { a: "v".repeat(257) } },
    { labels: { a: "\u0000" } },
    {
      labels: Object.fromEntries(
        Array.from({ length: 33 }, (_, i) => [`k${i}`, ""]),
      ),
    },
  ])("refuses %j", (body) => {
    expect(() => readDescription(JSON.stringify(body))).toThrow(invalid);
  });
});

test("two say the same when all but their load is equal", () => {
  const read = (said: object): Description =>
    readDescription(JSON.stringify(said));
  expect(isSameDescription(read(all), read({ ...all, load: 0.9 }))).toBe(true);
  for (const other of [
    { services: null },
    { services: ["Foo"] },
    { version: "2" },
    { weight: 3 },
    { zone: null },
    { labels: null },
    { labels: { ...all.labels, rack: "8" } },
    { labels: { rack: "7" } },
  ]) {
    expect(isSameDescription(read(all), read({ ...all, ...other }))).toBe(
      false,
    );
  }
});
