import { expect, test } from "bun:test";
import { gob, GobRegistry, pair } from "../../../src/index.ts";

const codec = "application/gob";

/** As big.Int encodes itself, of small positive numbers: version and sign, then the magnitude. */
const bigInt = {
  encode: (value: unknown) => Uint8Array.of(2, Number(value as bigint)),
  decode: (bytes: Uint8Array) => BigInt(bytes[1] as number),
};

function registryOf() {
  const gobRegistry = new GobRegistry();
  const int = gobRegistry.registerOpaque("gob", "Int", bigInt);
  const point = gob.struct({ X: gob.int, Y: gob.int }, "Point");
  gobRegistry.register("main.Point", point);
  return { gobRegistry, int };
}

class Echo {
  static seen: unknown[] = [];
  same(value: unknown) {
    Echo.seen.push(value);
    return value;
  }
  /** Without a declared reply: the answer takes the type of the argument's field. */
  double({ N }: { N: bigint }) {
    return { N: 2n * N };
  }
}

test("a registered struct in an interface, and an opaque type with a hook: there and back", async () => {
  const mine = registryOf();
  const theirs = registryOf();
  await using both = pair(
    { Echo: new Echo() },
    {
      client: {
        codec,
        gobRegistry: mine.gobRegistry,
        gobTypes: {
          "Echo.same": gob.struct({ V: gob.interface }),
          "Echo.double": gob.struct({ N: mine.int }),
        },
      },
      server: { gobRegistry: theirs.gobRegistry },
    },
  );
  const { client } = both;
  const box = { V: { X: 1, Y: 2 } };
  expect(await client.call("Echo.same", box)).toEqual(box);
  expect(Echo.seen).toEqual([box]);
  expect(await client.call("Echo.double", { N: 21n })).toEqual({ N: 42n });
});

test("without a registry the struct has no name, and the opaque bytes no meaning", async () => {
  const { int } = registryOf();
  await using both = pair(
    { Echo: { same: (value: unknown) => value, kind: kindOfN } },
    { client: { codec } },
  );
  const { client } = both;
  const boxed = client.call(
    "Echo.same",
    { V: { X: 1, Y: 2 } },
    { gob: gob.struct({ V: gob.interface }) },
  );
  await expect(boxed).rejects.toMatchObject({ code: "invalid_argument" });
  const declared = { gob: gob.struct({ N: int }) };
  expect(await client.call("Echo.kind", { N: 21n }, declared)).toBe(
    "Uint8Array",
  );
});

function kindOfN({ N }: { N: object }) {
  return N.constructor.name;
}
