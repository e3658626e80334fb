import { gob } from "../../../src/codec/gob/gob.ts";
import type { GobType } from "../../../src/codec/gob/gob-type.ts";

/** The types of vectors.json, in the order in which the Go program met them. */
const ints = gob.slice(gob.int);
const strings = gob.slice(gob.string);
const stringToInt = gob.map(gob.string, gob.int);
const intToString = gob.map(gob.int, gob.string);
const empty = gob.struct({});
const namedEmpty = gob.struct({}, "Empty");
const args = gob.struct({ Num1: gob.int, Num2: gob.int }, "Args");
const header = gob.struct(
  { ServiceMethod: gob.string, Seq: gob.uint, Error: gob.string },
  "Header",
);
const floats = gob.slice(gob.float64, "[]float64");
const threeUints = gob.array(3, gob.uint, "[3]uint16");
const inner = gob.struct({ Name: gob.string, Tags: strings }, "Inner");
const inners = gob.slice(inner, "[]main.Inner");
const stringToInner = gob.map(gob.string, inner, "map[string]main.Inner");
const all = gob.struct(
  {
    B: gob.bool,
    I8: gob.int,
    I: gob.int,
    I64: gob.int,
    U8: gob.uint,
    U: gob.uint,
    U64: gob.uint,
    F32: gob.float64,
    F64: gob.float64,
    S: gob.string,
    Raw: gob.bytes,
    Ints: ints,
    Fs: floats,
    Arr: threeUints,
    M: stringToInt,
    MI: intToString,
    In: inner,
    PIn: inner,
    Ins: inners,
    MIn: stringToInner,
  },
  "All",
);
let trees: GobType = gob.int;
const tree = gob.struct((self) => {
  trees = gob.slice(self, "[]*main.Tree");
  return { Value: gob.int, Children: trees };
}, "Tree");
const rows = gob.slice(ints, "[][]int");
const grid = gob.struct({ Cells: rows }, "Grid");
const stringToInts = gob.map(gob.string, ints);
const ds = gob.slice(stringToInts, "[]map[string][]int");
const dText = "struct { D []map[string][]int }";
const c = gob.struct({ D: ds }, dText);
const b = gob.struct({ C: c }, `struct { C ${dText} }`);
const a = gob.struct({ B: b }, `struct { B struct { C ${dText} } }`);
const deep = gob.struct({ A: a }, "Deep");
const big = gob.struct(
  { Max: gob.int, Min: gob.int, UMax: gob.uint, Safe: gob.int },
  "Big",
);
const manyFloats = gob.struct(
  {
    Tiny: gob.float64,
    Huge: gob.float64,
    NegZeroIsOmitted: gob.float64,
    Third: gob.float64,
  },
  "Floats",
);
const stamp = gob.struct({ At: gob.time, Took: gob.int }, "Stamp");
const cplx = gob.struct({ C: gob.complex128 }, "Cplx");
const iface = gob.struct({ V: gob.interface }, "Iface");

/** The ids that the Go program gave them: from 65 on, in this order. */
export const vectorTypeIds: ReadonlyMap<GobType, number> = new Map(
  [
    ...[ints, strings, stringToInt, intToString, empty, namedEmpty, args],
    ...[header, all, floats, threeUints, inner, inners, stringToInner],
    ...[tree, trees, grid, rows, deep, a, b, c, stringToInts, ds],
    ...[big, manyFloats, stamp, gob.time, cplx, iface],
  ].map((type, index) => [type, 65 + index]),
);

/** By the text that vectors.json has for them. */
export const vectorTypes: Readonly<Record<string, GobType>> = {
  int: gob.int,
  uint: gob.uint,
  bool: gob.bool,
  float64: gob.float64,
  string: gob.string,
  "[]byte": gob.bytes,
  "[]int": ints,
  "[]string": strings,
  "[]float64": floats,
  "map[string]int": stringToInt,
  "map[int]string": intToString,
  "struct{}": empty,
  "struct Empty {}": namedEmpty,
  "struct Args { Num1, Num2 int }": args,
  "struct Header { ServiceMethod string; Seq uint64; Error string }": header,
  "struct All { B bool; I8 int8; I int; I64 int64; U8 uint8; U uint; U64 uint64; F32 float32; F64 float64; S string; Raw []byte; Ints []int; Fs []float64; Arr [3]uint16; M map[string]int; MI map[int]string; In Inner; PIn *Inner; Ins []Inner; MIn map[string]Inner }":
    all,
  "struct Tree { Value int; Children []*Tree }": tree,
  "struct Grid { Cells [][]int }": grid,
  "struct Deep { A struct { B struct { C struct { D []map[string][]int } } } }":
    deep,
  "struct Big { Max, Min int64; UMax uint64; Safe int64 }": big,
  "struct Floats { Tiny, Huge, NegZeroIsOmitted, Third float64 }": manyFloats,
  "struct Stamp { At time.Time; Took time.Duration }": stamp,
  "struct Cplx { C complex128 }": cplx,
  "struct Iface { V interface{} }": iface,
};

/** What interface values in them are called. */
export const vectorNames: readonly [string, GobType][] = [["main.Args", args]];
