import type { GobType } from "./gob-type.ts";
import type { Hints } from "./hints.ts";
import type { Position } from "./position.ts";
import { StructType } from "./struct-type.ts";

/** What the last object at a position was like, and the type that it led to. */
export interface Shape {
  readonly hint: GobType | undefined;
  readonly hints: Hints | undefined;
  readonly keys: readonly string[];
  readonly fields: readonly Position[];
  readonly fieldHints: readonly (GobType | undefined)[];
  /** undefined where the value told nothing. */
  readonly types: readonly (GobType | undefined)[];
  /** undefined: not made yet. */
  readonly type: GobType | undefined;
}

/** The shape of objects with these keys: the last one's, or a new one of which only the places are known. */
export function shapeOf(
  position: Position,
  keys: readonly string[],
  hint: GobType | undefined,
  hints: Hints | undefined,
): Shape {
  const last = position.shape;
  if (
    last !== undefined &&
    last.hint === hint &&
    last.hints === hints &&
    last.keys.length === keys.length &&
    last.keys.every((key, index) => key === keys[index])
  ) {
    return last;
  }
  const own = hint instanceof StructType ? typesOf(hint) : undefined;
  return {
    hint,
    hints,
    keys,
    fields: keys.map((key) => position.field(key)),
    fieldHints: keys.map((key) => own?.get(key) ?? hints?.get(key)),
    types: [],
    type: undefined,
  };
}

/** Whether fields of these types can be sent as `hint`. */
export function isWithin(
  hint: StructType,
  keys: readonly string[],
  types: readonly (GobType | undefined)[],
): boolean {
  const own = typesOf(hint);
  return keys.every((key, index) => {
    const type = types[index];
    return own.has(key) && (type === undefined || type === own.get(key));
  });
}

function typesOf(struct: StructType): Map<string, GobType> {
  return new Map(struct.fields.map(({ name, type }) => [name, type]));
}
