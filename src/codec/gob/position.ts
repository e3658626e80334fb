import type { GobType } from "./gob-type.ts";
import { Misfit } from "./misfit.ts";
import { NumbersSeen } from "./numbers-seen.ts";
import type { Shape } from "./shape.ts";

/** Objects that are used as maps have ever new fields. */
const maxFields = 1_024;
/** Fields of all positions together. */
const maxPositions = 4_096;

/** What was seen at one place of the values of a method: `Items[].Price`. */
export class Position {
  readonly #parent: Position | undefined;
  readonly #step: string;
  readonly #root: Position;
  /** Of the root: fields below it. */
  #count = 0;
  readonly #fields = new Map<string, Position>();
  #elem: Position | undefined;
  #key: Position | undefined;
  /** May be shared with the positions of other streams. */
  readonly numbers: NumbersSeen;
  /** The last type that a value told: that of the next empty list. */
  last: GobType | undefined;
  shape: Shape | undefined;
  /** Different structs seen. */
  readonly structs = new Set<GobType>();
  /** The struct of all fields seen, once there were too many different ones. */
  widest: GobType | undefined;

  constructor(parent?: Position, step = "", numbers = new NumbersSeen()) {
    this.#parent = parent;
    this.#step = step;
    this.numbers = numbers;
    this.#root = parent === undefined ? this : parent.#root;
  }

  /** @throws Misfit resource_exhausted  too many fields */
  field(name: string): Position {
    let field = this.#fields.get(name);
    if (field === undefined) {
      const root = this.#root;
      if (this.#fields.size >= maxFields || ++root.#count > maxPositions) {
        throw new Misfit(
          "has ever new fields: send a Map, or declare gob.map()",
          "resource_exhausted",
        );
      }
      field = this.#inner(name, `.${name}`);
      this.#fields.set(name, field);
    }
    return field;
  }

  get elem(): Position {
    return (this.#elem ??= this.#inner("[]"));
  }

  get key(): Position {
    return (this.#key ??= this.#inner("[key]"));
  }

  /** `place` is what NumbersSeen calls it: a field may be named "[]". */
  #inner(step: string, place = step): Position {
    return new Position(this, step, this.numbers.at(place));
  }

  /** Empty for the whole value. */
  get path(): string {
    const before = this.#parent?.path ?? "";
    return before === "" || this.#step.startsWith("[")
      ? before + this.#step
      : `${before}.${this.#step}`;
  }
}
