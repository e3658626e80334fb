import { describe, expect, test } from "bun:test";
import { gob } from "../../../src/codec/gob/gob.ts";
import { GobDecoder } from "../../../src/codec/gob/gob-decoder.ts";
import { GobEncoder } from "../../../src/codec/gob/gob-encoder.ts";
import { GobNamed } from "../../../src/codec/gob/gob-named.ts";
import { GobRegistry } from "../../../src/codec/gob/gob-registry.ts";
import { SendBuffer } from "../../../src/wire/send-buffer.ts";
import { decodeAll } from "./vectors.ts";

const args = gob.struct({ Num1: gob.int, Num2: gob.int }, "Args");
const box = gob.struct({ V: gob.interface, More: gob.slice(gob.interface) });

function textOf(out: SendBuffer): string {
  return Buffer.from(out.pending()).toString("latin1");
}

test("values go under the names that Go has for their types", () => {
  const values: [unknown, string][] = [
    [1, "int"],
    [1.5, "float64"],
    ["x", "string"],
    [true, "bool"],
    [new Uint8Array([1]), "[]uint8"],
    [[1], "[]int"],
    [["x"], "[]string"],
    [[1, "x"], "[]interface {}"],
    [new Map([["k", 0.5]]), "map[string]float64"],
    [new Date(5), "time.Time"],
  ];
  for (const [value, name] of values) {
    const out = new SendBuffer();
    new GobEncoder().encode(out, { V: value }, box);
    expect(textOf(out)).toContain(`${String.fromCharCode(name.length)}${name}`);
    const [arrived] = decodeAll(out.pending()) as { V: unknown }[];
    expect(arrived?.V).toEqual(value);
  }
});

test("nil is null, at its place among others", () => {
  const out = new SendBuffer();
  new GobEncoder().encode(out, { V: null, More: [null, 1, undefined] }, box);
  expect(decodeAll(out.pending())).toEqual([
    { V: null, More: [null, 1, null] },
  ]);
});

describe("structs", () => {
  test("go under their registered name, found by their fields", () => {
    const registry = new GobRegistry().register("main.Args", args);
    const out = new SendBuffer();
    new GobEncoder({ registry }).encode(out, { V: { Num2: 3 } }, box);
    expect(textOf(out)).toContain("main.Args");
    expect(decodeAll(out.pending())).toEqual([
      { V: { Num1: 0, Num2: 3 }, More: [] },
    ]);
  });

  test("go under the name that is given with them", () => {
    const out = new SendBuffer();
    const encoder = new GobEncoder();
    encoder.encode(
      out,
      { V: new GobNamed("main.Args", { Num1: 3 }, args) },
      box,
    );
    encoder.encode(out, { V: new GobNamed("int16", 5) }, box);
    expect(decodeAll(out.pending())).toMatchObject([
      { V: { Num1: 3, Num2: 0 } },
      { V: 5 },
    ]);
  });

  test("go back under the name that they came with", () => {
    const out = new SendBuffer();
    const value = { V: new GobNamed("main.Args", { Num1: 3 }, args) };
    new GobEncoder().encode(out, value, box);
    const [arrived] = decodeAll(out.pending()) as { V: unknown }[];
    const back = new SendBuffer();
    new GobEncoder().encode(back, { V: arrived?.V }, box);
    expect(textOf(back)).toContain("main.Args");
  });

  const nameless = [
    { x: 1 },
    [{ x: 1 }],
    new Map([["k", { x: 1 }]]),
    [() => 1],
  ];
  for (const V of nameless) {
    test(`without a name are refused: ${Bun.inspect(V, { compact: true })}`, () => {
      const out = new SendBuffer();
      expect(() => new GobEncoder().encode(out, { V }, box)).toThrow(
        expect.objectContaining({ code: "invalid_argument" }),
      );
      expect(out.length).toBe(0);
    });
  }

  test("and arrays of them have names made of theirs", () => {
    const registry = new GobRegistry().register("main.Args", args);
    const pair = gob.array(2, args);
    expect(registry.nameOf(pair)).toBe("[2]main.Args");
    expect(registry.nameOf(gob.map(gob.bool, pair))).toBe(
      "map[bool][2]main.Args",
    );
    expect(registry.nameOf(gob.struct({}))).toBeUndefined();
  });
});

