import { describe, expect, spyOn, test } from "bun:test";
import { inspect } from "node:util";
import { Packr, Unpackr } from "msgpackr/pack";
import { randomIndex, type Random } from "../../src/base/random.ts";
import { unpackMessagePack } from "../../src/codec/binary/msgpack-reader.ts";
import { packMessagePack } from "../../src/codec/binary/msgpack-writer.ts";
import { RpcError } from "../../src/errors.ts";
import { testRandom } from "../support/seed.ts";
import { codeThrownBy } from "./code-thrown-by.ts";

const maxDepth = 64;

function roundTrip(value: unknown): unknown {
  return unpackMessagePack(packMessagePack(value, maxDepth), maxDepth);
}

/** Every part with its kind, also where equality is blind: -0, the invalid Date, the order of a Set. */
function shown(value: unknown): string {
  return inspect(value, {
    depth: Infinity,
    maxArrayLength: Infinity,
    maxStringLength: Infinity,
  });
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
}

function unpackHex(hex: string): unknown {
  return unpackMessagePack(bytesOf(hex), maxDepth);
}

class Point {
  #hidden = 1;
  x = 1;
  sum() {
    return this.x + this.#hidden;
  }
}

const numbers = [
  0,
  -0,
  1,
  127,
  128,
  255,
  256,
  65535,
  65536,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53 - 1,
  -1,
  -32,
  -33,
  -128,
  -129,
  -32768,
  -32769,
  -(2 ** 31),
  -(2 ** 31) - 1,
  -(2 ** 53) + 1,
  0.5,
  -1.5,
  NaN,
  Infinity,
  -Infinity,
  Number.MIN_VALUE,
  Number.MAX_VALUE,
];

const values: [string, unknown][] = [
  ["undefined", undefined],
  ["null", null],
  ["true", true],
  ["false", false],
  ...numbers.map((number): [string, unknown] => [
    Object.is(number, -0) ? "-0" : String(number),
    number,
  ]),
  ...[0n, 1n, -1n, 255n, 256n, -(2n ** 63n), 2n ** 64n, 10n ** 99n].map(
    (value): [string, unknown] => [`${value}n`, value],
  ),
  ...[0, 1, 15, 16, 17, 31, 32, 255, 256, 65535, 65536].flatMap(
    (length): [string, unknown][] => [
      [`${length} characters`, "x".repeat(length)],
      [`${length} characters of three bytes`, "€".repeat(length)],
      [`${length} bytes`, new Uint8Array(length).fill(7)],
      [`${length} items`, Array.from({ length }, (_, at) => at)],
    ],
  ),
  ["a byte order mark", `\ufeff${"x".repeat(99)}`],
  ["the first character past ASCII", "\x80"],
  ["NUL and quotes", `\0"\\`],
  ["a lone surrogate", "a\ud800b\udc00"],
  ["a Date", new Date(1_700_000_000_123)],
  ["a Date before 1970", new Date(-1)],
  ["the invalid Date", new Date(NaN)],
  ["an ArrayBuffer", Uint8Array.of(1, 2, 3).buffer],
  ["an Int8Array", Int8Array.of(-1, 1)],
  ["a Uint8ClampedArray", Uint8ClampedArray.of(255)],
  ["an Int16Array", Int16Array.of(-2, 2)],
  ["a Uint16Array", Uint16Array.of(65535)],
  ["an Int32Array", Int32Array.of(-3)],
  ["a Uint32Array", Uint32Array.of(2 ** 32 - 1)],
  ["a BigInt64Array", BigInt64Array.of(-4n)],
  ["a BigUint64Array", BigUint64Array.of(2n ** 64n - 1n)],
  ["a Float16Array", Float16Array.of(0.5)],
  ["a Float32Array", Float32Array.of(1.5)],
  ["a Float64Array", Float64Array.of(NaN, -0)],
  ["an empty typed array", new Float64Array(0)],
  ["part of a buffer", new Uint16Array(Uint16Array.of(1, 2, 3).buffer, 2, 1)],
  [
    "a Map",
    new Map<unknown, unknown>([
      ["a", 1],
      [{ b: 1 }, new Map()],
    ]),
  ],
  ["an empty Map", new Map()],
  ["a Set", new Set<unknown>([1, "a", new Set([-0.5])])],
  ["lists and objects", { a: [1, { b: undefined }], c: {} }],
  ["an undefined item", [undefined, 1n]],
  ["an empty object", {}],
  ["an own __proto__", JSON.parse(`{"__proto__":{"a":1},"b":2}`)],
  ["a key that UTF-8 cannot hold", { "\ud800": 1, b: 2 }],
  [
    "keys that look like methods",
    { constructor: 1, toJSON: 2, hasOwnProperty: 3 },
  ],
  [
    "65,537 keys",
    Object.fromEntries(
      Array.from({ length: 65537 }, (_, at) => [`k${at}`, at]),
    ),
  ],
];

