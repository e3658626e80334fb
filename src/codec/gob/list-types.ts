import { malformed } from "./gob-errors.ts";
import type { GobReader } from "./gob-reader.ts";
import { GobType, holdsInterface } from "./gob-type.ts";
import type { GobWriter } from "./gob-writer.ts";
import { Misfit } from "./misfit.ts";
import { misfit } from "./scalar-types.ts";

/** []T ↔ array; a nil slice is an empty array. Sends also typed arrays. */
export class SliceType extends GobType {
  readonly kind = "slice";
  override readonly name: string;
  #elem: GobType | undefined;
  #isOpen: boolean | undefined;

  /** @param elem may come later, by link(): a type can contain itself */
  constructor(elem?: GobType, name = "") {
    super();
    this.#elem = elem;
    this.name = name;
  }

  get elem(): GobType {
    return this.#elem as GobType;
  }

  link(elem: GobType): void {
    this.#elem = elem;
  }

  write(writer: GobWriter, value: unknown): void {
    const list = listOf(value, "a slice");
    writeList(writer, list, this.elem);
  }

  read(reader: GobReader): unknown[] {
    this.#isOpen ??= holdsInterface(this.elem);
    return readList(reader, reader.readUint(), this.elem, this.#isOpen);
  }

  isZero(value: unknown): boolean {
    return listOf(value, "a slice").length === 0;
  }

  zero(): unknown[] {
    return [];
  }

  override parts(): readonly GobType[] {
    return [this.elem];
  }
}

/**
 * [n]T ↔ array of exactly n.
 *
 * Go always sends an array, so a field that was left out was a nil pointer to
 * one: null.
 */
export class ArrayType extends GobType {
  readonly kind = "array";
  override readonly name: string;
  readonly length: number;
  #elem: GobType | undefined;
  #isOpen: boolean | undefined;

  /** @param elem may come later, by link(): a type can contain itself */
  constructor(length: number, elem?: GobType, name = "") {
    super();
    this.length = length;
    this.#elem = elem;
    this.name = name;
  }

  get elem(): GobType {
    return this.#elem as GobType;
  }

  link(elem: GobType): void {
    this.#elem = elem;
  }

  write(writer: GobWriter, value: unknown): void {
    const list = listOf(value, "an array");
    if (list.length !== this.length) {
      throw new Misfit(`has ${list.length} elements, not ${this.length}`);
    }
    writeList(writer, list, this.elem);
  }

  read(reader: GobReader): unknown[] {
    const count = reader.readUint();
    if (count !== this.length) {
      throw malformed(`${count} elements in an array of ${this.length}`);
    }
    this.#isOpen ??= holdsInterface(this.elem);
    return readList(reader, count, this.elem, this.#isOpen);
  }

  isZero(): boolean {
    return false;
  }

  zero(): null {
    return null;
  }

  override parts(): readonly GobType[] {
    return [this.elem];
  }
}

function listOf(value: unknown, wanted: string): ArrayLike<unknown> {
  if (Array.isArray(value)) return value;
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    return value as unknown as ArrayLike<unknown>;
  }
  throw misfit(value, wanted);
}

function writeList(
  writer: GobWriter,
  list: ArrayLike<unknown>,
  elem: GobType,
): void {
  writer.enter();
  const { length } = list;
  writer.writeUint(length);
  let index = 0;
  try {
    for (; index < length; index++) elem.write(writer, list[index]);
  } catch (thrown) {
    throw Misfit.under(`[${index}]`, thrown);
  }
  writer.leave();
}

/**
 * Every element takes at least a byte, so a count is held against the bytes
 * left. Behind an interface value the message may end and go on in the next
 * (`isOpen`): then the limit of the whole value stands in for them, and memory
 * grows with the elements that come.
 */
export function checkCount(
  reader: GobReader,
  count: number,
  isOpen: boolean,
): void {
  const most = isOpen ? reader.limits.maxMessageBytes : reader.left;
  if (count > most)
    throw malformed(`${count} elements declared, room for ${most}`);
}

function readList(
  reader: GobReader,
  count: number,
  elem: GobType,
  isOpen: boolean,
): unknown[] {
  checkCount(reader, count, isOpen);
  reader.enter(isOpen ? 4 : 4 + count);
  const list: unknown[] = [];
  for (let index = 0; index < count; index++) {
    if (isOpen) reader.charge(1);
    list.push(elem.read(reader));
  }
  reader.leave();
  return list;
}
