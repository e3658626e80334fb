import { malformed } from "./gob-errors.ts";
import type { GobReader } from "./gob-reader.ts";
import { GobType } from "./gob-type.ts";
import type { GobWriter } from "./gob-writer.ts";
import { fieldStep, Misfit } from "./misfit.ts";
import { misfit } from "./scalar-types.ts";

export interface GobField {
  readonly name: string;
  readonly type: GobType;
}

/**
 * struct ↔ plain object.
 *
 * Sends the fields that the type has, whatever else the object holds; null and
 * undefined are left out like zero values. What arrives has every field of the
 * type as its own property, also `__proto__`. Go always sends a struct, so a
 * field of struct type that was left out was a nil pointer: null.
 */
export class StructType extends GobType {
  readonly kind = "struct";
  override readonly name: string;
  #names: readonly string[] = [];
  #types: readonly GobType[] = [];
  /** Names that every object inherits: only an own property counts. */
  #inherited: readonly boolean[] = [];
  #hasInherited = false;
  /** An object of zero values: cloning one is the fastest way to make the next. */
  #zeros: Record<string, unknown> = {};
  /** Fields whose zero value is mutable: undefined in #zeros, made anew where they are left out. */
  #fresh: readonly number[] = [];

  /** @param fields may come later, by link(): a type can contain itself */
  constructor(fields?: readonly GobField[], name = "") {
    super();
    this.name = name;
    if (fields !== undefined) this.link(fields);
  }

  link(fields: readonly GobField[]): void {
    this.#names = fields.map(({ name }) => name);
    this.#types = fields.map(({ type }) => type);
    this.#inherited = this.#names.map((name) => name in Object.prototype);
    this.#hasInherited = this.#inherited.includes(true);
    const fresh: number[] = [];
    this.#zeros = {};
    for (const [index, { name, type }] of fields.entries()) {
      const zero = type.zero();
      const isMutable = typeof zero === "object" && zero !== null;
      if (isMutable) fresh.push(index);
      Object.defineProperty(this.#zeros, name, {
        value: isMutable ? undefined : zero,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    }
    this.#fresh = fresh;
  }

  get fields(): readonly GobField[] {
    return this.#names.map((name, index) => ({
      name,
      type: this.#types[index] as GobType,
    }));
  }

  write(writer: GobWriter, value: unknown): void {
    if (!isRecord(value)) throw misfit(value, "a struct");
    writer.enter();
    const names = this.#names;
    const types = this.#types;
    let last = -1;
    let index = 0;
    try {
      for (; index < names.length; index++) {
        const field = this.#get(value, index);
        if (field === null || field === undefined) continue;
        const type = types[index] as GobType;
        if (type.isZero(field)) continue;
        writer.writeUint(index - last);
        last = index;
        type.write(writer, field);
      }
    } catch (thrown) {
      throw Misfit.under(fieldStep(names[index] as string), thrown);
    }
    writer.writeByte(0);
    writer.leave();
  }

  read(reader: GobReader): Record<string, unknown> {
    const names = this.#names;
    const types = this.#types;
    reader.enter(5 + names.length);
    const value: Record<string, unknown> = { ...this.#zeros };
    let index = -1;
    for (;;) {
      const delta = reader.readUint();
      if (delta === 0) break;
      index += delta;
      if (index >= names.length) {
        throw malformed(`field ${index} of a struct of ${names.length}`);
      }
      value[names[index] as string] = (types[index] as GobType).read(reader);
    }
    for (const index of this.#fresh) {
      const name = names[index] as string;
      if (value[name] === undefined) {
        value[name] = (types[index] as GobType).zero();
      }
    }
    reader.leave();
    return value;
  }

  isZero(): boolean {
    return false;
  }

  zero(): null {
    return null;
  }

  override parts(): readonly GobType[] {
    return this.#types;
  }

  #get(value: Record<string, unknown>, index: number): unknown {
    const name = this.#names[index] as string;
    if (this.#hasInherited && this.#inherited[index]) {
      return Object.hasOwn(value, name) ? value[name] : undefined;
    }
    return value[name];
  }
}

/** Whether what a value holds is in its fields. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Map) &&
    !(value instanceof Set) &&
    !(value instanceof Date) &&
    !ArrayBuffer.isView(value)
  );
}
