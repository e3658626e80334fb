import { Complex } from "./complex.ts";
import { gob } from "./gob.ts";
import { GobNamed } from "./gob-named.ts";
import type { GobType } from "./gob-type.ts";
import type { Hints } from "./hints.ts";
import type { InternedTypes } from "./interned-types.ts";
import { ArrayType, SliceType } from "./list-types.ts";
import { MapType } from "./map-type.ts";
import { fieldStep, keyStep, kindOf, Misfit, namelessField } from "./misfit.ts";
import { NamelessType } from "./nameless-type.ts";
import { OpaqueType } from "./opaque-type.ts";
import type { Position } from "./position.ts";
import { isWithin, shapeOf } from "./shape.ts";
import { StructType } from "./struct-type.ts";
import { unionOf } from "./union.ts";

const maxNesting = 64;
/** Parts of one value: one with shared parts can be far larger than it looks. */
const maxParts = 4 * 1024 * 1024;
/** Different structs at a position, before all of its fields become one struct. */
const maxStructs = 32;

/** What nothing (undefined or null) is sent as: Go's struct{}. */
export const emptyStruct = new StructType([]);
const emptySlice = new SliceType(gob.interface);
const emptyMap = new MapType(gob.string, gob.interface);

/**
 * One walk through a value to find its type, by the rules of Inference: what it
 * learns stays in the positions, new types in `types`.
 */
export class TypeFinder {
  readonly #types: InternedTypes;
  readonly #hints: Hints | undefined;
  /** Positions that this value has made both whole and fractional. */
  readonly ambiguous: Position[] = [];
  /** The union that a type was last found to be in: long lists have few types. */
  readonly #absorbed = new Map<GobType, GobType>();
  #parts = 0;
  #nesting = 0;

  constructor(types: InternedTypes, hints: Hints | undefined) {
    this.#types = types;
    this.#hints = hints;
  }

  /** The type of a value that must have one. */
  find(position: Position, value: unknown, hint?: GobType): GobType {
    const type = this.#infer(position, value, hint);
    if (type !== undefined) return (position.last = type);
    if (value === null || value === undefined) return emptyStruct;
    const fallback = value instanceof Map ? emptyMap : emptySlice;
    const { last } = position;
    if (hint?.kind === fallback.kind) return hint;
    return last?.kind === fallback.kind ? last : fallback;
  }

