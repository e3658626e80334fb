import type { GobType } from "./gob-type.ts";
import type { StructType } from "./struct-type.ts";

/** The types of all fields in a received type, by name: what an answer's fields of those names take. */
export type Hints = ReadonlyMap<string, GobType>;

const known = new WeakMap<GobType, Hints>();

/** The hints that `type` gives, made once; a name with more than one type gives none. */
export function hintsOf(type: GobType): Hints {
  const made = known.get(type);
  if (made !== undefined) return made;
  const hints = new Map<string, GobType>();
  const disputed = new Set<string>();
  const seen = new Set([type]);
  for (const one of seen) {
    for (const part of one.parts()) seen.add(part);
    if (one.kind !== "struct") continue;
    for (const { name, type } of (one as StructType).fields) {
      if ((hints.get(name) ?? type) !== type) disputed.add(name);
      hints.set(name, type);
    }
  }
  for (const name of disputed) hints.delete(name);
  known.set(type, hints);
  return hints;
}
