import { describe, expect, test } from "bun:test";
import { RpcError } from "../../../src/errors.ts";
import { gob } from "../../../src/codec/gob/gob.ts";
import { GobEncoder } from "../../../src/codec/gob/gob-encoder.ts";
import type { GobType } from "../../../src/codec/gob/gob-type.ts";
import { SendBuffer } from "../../../src/wire/send-buffer.ts";
import { decodeAll } from "./vectors.ts";

const item = gob.struct({ when: gob.time, size: gob.int });
const order = gob.struct({
  items: gob.slice(item),
  by: gob.map(gob.string, item),
  "odd name": gob.uint,
});

/** How encoding `value` fails. */
function failure(value: unknown, type?: GobType): RpcError {
  const out = new SendBuffer();
  try {
    new GobEncoder().encode(out, value, type, "args");
  } catch (thrown) {
    expect(out.length).toBe(0);
    return thrown as RpcError;
  }
  throw new Error("encoded");
}

describe("the path of the culprit", () => {
  const cases: [string, unknown, GobType][] = [
    ["args", "text", gob.int],
    ["args", [1, 2], gob.array(3, gob.int)],
    ["args.items[1].when", { items: [{}, { when: 5 }] }, order],
    ["args.items[0].when", { items: [{ when: new Date(NaN) }] }, order],
    ["args.items[1]", { items: [{}, null] }, order],
    ['args.by["a b"].size', { by: new Map([["a b", { size: 1.5 }]]) }, order],
    ["args.by.k.size", { by: { k: { size: "1" } } }, order],
    ['args["odd name"]', { "odd name": -1 }, order],
    ["args", 2n ** 63n, gob.int],
    ["args", -1n, gob.uint],
    ["args", 2n ** 64n, gob.uint],
    ["args", 1, gob.bool],
    ["args", 1, gob.bytes],
    ["args", [256], gob.bytes],
    ["args", 1n, gob.float64],
    ["args", { re: 1 }, gob.complex128],
    ["args", [], gob.struct({})],
    ["args", new Map(), gob.struct({})],
    ["args", 1, gob.map(gob.string, gob.int)],
    ["args.x", { x: 1 }, gob.map(gob.int, gob.int)],
    ["args", new Date(), gob.map(gob.string, gob.int)],
    ["args", new Uint8Array(1), gob.struct({})],
    ["args", null, gob.opaque("gob", "Coin")],
    ["args", { "": 1 }, gob.struct({ "": gob.int })],
    ["args", { a: { b: [() => 1] } }, undefined as never],
  ];
  for (const [path, value, type] of cases) {
    const name = type === undefined ? "an undeclared type" : type.kind;
    test(`${path} of ${name}: ${Bun.inspect(value, { compact: true })}`, () => {
      const { code, message } = failure(value, type);
      expect(code).toBe("invalid_argument");
      const expected = type === undefined ? "args.a.b[0]" : path;
      expect(message.slice(0, expected.length + 1)).toBe(`${expected} `);
    });
  }

  test("a getter that throws is a culprit like others", () => {
    const value = {
      get size(): number {
        throw new Error("not now");
      },
    };
    expect(failure(value, item).code).toBe("invalid_argument");
    expect(failure(value).code).toBe("invalid_argument");
  });

  test("a cycle is too deep", () => {
    const cycle: { self?: object } = {};
    cycle.self = cycle;
    const type = gob.struct((self) => ({ self }));
    expect(failure(cycle, type).code).toBe("invalid_argument");
    expect(failure(cycle).code).toBe("invalid_argument");
  });
});