describe("MessagePack", () => {
  test.each(values)("%s arrives as it left", (_, value) => {
    for (const wrapped of [value, [value, 1], { a: value }, new Set([value])]) {
      expect(shown(roundTrip(wrapped)) === shown(wrapped)).toBe(true);
    }
  });

  test("own keys stay own keys", () => {
    const arrived = roundTrip(JSON.parse(`{"__proto__":{"a":1}}`)) as object;
    expect(Object.keys(arrived)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(arrived)).toBe(Object.prototype);
    expect("a" in arrived).toBe(false);
    expect(
      Object.keys(unpackHex("81 a9 5f5f70726f746f5f5f 80") as object),
    ).toEqual(["__proto__"]);
  });

  test("class instances arrive as plain objects, holes as undefined, Buffers as bytes", () => {
    class List extends Array<number> {}
    class Table extends Map<string, number> {}
    expect(roundTrip(new Point())).toStrictEqual({ x: 1 });
    expect(roundTrip(new (class {})())).toStrictEqual({});
    expect(
      roundTrip(Object.assign(Object.create(null), { a: 1n })),
    ).toStrictEqual({ a: 1n });
    expect(roundTrip(List.of(1, 2))).toStrictEqual([1, 2]);
    expect(roundTrip(new Table([["a", 1]]))).toStrictEqual(new Map([["a", 1]]));
    const withHole = [1, 2];
    delete withHole[0];
    expect(roundTrip(withHole)).toStrictEqual([undefined, 2]);
    const bytes = roundTrip([Buffer.from("ab")]) as Uint8Array[];
    expect(bytes[0]?.constructor).toBe(Uint8Array);
  });

  test("nothing that was read is a view into the bytes", () => {
    const value = [
      Uint8Array.of(1),
      Uint16Array.of(2),
      Uint8Array.of(3).buffer,
      "text",
      new Map([["k", Uint8Array.of(4)]]),
      5n,
    ];
    const bytes = Uint8Array.from(packMessagePack(value, maxDepth));
    const arrived = unpackMessagePack(bytes, maxDepth);
    bytes.fill(0xff);
    expect(arrived).toStrictEqual(value);
  });

  test("reads from the middle of a chunk", () => {
    const packed = packMessagePack([1.5, "é", new Date(5)], maxDepth);
    const chunk = new Uint8Array(packed.length + 7).fill(0xc1);
    chunk.set(packed, 3);
    const view = chunk.subarray(3, 3 + packed.length);
    expect(unpackMessagePack(view, maxDepth)).toEqual([1.5, "é", new Date(5)]);
  });
});

