import { RpcError } from "../../errors.ts";
import { arrayKinds, extensions } from "./extensions.ts";

/** A text of so few bytes is read faster by a loop, if it is ASCII. */
const maxLoopedBytes = 16;

/**
 * The value in `bytes`, which are MessagePack (PROTOCOL.md, "MessagePack"),
 * free of views into them. Every declared length and count meets what is left
 * of the bytes before anything is kept for it, and nesting `maxDepth`, so the
 * cost in time and memory follows the bytes that came.
 *
 * @throws RpcError invalid_argument
 */
export function unpackMessagePack(
  bytes: Uint8Array,
  maxDepth: number,
): unknown {
  const reader = new Reader(bytes);
  try {
    const value = reader.value(maxDepth);
    if (reader.at !== bytes.length) throw malformed("bytes are left over");
    return value;
  } catch (thrown) {
    throw RpcError.from(thrown, "invalid_argument");
  }
}

class Reader {
  at = 0;
  readonly #bytes: Buffer;
  readonly #view: DataView;

  constructor({ buffer, byteOffset, length }: Uint8Array) {
    this.#bytes = Buffer.from(buffer as ArrayBuffer, byteOffset, length);
    this.#view = new DataView(buffer, byteOffset, length);
  }

  /** The next value, with at most `depth` containers in each other. */
  value(depth: number): unknown {
    const tag = this.#uint(1);
    if (tag <= 0x7f) return tag; // positive fixint
    if (tag <= 0x8f) return this.#map(tag & 0x0f, depth); // fixmap
    if (tag <= 0x9f) return this.#array(tag & 0x0f, depth); // fixarray
    if (tag <= 0xbf) return this.#text(tag & 0x1f); // fixstr
    if (tag >= 0xe0) return tag - 0x100; // negative fixint
    switch (tag) {
      case 0xc0: // nil
        return null;
      case 0xc2: // false
        return false;
      case 0xc3: // true
        return true;
      case 0xc4: // bin 8, 16, 32
      case 0xc5:
      case 0xc6:
        return this.#binary(this.#uint(1 << (tag - 0xc4)));
      case 0xc7: // ext 8, 16, 32
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#uint(1 << (tag - 0xc7)), depth);
      case 0xca: // float 32
        return this.#view.getFloat32(this.#take(4));
      case 0xcb: // float 64
        return this.#view.getFloat64(this.#take(8));
      case 0xcc: // uint 8, 16, 32
      case 0xcd:
      case 0xce:
        return this.#uint(1 << (tag - 0xcc));
      case 0xcf: // uint 64
        return exact(this.#view.getBigUint64(this.#take(8)));
      case 0xd0: // int 8, 16, 32, 64
        return this.#view.getInt8(this.#take(1));
      case 0xd1:
        return this.#view.getInt16(this.#take(2));
      case 0xd2:
        return this.#view.getInt32(this.#take(4));
      case 0xd3:
        return exact(this.#view.getBigInt64(this.#take(8)));
      case 0xd4: // fixext 1, 2, 4, 8, 16
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (tag - 0xd4), depth);
      case 0xd9: // str 8, 16, 32
      case 0xda:
      case 0xdb:
        return this.#text(this.#uint(1 << (tag - 0xd9)));
      case 0xdc: // array 16, 32
      case 0xdd:
        return this.#array(this.#uint(2 << (tag - 0xdc)), depth);
      case 0xde: // map 16, 32
      case 0xdf:
        return this.#map(this.#uint(2 << (tag - 0xde)), depth);
      default:
        throw malformed("an unknown tag");
    }
  }

  /** Steps over `length` bytes and returns where they begin. */
  #take(length: number): number {
    const { at } = this;
    if (length > this.#bytes.length - at) throw malformed("it is cut off");
    this.at = at + length;
    return at;
  }

  #uint(size: number): number {
    const at = this.#take(size);
    if (size === 1) return this.#view.getUint8(at);
    return size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #text(length: number): string {
    const at = this.#take(length);
    if (length <= maxLoopedBytes) {
      let text = "";
      let left = at;
      for (const end = at + length; left < end; left++) {
        const byte = this.#bytes[left] as number;
        if (byte >= 0x80) break;
        text += String.fromCharCode(byte);
      }
      if (left === at + length) return text;
    }
    return this.#bytes.toString("utf8", at, at + length);
  }