describe("a value that fails leaves the stream in step", () => {
  test("its definitions are taken back with it", () => {
    const out = new SendBuffer();
    const encoder = new GobEncoder();
    encoder.encode(out, "before");
    const before = out.pending().toHex();
    const bad = { items: [{ size: 1 }, { size: "x" }] };
    expect(() => encoder.encode(out, bad, order)).toThrow(RpcError);
    expect(out.pending().toHex()).toBe(before);
    encoder.encode(out, { size: 2 }, item);
    encoder.encode(out, { items: [{ size: 3 }] }, order);
    const [, second, third] = decodeAll(out.pending());
    expect(second).toMatchObject({ size: 2 });
    expect(third).toMatchObject({ items: [{ size: 3 }] });
  });

  test("types that were defined before stay defined", () => {
    const encoder = new GobEncoder();
    const out = new SendBuffer();
    encoder.encode(out, { size: 1 }, item);
    const { length } = out;
    expect(() => encoder.encode(out, { size: "x" }, item)).toThrow(RpcError);
    encoder.encode(out, { size: 1 }, item);
    expect(out.length - length).toBeLessThan(10);
    expect(decodeAll(out.pending())).toHaveLength(2);
  });

  test("a message that is too long is taken back", () => {
    const encoder = new GobEncoder({ limits: { maxMessageBytes: 1000 } });
    const out = new SendBuffer();
    expect(() => encoder.encode(out, "x".repeat(1000))).toThrow(
      expect.objectContaining({ code: "resource_exhausted" }),
    );
    expect(out.length).toBe(0);
  });

  test("and one that would never end", () => {
    let value: object = {};
    const type = gob.struct((self) => ({ A: self, B: self }));
    for (let left = 50; left > 0; left--) value = { A: value, B: value };
    expect(failure(value, type).code).toBe("resource_exhausted");
  });

  test("so is one type too many", () => {
    const encoder = new GobEncoder({ limits: { maxTypes: 2 } });
    const out = new SendBuffer();
    encoder.encode(out, [1], gob.slice(gob.int));
    const deep = gob.slice(gob.slice(gob.int));
    expect(() => encoder.encode(out, [[1]], deep)).toThrow(
      expect.objectContaining({ code: "resource_exhausted" }),
    );
    encoder.encode(out, [2], gob.slice(gob.int));
    expect(decodeAll(out.pending())).toEqual([[1], [2]]);
  });
});

test("a declared type says what is sent, whatever else the object has", () => {
  const out = new SendBuffer();
  new GobEncoder().encode(out, { size: 1, other: () => 1 }, item);
  const [value] = decodeAll(out.pending()) as [object];
  expect(Object.keys(value)).toEqual(["when", "size"]);
});

test("a plain object is sent as a map whose keys it spells", () => {
  const cases: [GobType, object, Map<unknown, unknown>][] = [
    [gob.string, { a: 1, b: undefined }, new Map([["a", 1]])],
    [gob.int, { "-3": 1 }, new Map([[-3, 1]])],
    [gob.uint, { 3: 1 }, new Map([[3, 1]])],
    [gob.float64, { "0.5": 1 }, new Map([[0.5, 1]])],
    [
      gob.bool,
      { true: 1, false: 2 },
      new Map([
        [true, 1],
        [false, 2],
      ]),
    ],
  ];
  for (const [key, value, expected] of cases) {
    const out = new SendBuffer();
    new GobEncoder().encode(out, value, gob.map(key, gob.int));
    expect(decodeAll(out.pending())).toEqual([expected]);
  }
});

test("views of any kind are sent as bytes, and as lists", () => {
  const out = new SendBuffer();
  const encoder = new GobEncoder();
  const { buffer } = Uint8Array.of(1, 2);
  for (const value of [buffer, new DataView(buffer), [1, 2]]) {
    encoder.encode(out, value, gob.bytes);
  }
  encoder.encode(out, Int16Array.of(1, 2), gob.slice(gob.float64));
  const bytes = Uint8Array.of(1, 2);
  expect(decodeAll(out.pending())).toEqual([bytes, bytes, bytes, [1, 2]]);
});

test("nothing is an empty struct", () => {
  const out = new SendBuffer();
  const encoder = new GobEncoder();
  encoder.encode(out, undefined);
  encoder.encode(out, null);
  expect(decodeAll(out.pending())).toEqual([{}, {}]);
});

test("messages of any length carry it in as few bytes as Go", () => {
  for (const length of [
    120, 123, 124, 125, 126, 127, 128, 250, 255, 256, 70_000,
  ]) {
    const out = new SendBuffer();
    new GobEncoder().encode(out, "x".repeat(length), gob.string);
    expect(decodeAll(out.pending())).toEqual(["x".repeat(length)]);
  }
});

test("numbers at every edge of their width arrive", () => {
  const edges = [0, 6, 7, 8, 15, 16, 31, 32, 47, 48, 52, 53, 62, 63].flatMap(
    (bit) => {
      const power = 2n ** BigInt(bit);
      return [power - 1n, power, -power, -power - 1n];
    },
  );
  const ints = edges.filter((one) => BigInt.asIntN(64, one) === one);
  const out = new SendBuffer();
  const encoder = new GobEncoder();
  encoder.encode(out, ints, gob.slice(gob.int));
  encoder.encode(
    out,
    ints.filter((one) => one >= 0n),
    gob.slice(gob.uint),
  );
  const [signed, unsigned] = decodeAll(out.pending()) as (number | bigint)[][];
  expect(signed?.map((one) => BigInt(one))).toEqual(ints);
  expect(unsigned?.map((one) => BigInt(one))).toEqual(
    ints.filter((one) => one >= 0n),
  );
  for (const one of [...(signed ?? []), ...(unsigned ?? [])]) {
    expect(typeof one).toBe(
      Number.isSafeInteger(Number(one)) ? "number" : "bigint",
    );
  }
});
