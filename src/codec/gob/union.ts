import { gob } from "./gob.ts";
import type { GobType } from "./gob-type.ts";
import type { ArrayType, SliceType } from "./list-types.ts";
import type { MapType } from "./map-type.ts";
import type { InternedTypes } from "./interned-types.ts";
import { Misfit } from "./misfit.ts";
import type { StructType } from "./struct-type.ts";

const maxNesting = 64;

/**
 * The type that values of both types can be sent as: float64 for whole numbers
 * and fractions, a struct with the fields of both, and where nothing else is
 * left an interface. New types come from `types`.
 */
export function unionOf(
  types: InternedTypes,
  one: GobType,
  other: GobType,
  nesting = 0,
): GobType {
  if (one === other) return one;
  if (nesting > maxNesting) {
    throw new Misfit(
      "holds elements of too different types",
      "resource_exhausted",
    );
  }
  const inside = (a: GobType, b: GobType) => unionOf(types, a, b, nesting + 1);
  if (isNumber(one) && isNumber(other)) {
    return one === gob.float64 || other === gob.float64 ? gob.float64 : gob.int;
  }
  if (isList(one) && isList(other)) {
    const elem = inside(one.elem, other.elem);
    return elem === one.elem && one.kind === "slice" ? one : types.slice(elem);
  }
  if (one.kind === "map" && other.kind === "map") {
    const [a, b] = [one as MapType, other as MapType];
    const key = inside(a.key, b.key);
    const elem = inside(a.elem, b.elem);
    return key === a.key && elem === a.elem ? a : types.map(key, elem);
  }
  if (one.kind === "struct" && other.kind === "struct") {
    return unionOfStructs(
      types,
      one as StructType,
      other as StructType,
      inside,
    );
  }
  return gob.interface;
}

function unionOfStructs(
  types: InternedTypes,
  one: StructType,
  other: StructType,
  inside: (a: GobType, b: GobType) => GobType,
): StructType {
  const fields = new Map(one.fields.map(({ name, type }) => [name, type]));
  let hasGrown = false;
  for (const { name, type } of other.fields) {
    const known = fields.get(name);
    const both = known === undefined ? type : inside(known, type);
    if (both === known) continue;
    hasGrown = true;
    fields.set(name, both);
  }
  if (!hasGrown) return one;
  return types.struct([...fields].map(([name, type]) => ({ name, type })));
}

function isNumber(type: GobType): boolean {
  return type === gob.int || type === gob.uint || type === gob.float64;
}

function isList(type: GobType): type is SliceType | ArrayType {
  return type.kind === "slice" || type.kind === "array";
}