  /** The same of an element: nothing can only be sent there in an interface. */
  #findPart(position: Position, value: unknown, hint?: GobType): GobType {
    return value === null || value === undefined
      ? gob.interface
      : this.find(position, value, hint);
  }

  /** undefined: the value does not tell (null, undefined, an empty list or map). */
  #infer(
    position: Position,
    value: unknown,
    hint: GobType | undefined,
  ): GobType | undefined {
    if (hint === gob.interface && value !== null && value !== undefined) {
      return hint;
    }
    switch (typeof value) {
      case "number":
        return this.#number(position, value, hint);
      case "string":
        return takesText(hint) ? hint : gob.string;
      case "boolean":
        return gob.bool;
      case "bigint":
        if (hasHook(hint)) return hint;
        return hint === gob.uint && value >= 0n ? hint : gob.int;
      case "undefined":
        return undefined;
      case "object":
        return value === null ? undefined : this.#object(position, value, hint);
      default:
        throw new Misfit(`is ${kindOf(value)}, which gob has no form for`);
    }
  }

  #number(
    position: Position,
    value: number,
    hint: GobType | undefined,
  ): GobType {
    if (hint === gob.float64 || hasHook(hint)) return hint;
    const { numbers } = position;
    const isHinted = fitsWhole(value, hint);
    // What was a fraction here although the argument's is an int stays one.
    if (isHinted && !numbers.wasFraction) {
      numbers.wasWhole = true;
      return hint;
    }
    const isWhole = isHinted || Number.isSafeInteger(value);
    if (isWhole ? !numbers.wasWhole : !numbers.wasFraction) {
      if (isWhole) numbers.wasWhole = true;
      else numbers.wasFraction = true;
      if (numbers.wasWhole && numbers.wasFraction) {
        this.ambiguous.push(position);
      }
    }
    return numbers.wasFraction ? gob.float64 : gob.int;
  }

  #object(
    position: Position,
    value: object,
    hint: GobType | undefined,
  ): GobType | undefined {
    if (Array.isArray(value)) return this.#list(position, value, hint);
    if (value instanceof Date) {
      return hint instanceof NamelessType ? hint : gob.time;
    }
    if (value instanceof Map) return this.#map(position, value, hint);
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
      return this.#binary(position, value, hint);
    }
    if (value instanceof Complex) return gob.complex128;
    if (value instanceof GobNamed) return gob.interface;
    if (hasHook(hint)) return hint;
    if (isKeyless(value)) {
      throw new Misfit(`is ${kindOf(value)}, which gob has no form for`);
    }
    this.#enter();
    const record = value as Record<string, unknown>;
    const asMap = hint instanceof MapType && hint.key === gob.string;
    const type =
      (asMap ? this.#dictionary(position, record, hint) : undefined) ??
      this.#struct(position, record, hint);
    this.#nesting--;
    return type;
  }

  #binary(
    position: Position,
    value: ArrayBufferView | ArrayBuffer,
    hint: GobType | undefined,
  ): GobType | undefined {
    if (value instanceof Float32Array || value instanceof Float64Array) {
      return fits(hint, gob.float64) ? hint : this.#types.slice(gob.float64);
    }
    if (value instanceof BigUint64Array) {
      return fits(hint, gob.uint) ? hint : this.#types.slice(gob.uint);
    }
    if (
      value instanceof ArrayBuffer ||
      value instanceof Uint8Array ||
      value instanceof Uint8ClampedArray ||
      value instanceof DataView
    ) {
      return hint instanceof OpaqueType && hint !== gob.time ? hint : gob.bytes;
    }
    const list = value as unknown as ArrayLike<unknown>;
    return this.#list(position, list, hint) ?? this.#types.slice(gob.int);
  }

  #list(
    position: Position,
    list: ArrayLike<unknown>,
    hint: GobType | undefined,
  ): GobType | undefined {
    const { length } = list;
    if (length === 0) return undefined;
    this.#enter();
    const listHint =
      hint instanceof SliceType ||
      (hint instanceof ArrayType && hint.length === length)
        ? hint
        : undefined;
    const place = position.elem;
    let elem: GobType | undefined;
    let index = 0;
    try {
      for (; index < length; index++) {
        elem = this.#union(
          elem,
          this.#part(place, list[index], listHint?.elem),
        );
      }
    } catch (thrown) {
      throw Misfit.under(`[${index}]`, thrown);
    }
    this.#nesting--;
    elem ??= this.#findPart(place, list[0], listHint?.elem);
    place.last = elem;
    if (listHint?.elem === elem) return listHint;
    const { last } = position;
    return last instanceof SliceType && last.elem === elem
      ? last
      : this.#types.slice(elem);
  }

  #map(
    position: Position,
    map: Map<unknown, unknown>,
    hint: GobType | undefined,
  ): GobType | undefined {
    if (map.size === 0) return undefined;
    this.#enter();
    const mapHint = hint instanceof MapType ? hint : undefined;
    let key: GobType | undefined;
    let elem: GobType | undefined;
    for (const [one, value] of map) {
      try {
        key = this.#union(key, this.#part(position.key, one, mapHint?.key));
        elem = this.#union(
          elem,
          this.#part(position.elem, value, mapHint?.elem),
        );
      } catch (thrown) {
        throw Misfit.under(keyStep(one), thrown);
      }
    }
    this.#nesting--;
    const [[anyKey, anyElem]] = map as unknown as [[unknown, unknown]];
    key ??= this.#findPart(position.key, anyKey, mapHint?.key);
    elem ??= this.#findPart(position.elem, anyElem, mapHint?.elem);
    if (mapHint?.key === key && mapHint.elem === elem) return mapHint;
    return this.#types.map(key, elem);
  }

  /** A plain object where the peer has a map: that map, where all fits. */
  #dictionary(
    position: Position,
    value: Record<string, unknown>,
    hint: MapType,
  ): MapType | undefined {
    for (const key of Object.keys(value)) {
      const field = value[key];
      if (field === undefined) continue;
      try {
        const type = this.#part(position.elem, field, hint.elem);
        if (type !== undefined && type !== hint.elem) return undefined;
      } catch (thrown) {
        throw Misfit.under(fieldStep(key), thrown);
      }
    }
    return hint;
  }

  #struct(
    position: Position,
    value: Record<string, unknown>,
    hint: GobType | undefined,
  ): GobType {
    const keys = Object.keys(value);
    const shape = shapeOf(position, keys, hint, this.#hints);
    let types: (GobType | undefined)[] | undefined;
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index] as string;
      let type: GobType | undefined;
      try {
        type = this.#part(
          shape.fields[index] as Position,
          value[key],
          shape.fieldHints[index],
        );
      } catch (thrown) {
        throw Misfit.under(fieldStep(key), thrown);
      }
      if (types !== undefined) types[index] = type;
      else if (shape.type === undefined || type !== shape.types[index]) {
        types = shape.types.slice(0, index);
        types[index] = type;
      }
    }
    if (types === undefined && shape.type !== undefined) return shape.type;
    types ??= [];
    const type = this.#structOf(position, keys, types, hint);
    position.shape = { ...shape, types, type };
    return type;
  }

  /** The struct for these fields: the hint where it has them all, else one of its own. */
  #structOf(
    position: Position,
    keys: readonly string[],
    types: readonly (GobType | undefined)[],
    hint: GobType | undefined,
  ): GobType {
    if (types[keys.indexOf("")] !== undefined) throw new Misfit(namelessField);
    if (hint instanceof StructType && isWithin(hint, keys, types)) return hint;
    const type = this.#types.struct(
      keys.flatMap((name, index) => {
        const type = types[index];
        return type === undefined ? [] : { name, type };
      }),
    );
    if (hint !== undefined || position.structs.has(type)) return type;
    if (position.structs.size < maxStructs) {
      position.structs.add(type);
      return type;
    }
    position.widest = this.#union(position.widest, type);
    return position.widest ?? type;
  }

  /** The type of a part of the value. */
  #part(
    position: Position,
    value: unknown,
    hint: GobType | undefined,
  ): GobType | undefined {
    if (++this.#parts > maxParts) {
      throw new Misfit("is too large", "resource_exhausted");
    }
    return this.#infer(position, value, hint);
  }

  #union(
    one: GobType | undefined,
    other: GobType | undefined,
  ): GobType | undefined {
    if (one === undefined || other === undefined) return one ?? other;
    if (one === other || this.#absorbed.get(other) === one) return one;
    const union = unionOf(this.#types, one, other);
    this.#absorbed.set(other, union);
    return union;
  }

  #enter(): void {
    if (++this.#nesting > maxNesting) {
      throw new Misfit(`is nested more than ${maxNesting} deep`);
    }
  }
}

/** Beyond 2^53 too, where a number alone counts as a fraction. */
function fitsWhole(value: number, hint: GobType | undefined): hint is GobType {
  if (!Number.isInteger(value)) return false;
  if (hint === gob.uint) return value >= 0 && value < 2 ** 64;
  return hint === gob.int && value >= -(2 ** 63) && value < 2 ** 63;
}

function takesText(hint: GobType | undefined): boolean {
  return (
    hasHook(hint) || (hint instanceof OpaqueType && hint.encoding === "text")
  );
}

/** Whether a user's codec makes the bytes, of whatever its values are. */
function hasHook(hint: GobType | undefined): hint is OpaqueType {
  return hint instanceof OpaqueType && hint.hasCodec;
}

function fits(hint: GobType | undefined, elem: GobType): hint is SliceType {
  return hint instanceof SliceType && hint.elem === elem;
}

/** Objects whose content is not in their fields: as a struct they would be silently empty. */
function isKeyless(value: object): boolean {
  return (
    value instanceof Set ||
    value instanceof Promise ||
    value instanceof RegExp ||
    value instanceof WeakMap ||
    value instanceof WeakSet
  );
}