test("a value that new types break into many messages arrives, in any pieces", () => {
  const types = Array.from({ length: 30 }, (_, at) =>
    gob.struct(
      { A: gob.int, In: gob.slice(gob.struct({ B: gob.interface })) },
      `T${at}`,
    ),
  );
  const more = types.map(
    (type, at) =>
      new GobNamed(
        `main.T${at}`,
        {
          A: at,
          In: [{ B: "x" }, { B: new GobNamed(`main.S${at}`, { S: at }) }],
        },
        type,
      ),
  );
  const out = new SendBuffer();
  const encoder = new GobEncoder();
  encoder.encode(out, { More: more }, box);
  encoder.encode(out, { More: more }, box);
  encoder.encode(out, 7);
  const expected = {
    V: null,
    More: types.map((_, at) => ({ A: at, In: [{ B: "x" }, { B: { S: at } }] })),
  };
  for (const pieceBytes of [Infinity, 100, 1]) {
    expect(decodeAll(out.pending(), pieceBytes)).toEqual([
      expected,
      expected,
      7,
    ]);
  }
});

describe("types that encode themselves", () => {
  const out = () => new SendBuffer();
  const holder = gob.struct({
    I: gob.opaque("gob", "Int"),
    U: gob.opaque("binary", "URL"),
    L: gob.opaque("text", "Level"),
  });

  test("arrive as bytes or text, and go back", () => {
    const buffer = out();
    const value = {
      I: new Uint8Array([2, 7]),
      U: new Uint8Array([104]),
      L: "high",
    };
    new GobEncoder().encode(buffer, value, holder);
    expect(decodeAll(buffer.pending())).toEqual([value]);
  });

  test("that are left out are null, and stay out", () => {
    const buffer = out();
    const encoder = new GobEncoder();
    encoder.encode(buffer, {}, holder);
    const { length } = buffer;
    const [arrived] = decodeAll(buffer.pending());
    expect(arrived).toEqual({ I: null, U: null, L: null });
    encoder.encode(buffer, arrived, holder);
    expect(buffer.length - length).toBe(4);
  });

  const registry = new GobRegistry();
  const bigInt = registry.registerOpaque("gob", "Int", {
    encode: (value) => {
      if (typeof value !== "bigint") throw new Error("no bigint");
      return Uint8Array.of(2, Number(value));
    },
    decode: ([first, byte]) => {
      if (first !== 2) throw new Error("another version");
      return BigInt(byte ?? 0);
    },
  });

  test("are what a registered codec makes of them", () => {
    const buffer = out();
    const encoder = new GobEncoder({ registry });
    encoder.encode(buffer, [5n, 6n], gob.slice(bigInt));
    const arrived = decodeAll(
      buffer.pending(),
      1,
      new GobDecoder({ registry }),
    );
    expect(arrived).toEqual([[5n, 6n]]);
    expect(() => encoder.encode(buffer, [5], gob.slice(bigInt))).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  });

  test("a codec that throws loses that value only, also beside interfaces", () => {
    const buffer = out();
    const encoder = new GobEncoder();
    const type = gob.struct({ I: gob.opaque("gob", "Int"), V: gob.interface });
    encoder.encode(buffer, { I: new Uint8Array([9]), V: "x" }, type);
    encoder.encode(buffer, 7);
    const decoder = new GobDecoder({ registry });
    decoder.push(buffer.pending());
    expect(decoder.next()?.error).toMatchObject({ code: "invalid_argument" });
    expect(decoder.next()).toMatchObject({ value: 7 });
  });
});

test("a nil map arrives empty, and goes back as nil until it is filled", () => {
  const type = gob.struct({ M: gob.map(gob.string, gob.int) });
  const buffer = new SendBuffer();
  const encoder = new GobEncoder();
  encoder.encode(buffer, {}, type);
  const [arrived] = decodeAll(buffer.pending()) as { M: Map<string, number> }[];
  expect([...(arrived?.M ?? [0])]).toEqual([]);
  const before = buffer.length;
  encoder.encode(buffer, arrived, type);
  const nil = buffer.length - before;
  encoder.encode(buffer, { M: new Map() }, type);
  expect(buffer.length - before).toBeGreaterThan(2 * nil);
  arrived?.M.set("k", 1);
  encoder.encode(buffer, arrived, type);
  expect(decodeAll(buffer.pending()).at(-1)).toEqual({
    M: new Map([["k", 1]]),
  });
});

test("values out of many streams are of one type where their structure is one", () => {
  const source = () => {
    const out = new SendBuffer();
    const encoder = new GobEncoder();
    encoder.encode(
      out,
      { V: new GobNamed("main.Args", { Num1: 3 }, args) },
      box,
    );
    return decodeAll(out.pending())[0] as { V: unknown };
  };
  const encoder = new GobEncoder({ limits: { maxTypes: 4 } });
  const out = new SendBuffer();
  for (let streams = 0; streams < 20; streams++)
    encoder.encode(out, source(), box);
  expect(decodeAll(out.pending())).toHaveLength(20);
});