  /** A copy. */
  #binary(length: number): Uint8Array<ArrayBuffer> {
    const at = this.#take(length);
    const copy = new Uint8Array(length);
    copy.set(this.#bytes.subarray(at, at + length));
    return copy;
  }

  #array(count: number, depth: number): unknown[] {
    this.#enter(count, depth);
    // Grows with what comes: arrays of the declared lengths, one in the other, would not.
    const list: unknown[] = [];
    for (let left = count; left > 0; left--) list.push(this.value(depth - 1));
    return list;
  }

  #map(count: number, depth: number): Record<string, unknown> {
    this.#enter(2 * count, depth);
    const fields: Record<string, unknown> = {};
    for (let left = count; left > 0; left--) {
      const key = this.#key();
      const value = this.value(depth - 1);
      if (key === "__proto__") defineOwn(fields, key, value);
      else fields[key] = value;
    }
    return fields;
  }

  #enter(count: number, depth: number): void {
    if (depth === 0) throw malformed("it is nested too deep");
    if (count > this.#bytes.length - this.at) {
      throw malformed("more items are declared than bytes are left");
    }
  }

  /** A field's name. Other writers use whole numbers, too. */
  #key(): string {
    const key = this.value(0);
    if (typeof key === "string") return key;
    if (typeof key === "number") return String(key);
    throw malformed("a map's key is no text");
  }

  #extension(length: number, depth: number): unknown {
    const type = this.#uint(1);
    const end = this.at + length;
    if (type === extensions.map || type === extensions.set) {
      const items = this.value(depth);
      if (this.at !== end || !Array.isArray(items)) {
        throw malformed("an extension does not hold what it should");
      }
      return type === extensions.set ? new Set(items) : mapOf(items);
    }
    const at = this.#take(length);
    switch (type) {
      case extensions.undefined:
        return undefined;
      case extensions.negativeZero:
        return -0;
      case extensions.bigint:
        return bigIntOf(this.#bytes.subarray(at, end));
      case extensions.date:
        if (length !== 8) throw malformed("a date has eight bytes");
        return new Date(this.#view.getFloat64(at));
      case extensions.typedArray:
        return arrayOf(this.#bytes.subarray(at, end));
      case extensions.text:
        return this.#bytes.toString("utf16le", at, end);
      default:
        throw malformed(`an unknown extension ${type}`);
    }
  }
}

function malformed(reason: string): RpcError {
  return new RpcError(
    "invalid_argument",
    `the body is no MessagePack that can be read: ${reason}`,
  );
}

/** A 64-bit integer as a number where that holds it. Our own writer sends none. */
function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Like JSON.parse: a plain assignment would set the prototype. */
function defineOwn(fields: object, key: string, value: unknown): void {
  Object.defineProperty(fields, key, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  });
}

function mapOf(items: readonly unknown[]): Map<unknown, unknown> {
  if (items.length % 2 !== 0) throw malformed("a key has no value");
  const map = new Map<unknown, unknown>();
  for (let at = 0; at < items.length; at += 2)
    map.set(items[at], items[at + 1]);
  return map;
}

function bigIntOf(content: Buffer): bigint {
  if (content.length < 2) throw malformed("an integer is cut off");
  const magnitude = BigInt(`0x${content.toString("hex", 1)}`);
  return content[0] === 1 ? -magnitude : magnitude;
}

function arrayOf(content: Buffer): unknown {
  const Kind = arrayKinds[content[0] ?? -1];
  if (Kind === undefined) throw malformed("an array of an unknown kind");
  const { buffer } = new Uint8Array(content.subarray(1));
  return Kind === ArrayBuffer ? buffer : new Kind(buffer);
}
