import type { GobReader } from "./gob-reader.ts";
import { GobType, holdsInterface } from "./gob-type.ts";
import type { GobWriter } from "./gob-writer.ts";
import { checkCount } from "./list-types.ts";
import { fieldStep, keyStep, Misfit } from "./misfit.ts";
import { misfit } from "./scalar-types.ts";
import { isRecord } from "./struct-type.ts";

/**
 * How Go's nil map arrives: an empty Map, to be read and filled like any
 * other, which goes back as nil for as long as it stays empty.
 */
export class NilMap<K = unknown, V = unknown> extends Map<K, V> {}

/**
 * map[K]V ↔ Map, whatever K is. Sends also a plain object, where K is a string
 * or a number that its keys spell.
 */
export class MapType extends GobType {
  readonly kind = "map";
  override readonly name: string;
  #key: GobType | undefined;
  #elem: GobType | undefined;
  #isOpen: boolean | undefined;

  /** @param key and elem may come later, by link(): a type can contain itself */
  constructor(key?: GobType, elem?: GobType, name = "") {
    super();
    this.#key = key;
    this.#elem = elem;
    this.name = name;
  }

  get key(): GobType {
    return this.#key as GobType;
  }

  get elem(): GobType {
    return this.#elem as GobType;
  }

  link(key: GobType, elem: GobType): void {
    this.#key = key;
    this.#elem = elem;
  }

  write(writer: GobWriter, value: unknown): void {
    writer.enter();
    if (value instanceof Map) this.#writeMap(writer, value);
    else this.#writeObject(writer, value);
    writer.leave();
  }

  read(reader: GobReader): Map<unknown, unknown> {
    const { key, elem } = this;
    const count = reader.readUint();
    this.#isOpen ??= holdsInterface(this);
    checkCount(reader, count * 2, this.#isOpen);
    reader.enter(16);
    const map = new Map<unknown, unknown>();
    for (let left = count; left > 0; left--) {
      reader.charge(4);
      map.set(key.read(reader), elem.read(reader));
    }
    reader.leave();
    return map;
  }

  /** A map that is empty and not nil is sent. */
  isZero(value: unknown): boolean {
    return value instanceof NilMap && value.size === 0;
  }

  zero(): NilMap {
    return new NilMap();
  }

  override parts(): readonly GobType[] {
    return [this.key, this.elem];
  }

  #writeMap(writer: GobWriter, map: Map<unknown, unknown>): void {
    writer.writeUint(map.size);
    for (const [key, elem] of map) {
      try {
        this.key.write(writer, key);
        this.elem.write(writer, elem);
      } catch (thrown) {
        throw Misfit.under(keyStep(key), thrown);
      }
    }
  }

  #writeObject(writer: GobWriter, value: unknown): void {
    if (!isRecord(value)) throw misfit(value, "a map");
    const keys = Object.keys(value).filter((key) => value[key] !== undefined);
    writer.writeUint(keys.length);
    for (const key of keys) {
      try {
        this.key.write(writer, spelled(key, this.key));
        this.elem.write(writer, value[key]);
      } catch (thrown) {
        throw Misfit.under(fieldStep(key), thrown);
      }
    }
  }
}

/** The map key that an object's key spells. */
function spelled(text: string, type: GobType): unknown {
  switch (type.kind) {
    case "int":
    case "uint":
      return /^-?\d{1,20}$/.test(text) ? BigInt(text) : text;
    case "float64":
      return text.trim() === "" ? text : Number(text);
    case "bool":
      return text === "true" ? true : text === "false" ? false : text;
    default:
      return text;
  }
}