describe("what cannot travel", () => {
  const cycle: unknown[] = [1];
  cycle.push({ back: cycle });
  const keyless = Object.create(null) as object;
  test.each<[string, unknown, string]>([
    ["a function", { a: [() => 1] }, "value.a[0]"],
    ["a symbol", Symbol.iterator, "value"],
    ["a symbol as a key", new Map([[Symbol.iterator, 1]]), "value.keys()"],
    ["a cycle", cycle, "value[1].back"],
    ["a cycle in a Map", new Map([["a", cycle]]), `value.get("a")[1].back`],
    [
      "a function behind an odd key",
      new Map([[keyless, () => 1]]),
      "value.get(an",
    ],
    ["a function in a Set", new Set([() => 1]), "value.values()"],
    ["a promise", { p: Promise.resolve() }, "value.p"],
    ["a DataView", [new DataView(new ArrayBuffer(1))], "value[0]"],
    ["a regular expression", [/a/], "value[0]"],
    ["an Error", { error: new Error("lost") }, "value.error"],
    [
      "an Error with fields",
      { error: new RpcError("internal", "lost") },
      "value.error",
    ],
    ["a WeakMap", new WeakMap(), "value"],
    ["a boxed number", [Object(1)], "value[0]"],
    ["a URL", { url: new URL("http://a/") }, "value.url"],
  ])("%s: invalid_argument with its path", (_, value, path) => {
    let error: RpcError | undefined;
    try {
      packMessagePack(value, maxDepth);
    } catch (thrown) {
      error = RpcError.from(thrown);
    }
    expect(error?.code).toBe("invalid_argument");
    expect(error?.message.split(" ")[0]).toBe(path);
  });

  test("a generator that is not asynchronous: how to write it", () => {
    const generator = (function* () {})();
    let error: RpcError | undefined;
    try {
      packMessagePack(generator, maxDepth);
    } catch (thrown) {
      error = RpcError.from(thrown);
    }
    expect(error?.code).toBe("invalid_argument");
    expect(error?.message).toContain("async *");
  });

  test("a getter that throws", () => {
    const value = {
      get a() {
        throw new TypeError("no");
      },
    };
    expect(codeThrownBy(() => packMessagePack(value, maxDepth))).toBe(
      "invalid_argument",
    );
  });

  test("the same object twice is no cycle", () => {
    const shared = { n: 1n };
    expect(roundTrip([shared, shared])).toStrictEqual([shared, shared]);
  });

  test("leaves nothing behind for the next value", () => {
    for (let round = 0; round < 100; round++) {
      const value = new Map([["a", new Set([[() => 1]])]]);
      expect(codeThrownBy(() => packMessagePack(value, maxDepth))).toBe(
        "invalid_argument",
      );
      expect(codeThrownBy(() => unpackHex("c7 04 02 92 a1 61 c1"))).toBe(
        "invalid_argument",
      );
    }
    expect(roundTrip([1n])).toEqual([1n]);
  });
});

describe("depth", () => {
  const wrappers: ((value: unknown) => unknown)[] = [
    (value) => [value],
    (value) => ({ value }),
    (value) => new Map([["a", value]]),
    (value) => new Set([value]),
  ];
  test.each(wrappers)("is limited for the writer and the reader", (wrap) => {
    let value: unknown = 1n;
    for (let level = 0; level < 5; level++) value = wrap(value);
    const packed = packMessagePack(value, 5);
    expect(unpackMessagePack(packed, 5)).toStrictEqual(value);
    expect(codeThrownBy(() => unpackMessagePack(packed, 4))).toBe(
      "invalid_argument",
    );
    expect(codeThrownBy(() => packMessagePack(value, 4))).toBe(
      "invalid_argument",
    );
  });

  test("a million brackets exhaust no stack", () => {
    for (const tag of [0x91, 0x81]) {
      const bytes = new Uint8Array(1 << 20).fill(tag);
      expect(codeThrownBy(() => unpackMessagePack(bytes, maxDepth))).toBe(
        "invalid_argument",
      );
    }
  });
});

