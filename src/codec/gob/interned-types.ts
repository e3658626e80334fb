import { gob } from "./gob.ts";
import type { GobType } from "./gob-type.ts";
import { type GobField, StructType } from "./struct-type.ts";

/**
 * Types that were inferred, each structure once: a stream defines every type
 * object, so equal ones must be the same.
 */
export class InternedTypes {
  readonly #types = new Map<string, GobType>();
  readonly #serials = new WeakMap<GobType, number>();
  readonly #maxTypes: number;
  #nextSerial = 1;

  /** @param maxTypes past it all are forgotten: a table that grows for ever */
  constructor(maxTypes: number) {
    this.#maxTypes = maxTypes;
  }

  slice(elem: GobType): GobType {
    return this.#keep(`[]${this.#serial(elem)}`, () => gob.slice(elem));
  }

  map(key: GobType, elem: GobType): GobType {
    const text = `map${this.#serial(key)}:${this.#serial(elem)}`;
    return this.#keep(text, () => gob.map(key, elem));
  }

  struct(fields: readonly GobField[]): StructType {
    let text = "";
    for (const { name, type } of fields) {
      text += `${name.length}:${name}${this.#serial(type)},`;
    }
    return this.#keep(text, () => new StructType(fields)) as StructType;
  }

  #keep(text: string, make: () => GobType): GobType {
    const known = this.#types.get(text);
    if (known !== undefined) return known;
    if (this.#types.size >= this.#maxTypes) this.#types.clear();
    const type = make();
    this.#types.set(text, type);
    return type;
  }

  #serial(type: GobType): number {
    let serial = this.#serials.get(type);
    if (serial === undefined) {
      serial = this.#nextSerial++;
      this.#serials.set(type, serial);
    }
    return serial;
  }
}
