import { describe, expect, test } from "bun:test";
import { Shape } from "../../src/service/shape.ts";

function shapeOf(...values: unknown[]): string {
  const shape = new Shape();
  for (const value of values) shape.add(value);
  return shape.toString();
}

describe("a shape", () => {
  test("of nothing is empty", () => {
    expect(shapeOf()).toBe("");
  });

  test.each([
    [undefined, "undefined"],
    [null, "null"],
    [1, "number"],
    ["secret", "string"],
    [true, "boolean"],
    [1n, "bigint"],
    [["secret"], "array"],
    [new Uint8Array(2), "bytes"],
    [Buffer.from("secret"), "bytes"],
    [new Float64Array(2), "array"],
    [new Date(0), "date"],
    [new Map([["secret", 1]]), "map"],
    [new Set(["secret"]), "set"],
    [{}, "{}"],
    [{ a: "secret", b: { c: "secret" } }, "{a: string, b: object}"],
  ])("of %p is %s", (value, text) => {
    expect(shapeOf(value)).toBe(text);
  });

  test("gathers what it has seen", () => {
    expect(shapeOf(1, { a: 1 }, { a: null, b: 2 }, 1, "x", { a: 5 })).toBe(
      "number | string | {a: number | null, b: number}",
    );
  });

  test("writes names that are no identifiers in quotes", () => {
    expect(shapeOf({ "": 1, "a b": 2, 'x": "y': 3, été: 4 })).toBe(
      '{"": number, "a b": number, "x\\": \\"y": number, été: number}',
    );
  });

  test("knows names that every object has", () => {
    const value = JSON.parse('{"__proto__":1,"constructor":"x"}') as unknown;
    expect(shapeOf(value)).toBe("{__proto__: number, constructor: string}");
  });

  test("keeps 32 fields and says that there were more", () => {
    const fields = (from: number, count: number) =>
      Object.fromEntries(
        Array.from({ length: count }, (_, at) => [`f${from + at}`, 1]),
      );
    expect(shapeOf(fields(0, 32))).not.toContain("…");
    for (const text of [
      shapeOf(fields(0, 33)),
      shapeOf(fields(0, 30), fields(30, 30)),
      shapeOf(...Array.from({ length: 1_000 }, (_, at) => fields(at, 1))),
    ]) {
      expect(text.split(": number")).toHaveLength(33);
      expect(text).toEndWith(", …}");
    }
  });

  test("cuts long names, between characters", () => {
    expect(shapeOf({ ["x".repeat(64)]: 1 })).toBe(
      `{${"x".repeat(64)}: number}`,
    );
    expect(shapeOf({ ["x".repeat(65)]: 1 })).toBe(
      `{${"x".repeat(63)}…: number}`,
    );
    const torn = shapeOf({ [`${"x".repeat(62)}😀😀`]: 1 });
    expect(torn.isWellFormed()).toBe(true);
    expect(torn.length).toBeLessThan(80);
  });
});