describe("what others write", () => {
  test.each<[string, unknown]>([
    ["cf 0000000000000005", 5],
    ["cf 001fffffffffffff", 2 ** 53 - 1],
    ["cf 0020000000000000", 2n ** 53n],
    ["cf ffffffffffffffff", 2n ** 64n - 1n],
    ["d3 ffffffffffffffff", -1],
    ["d3 8000000000000000", -(2n ** 63n)],
    ["ca 3fc00000", 1.5],
    ["cc 05", 5],
    ["ce 00000005", 5],
    ["d0 05", 5],
    ["d1 fffe", -2],
    ["d2 fffffffe", -2],
    ["d9 01 61", "a"],
    ["db 00000001 61", "a"],
    ["dd 00000001 05", [5]],
    ["df 00000001 a1 61 05", { a: 5 }],
    ["81 05 06", { "5": 6 }],
    ["d4 00 00", undefined],
    ["c9 00000003 02 92 01 02", new Map([[1, 2]])],
    ["d5 03 91 01", new Set([1])],
    ["d7 04 0000000000000000", new Date(0)],
    ["d5 01 01 05", -5n],
    ["a2 c328", "\ufffd("],
  ])("%s", (hex, value) => {
    expect(unpackHex(hex)).toStrictEqual(value);
  });

  test("msgpackr is understood, and understands", () => {
    const value = {
      id: 7,
      far: 2 ** 40,
      name: "é".repeat(50),
      bytes: Uint8Array.of(1, 2),
      list: [null, true, -5, 1.5],
    };
    const packed = new Packr({ useRecords: false }).pack(value);
    expect(unpackMessagePack(packed, maxDepth)).toEqual(value);
    const unpackr = new Unpackr({ useRecords: false });
    expect(unpackr.unpack(packMessagePack(value, maxDepth))).toEqual(value);
  });
});

describe("bad bytes", () => {
  test.each([
    ["", "nothing"],
    ["c1", "an unused tag"],
    ["01 02", "two values"],
    ["dc ffff", "an array's count"],
    ["dd ffffffff", "an array's count"],
    ["dd ffffffff 01 02 03", "an array's count"],
    ["de ffff", "a map's count"],
    ["df 7fffffff 01 02", "a map's count"],
    ["df ffffffff", "a map's count"],
    ["d9 05 61", "a text's length"],
    ["db ffffffff 61", "a text's length"],
    ["c4 ff 00", "a length of bytes"],
    ["c6 ffffffff 00", "a length of bytes"],
    ["c7 ff 01 00", "an extension's length"],
    ["c9 ffffffff 02 90", "an extension's length"],
    ["d4 02", "an extension that is cut off"],
    ["c7 03 02 92 01 02 00", "bytes behind a Map"],
    ["93 c7 02 02 92 01 02", "a Map longer than its extension"],
    ["c7 02 03 91 01 01", "bytes behind a Set"],
    ["c7 02 02 91 01", "a key without a value"],
    ["d4 02 05", "a Map of a number"],
    ["d5 03 a1 61", "a Set of text"],
    ["c7 00 01", "a bigint of nothing"],
    ["d4 01 01", "a bigint of a sign"],
    ["d6 04 00000000", "a Date of four bytes"],
    ["c7 00 05", "an array of no kind"],
    ["d4 05 0c", "an array of an unknown kind"],
    ["d5 05 0a 00", "a Float64Array of a byte"],
    ["d4 72 40", "a record of msgpackr"],
    ["d4 78 00", "a regular expression of msgpackr"],
    ["d6 69 00000001 90", "a reference of msgpackr"],
    ["d6 ff 00000000", "a timestamp"],
    ["81 c0 01", "a key that is null"],
    ["81 90 01", "a key that is a list"],
    ["81 c4 01 61 01", "a key that is bytes"],
  ])("%s: %s", (hex) => {
    expect(codeThrownBy(() => unpackHex(hex))).toBe("invalid_argument");
  });

  test("declared counts take no room before their items come", () => {
    // Arrays in each other, each of which declares all that is left.
    const bytes = new Uint8Array(1 << 20);
    const view = new DataView(bytes.buffer);
    for (let level = 0; level < 60; level++) {
      view.setUint8(5 * level, 0xdd);
      view.setUint32(5 * level + 1, bytes.length - 5 * level - 5);
    }
    let roomItems = 0;
    const original = globalThis.Array;
    const counting = new Proxy(original, {
      construct(target, [length]) {
        roomItems += Number(length);
        return new target(length);
      },
    });
    globalThis.Array = counting;
    try {
      expect(codeThrownBy(() => unpackMessagePack(bytes, maxDepth))).toBe(
        "invalid_argument",
      );
    } finally {
      globalThis.Array = original;
    }
    expect(roomItems).toBe(0);
  });

  test("many small Sets cost what their bytes cost", () => {
    const count = 20_000;
    const value = Array.from({ length: count }, () => new Set([1]));
    const packed = packMessagePack(value, maxDepth);
    let copiedBytes = 0;
    const original = Uint8Array.prototype.slice;
    const slice = spyOn(Uint8Array.prototype, "slice").mockImplementation(
      function (this: Uint8Array, from, to) {
        const copy = original.call(this, from, to);
        copiedBytes += copy.length;
        return copy as Uint8Array<ArrayBuffer>;
      },
    );
    try {
      const arrived = unpackMessagePack(packed, maxDepth) as unknown[];
      expect(arrived.length).toBe(count);
    } finally {
      slice.mockRestore();
    }
    // msgpackr copies the whole body for each: 20,000 times 160 KB.
    expect(copiedBytes).toBeLessThanOrEqual(packed.length);
  });

  test("every truncation, every bit flip and random bytes are a value or invalid_argument", () => {
    const random = testRandom();
    const packed = packMessagePack(
      values.slice(0, 60).concat(values.slice(-24, -1)),
      maxDepth,
    ).slice();
    const sample = packMessagePack(sampleOf(random), maxDepth).slice();
    for (let length = 0; length < sample.length; length++) {
      expect(
        codeThrownBy(() =>
          unpackMessagePack(sample.slice(0, length), maxDepth),
        ),
      ).toBe("invalid_argument");
    }
    for (let round = 0; round < 20_000; round++) {
      const source = round % 2 === 0 ? sample : packed.subarray(0, 4000);
      const bytes = source.slice();
      const flips = 1 + randomIndex(3, random);
      for (let flip = 0; flip < flips; flip++) {
        const at = randomIndex(bytes.length, random);
        bytes[at] = (bytes[at] as number) ^ (1 << randomIndex(8, random));
      }
      const code = codeThrownBy(() => unpackMessagePack(bytes, maxDepth));
      expect([undefined, "invalid_argument"]).toContain(code);
    }
    for (let round = 0; round < 20_000; round++) {
      const length = randomIndex(60, random);
      const bytes = Uint8Array.from({ length }, () => randomIndex(256, random));
      const code = codeThrownBy(() => unpackMessagePack(bytes, maxDepth));
      expect([undefined, "invalid_argument"]).toContain(code);
    }
  });

  test("random values arrive as they left", () => {
    const random = testRandom();
    for (let round = 0; round < 2000; round++) {
      const value = randomValue(random, 4);
      expect(shown(roundTrip(value))).toBe(shown(value));
    }
  });
});

