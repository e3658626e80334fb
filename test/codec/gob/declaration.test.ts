import { expect, test } from "bun:test";
import { RpcError } from "../../../src/errors.ts";
import { formatGobType } from "../../../src/codec/gob/format-gob-type.ts";
import { gob } from "../../../src/codec/gob/gob.ts";
import { GobEncoder } from "../../../src/codec/gob/gob-encoder.ts";
import { parseGobType } from "../../../src/codec/gob/parse-gob-type.ts";
import { SendBuffer } from "../../../src/wire/send-buffer.ts";
import { testRandom } from "../../support/seed.ts";
import { randomType } from "./random-types.ts";

const declarations: [string, string][] = [
  ["int", "int"],
  ["Num1:int,Avg:float64", "Num1:int,Avg:float64"],
  ["{Num1:int}", "Num1:int"],
  [" Num1 : int32 , Avg : float32 , ", "Num1:int,Avg:float64"],
  ["Args{Num1:int}", "Args{Num1:int}"],
  ["Tags:[]string,M:map[string]int", "Tags:[]string,M:map[string]int"],
  ["In:{Name:string}", "In:{Name:string}"],
  ["In:Inner{Name:string}", "In:Inner{Name:string}"],
  ["[3]uint16", "[3]uint"],
  ["[]byte", "[]byte"],
  ["[]uint8", "[]byte"],
  ["[]uint16", "[]uint"],
  ["*int", "int"],
  ["[]*Args{A:int}", "[]Args{A:int}"],
  ["map[string]interface{}", "map[string]any"],
  ["struct{}", ""],
  ["{}", ""],
  ["", ""],
  ["At:time.Time,Took:time.Duration", "At:time,Took:int"],
  ["Tree{Value:int,Children:[]Tree}", "Tree{Value:int,Children:[]Tree}"],
  ['"a b":int,"__proto__":[]int', '"a b":int,__proto__:[]int'],
  [
    "C:complex64,G:gob(Int),T:text(Level)",
    "C:complex128,G:gob(Int),T:text(Level)",
  ],
];
for (const [text, canonical] of declarations) {
  test(`"${text}" is "${canonical}"`, () => {
    expect(formatGobType(parseGobType(text))).toBe(canonical);
    expect(formatGobType(parseGobType(canonical))).toBe(canonical);
  });
}

const refused = [
  ...["nope", "int,", "A:", "A:int B:int", "A:int,A:int", "[", "[]", "[x]int"],
  ...["map[string", "map[]int", "{", "{A:int", "A:int}", "int int", "Tree"],
  ...["A:{B:C}", "[1e3]int", '"":int', '"x:int', "gob(", "interface{A:int}"],
  "[]".repeat(1000) + "int",
];
for (const text of refused) {
  test(`"${text.slice(0, 20)}" is refused`, () => {
    expect(() => parseGobType(text)).toThrow(RpcError);
    expect(() => parseGobType(text)).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  });
}

test("any type's declaration makes its like", () => {
  const random = testRandom();
  for (let round = 0; round < 200; round++) {
    const type = randomType(random, 4);
    const text = formatGobType(type);
    const again = parseGobType(text);
    expect(formatGobType(again)).toBe(text);
    expect(definitions(again)).toBe(definitions(type));
  }
});

test("a type that spells out without end is cut", () => {
  let type = gob.struct({ x: gob.int });
  for (let left = 60; left > 0; left--) type = gob.struct({ a: type, b: type });
  expect(formatGobType(type).length).toBeLessThan(100_000);
  const nest = gob.slice(gob.int);
  nest.link(nest);
  expect(formatGobType(nest).length).toBeLessThan(1000);
});

/** Structure alone: the order and content of what would be defined. */
function definitions(type: Parameters<typeof formatGobType>[0]): string {
  const out = new SendBuffer();
  const holder = gob.struct({ Zero: gob.slice(type) });
  new GobEncoder().encode(out, {}, holder);
  return out.pending().toHex();
}
