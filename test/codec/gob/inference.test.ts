import { describe, expect, test } from "bun:test";
import { Complex } from "../../../src/codec/gob/complex.ts";
import { formatGobType } from "../../../src/codec/gob/format-gob-type.ts";
import { gob } from "../../../src/codec/gob/gob.ts";
import { type Ambiguity, Inference } from "../../../src/codec/gob/inference.ts";
import type { SliceType } from "../../../src/codec/gob/list-types.ts";
import { parseGobType } from "../../../src/codec/gob/parse-gob-type.ts";
import type { StructType } from "../../../src/codec/gob/struct-type.ts";

/** The declarations of what each value is sent as, one after the other. */
function inferred(inference: Inference, ...values: unknown[]): string[] {
  return values.map((value) => formatGobType(inference.typeOf(value)));
}

describe("a value by itself", () => {
  const cases: [unknown, string][] = [
    [true, "bool"],
    [7, "int"],
    [-0, "int"],
    [7.5, "float64"],
    [NaN, "float64"],
    [2 ** 53, "float64"],
    [7n, "int"],
    ["x", "string"],
    [new Uint8Array(2), "[]byte"],
    [new ArrayBuffer(2), "[]byte"],
    [new Date(0), "time"],
    [new Complex(1, 2), "complex128"],
    [[1, 2], "[]int"],
    [[1, 2.5], "[]float64"],
    [[[], [1]], "[][]int"],
    [[[], []], "[][]any"],
    [[1, "x"], "[]any"],
    [new Float64Array(2), "[]float64"],
    [new Int32Array(2), "[]int"],
    [new BigUint64Array(2), "[]uint"],
    [new Map([["k", 1]]), "map[string]int"],
    [new Map([[1, 2.5]]), "map[int]float64"],
    [{ Num1: 1, Avg: 0.5 }, "Num1:int,Avg:float64"],
    [{ In: { Name: "x" } }, "In:{Name:string}"],
    [{ A: null, B: undefined, C: [], D: new Map(), E: 1 }, "E:int"],
    [[{ a: 1 }, { b: "x", a: 0.5 }], "[]{a:float64,b:string}"],
    [[{ t: [] }, { t: ["x"] }], "[]{t:[]string}"],
    [null, ""],
    [undefined, ""],
    [{}, ""],
  ];
  for (const [value, declaration] of cases) {
    test(`${Bun.inspect(value, { compact: true })} is ${declaration}`, () => {
      expect(inferred(new Inference(), value)).toEqual([declaration]);
    });
  }

  for (const value of [() => 1, Symbol("x"), new Set([1]), /x/]) {
    test(`${String(value)} has no form`, () => {
      expect(() => new Inference().typeOf([value])).toThrow(
        expect.objectContaining({ code: "invalid_argument" }),
      );
    });
  }

  test("a field without a name is none of Go's, and a key like others", () => {
    const inference = new Inference();
    for (const value of [{ "": 1 }, { a: [{ "": 0.5, b: 1 }] }]) {
      expect(() => inference.typeOf(value)).toThrow(
        expect.objectContaining({ code: "invalid_argument" }),
      );
    }
    expect(inferred(inference, { "": null }, new Map([["", 1]]))).toEqual([
      "",
      "map[string]int",
    ]);
  });

  test("parts that are shared again and again are too large", () => {
    let value: object = { x: 1 };
    for (let left = 60; left > 0; left--) value = { a: value, b: value };
    expect(() => new Inference().typeOf(value)).toThrow(
      expect.objectContaining({ code: "resource_exhausted" }),
    );
  });
});

describe("what earlier values have told", () => {
  test("a position that was a float64 stays one", () => {
    const inference = new Inference();
    expect(inferred(inference, { a: 1 }, { a: 0.5 }, { a: 2 })).toEqual([
      "a:int",
      "a:float64",
      "a:float64",
    ]);
  });

  test("also in lists, maps and lists of objects", () => {
    const inference = new Inference();
    const value = (one: number) => ({
      l: [one],
      m: new Map([["k", one]]),
      s: [{ p: one }],
    });
    expect(inferred(inference, value(0.5), value(1))).toEqual([
      "l:[]float64,m:map[string]float64,s:[]{p:float64}",
      "l:[]float64,m:map[string]float64,s:[]{p:float64}",
    ]);
  });

  test("a long list of few different objects is read in one go", () => {
    const list = Array.from({ length: 50_000 }, (_, at) => ({
      [`f${at % 500}`]: at,
    }));
    const type = new Inference().typeOf(list) as SliceType;
    expect((type.elem as StructType).fields).toHaveLength(500);
  });

  test("an empty list at the top is what the last one was", () => {
    expect(inferred(new Inference(), ["x"], [])).toEqual([
      "[]string",
      "[]string",
    ]);
  });

  test("equal structures are the same type, others are defined anew", () => {
    const inference = new Inference();
    const one = inference.typeOf({ a: 1 });
    const other = inference.typeOf({ a: 1, b: 2 });
    expect(other).not.toBe(one);
    expect(inference.typeOf({ a: 5 })).toBe(one);
    expect(inference.typeOf({ a: 1, b: 2 })).toBe(other);
    expect(inference.typeOf([{ a: 1 }])).toBe(inference.typeOf([{ a: 2 }]));
  });

  test("many different sets of fields end as one struct of them all", () => {
    const inference = new Inference();
    const types = new Set();
    for (let set = 0; set < 1024; set++) {
      const value: Record<string, number> = {};
      for (let bit = 0; bit < 10; bit++) {
        if (set & (1 << bit)) value[`f${bit}`] = 1;
      }
      types.add(inference.typeOf(value));
    }
    expect(types.size).toBeLessThan(50);
  });

  test("an object that is used as a map is refused in the end", () => {
    const inference = new Inference();
    expect(() => {
      for (let user = 0; user < 10_000; user++) {
        inference.typeOf({ [`user${user}`]: 1 });
      }
    }).toThrow(expect.objectContaining({ code: "resource_exhausted" }));
  });

  test("nothing is remembered where it is told not to", () => {
    const inference = new Inference({ remembers: false });
    expect(inferred(inference, 0.5, 1)).toEqual(["float64", "int"]);
  });
});