function sampleOf(random: Random): unknown {
  return [
    new Map<unknown, unknown>([
      ["a", -5n],
      [1.5, new Date(7)],
    ]),
    new Set(["é", undefined, -0]),
    { text: "x".repeat(40), bytes: Uint8Array.of(1, 2, 3) },
    Float32Array.of(1, 2),
    randomValue(random, 3),
  ];
}

function randomValue(random: Random, depth: number): unknown {
  const kind = randomIndex(depth === 0 ? 8 : 12, random);
  const length = randomIndex(6, random);
  const part = () => randomValue(random, depth - 1);
  switch (kind) {
    case 0:
      return undefined;
    case 1:
      return null;
    case 2:
      return random() < 0.5;
    case 3:
      return numbers[randomIndex(numbers.length, random)];
    case 4:
      return (random() - 0.5) * 2 ** randomIndex(60, random);
    case 5:
      return BigInt(Math.floor((random() - 0.5) * 2 ** 53)) ** BigInt(length);
    case 6:
      return String.fromCharCode(
        ...Array.from({ length }, () => randomIndex(0x10000, random)),
      );
    case 7:
      return Uint8Array.from({ length }, () => randomIndex(256, random));
    case 8:
      return Array.from({ length }, part);
    case 9:
      return new Map(Array.from({ length }, () => [part(), part()] as const));
    case 10:
      return new Set(Array.from({ length }, part));
    default:
      return Object.fromEntries(
        Array.from({ length }, (_, at) => [`key ${at}`, part()]),
      );
  }
}
