import { Complex } from "../../../src/codec/gob/complex.ts";
import { GobDecoder } from "../../../src/codec/gob/gob-decoder.ts";
import { GobRegistry } from "../../../src/codec/gob/gob-registry.ts";
import type { GobType } from "../../../src/codec/gob/gob-type.ts";
import type {
  ArrayType,
  SliceType,
} from "../../../src/codec/gob/list-types.ts";
import type { MapType } from "../../../src/codec/gob/map-type.ts";
import type { StructType } from "../../../src/codec/gob/struct-type.ts";
import { GobTime } from "../../../src/codec/gob/gob-time.ts";
import { vectorNames, vectorTypes } from "./vector-types.ts";
import files from "./vectors.json";

/** A recorded stream: the values that went in, their types, the bytes that came out. */
export interface Vector {
  readonly name: string;
  readonly types: readonly GobType[];
  readonly values: readonly unknown[];
  readonly bytes: Uint8Array;
}

export const vectors: readonly Vector[] = files.map((file) => {
  const types = file.types.map((text) => vectorTypes[text] as GobType);
  return {
    name: file.name,
    types,
    values: file.values.map((value, at) =>
      fromJson(value, types[at] as GobType),
    ),
    bytes: Uint8Array.fromHex(file.hex),
  };
});

export function vectorRegistry(): GobRegistry {
  const registry = new GobRegistry();
  for (const [name, type] of vectorNames) registry.register(name, type);
  return registry;
}

/** The values of a whole stream, given in pieces of `pieceBytes`. */
export function decodeAll(
  bytes: Uint8Array,
  pieceBytes = Infinity,
  decoder = new GobDecoder(),
): unknown[] {
  const values: unknown[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    decoder.push(bytes.subarray(at, at + pieceBytes));
    for (let result = decoder.next(); result; result = decoder.next()) {
      if (result.error !== undefined) throw result.error;
      values.push(result.value);
    }
  }
  if (decoder.pendingBytes > 0) throw new Error("bytes left over");
  return values;
}

/** The value that the file's JSON stands for. */
function fromJson(json: unknown, type: GobType): unknown {
  switch (type.kind) {
    case "int":
    case "uint": {
      const big = BigInt(json as string | number);
      return Number.isSafeInteger(Number(big)) ? Number(big) : big;
    }
    case "float64":
      return json === "+Inf"
        ? Infinity
        : Number(String(json).replace("Inf", "Infinity"));
    case "bytes":
      return Uint8Array.fromBase64(json as string);
    case "complex128":
      return new Complex(...(json as [number, number]));
    case "opaque":
      // The one time there: 2026-11-20T01:02:03.000004Z.
      return new GobTime(Date.UTC(2026, 10, 20, 1, 2, 3) / 1000, 4000);
    case "slice":
    case "array":
      return ((json ?? []) as unknown[]).map((one) =>
        fromJson(one, (type as SliceType | ArrayType).elem),
      );
    case "map": {
      const { key, elem } = type as MapType;
      return new Map(
        Object.entries(json as object).map(([one, value]) => [
          fromJson(one, key),
          fromJson(value, elem),
        ]),
      );
    }
    case "struct":
      return Object.fromEntries(
        (type as StructType).fields.map((field) => [
          field.name,
          fromJson((json as Record<string, unknown>)[field.name], field.type),
        ]),
      );
    default:
      return json;
  }
}