describe("a position that is whole and fractional", () => {
  test("is reported once, with what to declare", () => {
    const reports: Ambiguity[] = [];
    const inference = new Inference({
      onAmbiguous: (one) => reports.push(one),
    });
    const value = (price: number) => ({ Items: [{ Price: price }], N: 1 });
    inferred(inference, value(1), value(2));
    expect(reports).toEqual([]);
    inferred(inference, value(0.5), value(1), value(0.5));
    expect(reports).toEqual([
      { path: "Items[].Price", declaration: "Items:[]{Price:float64},N:int" },
    ]);
    const [{ declaration }] = reports as [Ambiguity];
    expect(formatGobType(parseGobType(declaration))).toBe(declaration);
  });

  test("is not where the peer's type says what it is", () => {
    const reports: Ambiguity[] = [];
    const inference = new Inference({
      onAmbiguous: (one) => reports.push(one),
    });
    const hint = gob.struct({ Avg: gob.float64 });
    for (const Avg of [1, 0.5]) {
      expect(inference.typeOf({ Avg }, hint)).toBe(hint);
    }
    expect(reports).toEqual([]);
  });
});

describe("the type of what was received, as a hint", () => {
  const received = parseGobType(
    "Person{Name:string,Age:uint,Score:float64,Tags:[]string,Any:any,Boss:Person,By:map[string]int}",
  );

  test("an answer with its fields is of its type", () => {
    const inference = new Inference();
    const answer = {
      Name: "x",
      Age: 5,
      Score: 2,
      Tags: [],
      Any: 1,
      Boss: { Name: "y" },
      By: { k: 1 },
    };
    expect(inference.typeOf(answer, received)).toBe(received);
    expect(inference.typeOf({ Score: 1 }, received)).toBe(received);
  });

  test("other fields are inferred, and those of the same name elsewhere are not", () => {
    const inference = new Inference();
    expect(
      formatGobType(
        inference.typeOf(
          { Total: 1, People: [{ Score: 1, Age: 1 }] },
          received,
        ),
      ),
    ).toBe("Total:int,People:[]{Score:float64,Age:uint}");
  });

  test("a field that does not fit is inferred", () => {
    const type = new Inference().typeOf({ Name: 5, Age: -1 }, received);
    expect(formatGobType(type)).toBe("Name:int,Age:int");
  });

  test("a list of it takes it as its element", () => {
    const list = gob.slice(gob.float64);
    expect(new Inference().typeOf([1, 2], list)).toBe(list);
    expect(formatGobType(new Inference().typeOf(3, list))).toBe("int");
  });

  test("a plain object is a map where the peer has one", () => {
    const inference = new Inference();
    const map = gob.map(gob.string, gob.float64);
    expect(inference.typeOf({ a: 1, b: undefined }, map)).toBe(map);
    expect(formatGobType(inference.typeOf({ a: "x" }, map))).toBe("a:string");
    expect(formatGobType(inference.typeOf({ a: 1 }, gob.slice(map)))).toBe(
      "a:int",
    );
  });

  test("bytes and text stay what encodes itself", () => {
    const hint = gob.struct({
      I: gob.opaque("gob", "Int"),
      L: gob.opaque("text", "Level"),
    });
    const inference = new Inference();
    expect(inference.typeOf({ I: new Uint8Array(1), L: "x" }, hint)).toBe(hint);
  });

  test("equal answers are of the same type", () => {
    const inference = new Inference();
    const answer = () => ({ Age: 1, Extra: [{ Name: "x" }] });
    const type = inference.typeOf(answer(), received);
    expect(inference.typeOf(answer(), received)).toBe(type);
  });
});

test("whole numbers beyond 2^53 are what the peer has there, as far as they fit", () => {
  const hint = gob.struct({ Int: gob.int, Uint: gob.uint });
  const type = (value: unknown) => new Inference().typeOf(value, hint);
  expect(type({ Int: -(2 ** 63), Uint: 2 ** 63 })).toBe(hint);
  expect(formatGobType(type({ Int: 2 ** 63 }))).toBe("Int:float64");
  expect(formatGobType(type({ Uint: 2 ** 64 }))).toBe("Uint:float64");
});
