import { type CallOptions, Complex, GobNamed, gob } from "../../src/index.ts";

const person = gob.struct((self) => ({
  Name: gob.string,
  Age: gob.int,
  Scores: gob.slice(gob.float64),
  Tags: gob.map(gob.string, gob.string),
  Raw: gob.bytes,
  Boss: self,
}));

/**
 * Calls of the Go program's Foo, with what comes back over gob; options where
 * the value does not tell its Go type.
 */
export const fooCalls: readonly [string, unknown, unknown, CallOptions?][] = [
  ["Foo.Sum", { Num1: 1, Num2: -2 }, -1],
  ["Foo.Sum", { Num1: 0, Num2: 0 }, 0],
  ["Foo.Upper", "grün 🙂", "GRÜN 🙂"],
  ["Foo.Upper", "", ""],
  ["Foo.Count", 20, [0, 1, 4, 9, 16]],
  ["Foo.Count", 0, []],
  ["Foo.Avg", [1.5, 2, 3], 13 / 6],
  ["Foo.Avg", [2, 4], 3, { gob: gob.slice(gob.float64) }],
  [
    "Foo.Words",
    { a: 1, constructor: 2 },
    words("a!", 2, "constructor!", 4),
    { gob: gob.map(gob.string, gob.int) },
  ],
  ["Foo.Words", words("__proto__", 3), words("__proto__!", 6)],
  ["Foo.Invert", new Map([[-3, "x"]]), words("x", -3)],
  ["Foo.Reverse", Uint8Array.of(1, 2, 255), Uint8Array.of(255, 2, 1)],
  ["Foo.Rotate", [1, 2, 3], [2, 3, 1], { gob: gob.array(3, gob.int) }],
  ["Foo.Not", false, true],
  ["Foo.Complement", 0, 2n ** 64n - 1n, { gob: gob.uint }],
  ["Foo.Complement", 2n ** 64n - 2n, 1, { gob: gob.uint }],
  ["Foo.Next", 2n ** 53n, 2n ** 53n + 1n],
  ["Foo.Next", -(2n ** 63n), -(2n ** 63n) + 1n],
  ["Foo.Conjugate", new Complex(1, 2.5), new Complex(1, -2.5)],
  [
    "Foo.Later",
    { At: new Date("2024-02-29T23:59:59.500Z"), In: 1_000_000_000 },
    new Date("2024-03-01T00:00:00.500Z"),
  ],
  [
    "Foo.Grow",
    { Value: 1, Children: [{ Value: 2 }, { Value: 4, Children: [] }] },
    {
      Value: 7,
      Children: [{ Value: 1, Children: [leaf(2), leaf(4)] }],
    },
    {
      gob: gob.struct((tree) => ({
        Value: gob.int,
        Children: gob.slice(tree),
      })),
    },
  ],
  [
    "Foo.Birthday",
    { Name: "Ann", Age: 41, Boss: { Name: "Bob" } },
    {
      ...{ Name: "Ann", Age: 42, Scores: [42], Raw: Uint8Array.of() },
      Tags: new Map(),
      Boss: {
        ...{ Name: "Bob", Age: 0, Scores: [], Raw: Uint8Array.of() },
        ...{ Tags: new Map(), Boss: null },
      },
    },
    { gob: person },
  ],
  ["Foo.Kind", { V: 1 }, "int", box()],
  ["Foo.Kind", { V: 1.5 }, "float64", box()],
  ["Foo.Kind", { V: null }, "<nil>", box()],
  [
    "Foo.Kind",
    { V: new GobNamed("main.Args", { Num1: 1 }) },
    "main.Args",
    box(),
  ],
  ["Foo.Open", "args", { V: { Num1: 1, Num2: 2 } }],
  ["Foo.Open", "none", { V: null }],
  ["Foo.Nothing", {}, {}],
  ["Foo.Who", {}, "go"],
];

function words(...pairs: (string | number)[]): Map<string, number> {
  const map = new Map<string, number>();
  for (let i = 0; i < pairs.length; i += 2) {
    map.set(pairs[i] as string, pairs[i + 1] as number);
  }
  return map;
}

function leaf(Value: number) {
  return { Value, Children: [] };
}

function box(): CallOptions {
  return { gob: gob.struct({ V: gob.interface }) };
}
