import { RpcError } from "../../errors.ts";
import { SendBuffer } from "../../wire/send-buffer.ts";
import { pathTo } from "../value.ts";
import { arrayKinds, extensions } from "./extensions.ts";

/** Most values that JSON cannot carry are small. */
const firstCapacity = 256;

/**
 * `value` as MessagePack (PROTOCOL.md, "MessagePack"), in one pass. What
 * MessagePack has no form for goes as an extension; class instances go as
 * their own fields. `value` is not changed; the bytes are the caller's.
 *
 * @throws RpcError invalid_argument  a function, a symbol, an object whose content cannot be seen, a cycle or too deep a nesting, with its path
 */
export function packMessagePack(value: unknown, maxDepth: number): Uint8Array {
  const writer = new Writer(maxDepth);
  try {
    writer.value(value);
  } catch (thrown) {
    throw thrown instanceof Culprit
      ? new RpcError("invalid_argument", `value${thrown.path} ${thrown.reason}`)
      : RpcError.from(thrown, "invalid_argument");
  }
  return writer.bytes();
}

/** Thrown at the part that cannot travel; each container that it passes adds its step to the path. */
class Culprit {
  path = "";
  constructor(readonly reason: string) {}
}

class Writer {
  readonly #out = new SendBuffer(firstCapacity);
  readonly #maxDepth: number;
  readonly #ancestors: object[] = [];

  constructor(maxDepth: number) {
    this.#maxDepth = maxDepth;
  }

  bytes(): Uint8Array {
    return this.#out.pending();
  }

  value(value: unknown): void {
    switch (typeof value) {
      case "string":
        return this.#string(value);
      case "number":
        return this.#number(value);
      case "boolean":
        return this.#out.writeByte(value ? 0xc3 : 0xc2);
      case "undefined":
        return this.#extension(extensions.undefined, noBytes);
      case "bigint":
        return this.#extension(extensions.bigint, bytesOfBigInt(value));
      case "object":
        return value === null ? this.#out.writeByte(0xc0) : this.#object(value);
      default:
        throw new Culprit(`is a ${typeof value}, which cannot travel`);
    }
  }

  #string(text: string): void {
    if (text.length < 0x20 && this.#shortAscii(text)) return;
    if (!text.isWellFormed()) {
      // UTF-8 cannot hold lone surrogates.
      this.#extension(extensions.text, Buffer.from(text, "utf16le"));
      return;
    }
    const length = Buffer.byteLength(text);
    if (length < 0x20) this.#out.writeByte(0xa0 | length);
    else this.#sized(0xd9, length);
    this.#out.writeText(text);
  }

  /** Most texts are short and plain ASCII: a loop beats three calls. False, with nothing written, for others. */
  #shortAscii(text: string): boolean {
    const { length } = text;
    const out = this.#out;
    out.reserve(length + 1);
    const { bytes, end } = out;
    for (let at = 0; at < length; at++) {
      const unit = text.charCodeAt(at);
      if (unit >= 0x80) return false;
      bytes[end + 1 + at] = unit;
    }
    bytes[end] = 0xa0 | length;
    out.end = end + 1 + length;
    return true;
  }

  #number(value: number): void {
    const isWhole = value >>> 0 === value || value >> 0 === value;
    if (!isWhole) this.#float(value);
    else if (value > 0x7f) this.#sized(0xcc, value);
    else if (value > 0) this.#out.writeByte(value);
    else if (value < 0) this.#negative(value);
    else if (1 / value > 0) this.#out.writeByte(0);
    else this.#extension(extensions.negativeZero, noBytes);
  }

  #negative(value: number): void {
    const out = this.#out;
    out.reserve(5);
    const { view, end } = out;
    if (value >= -0x20) {
      view.setInt8(end, value);
      out.end = end + 1;
    } else if (value >= -0x80) {
      view.setUint8(end, 0xd0);
      view.setInt8(end + 1, value);
      out.end = end + 2;
    } else if (value >= -0x8000) {
      view.setUint8(end, 0xd1);
      view.setInt16(end + 1, value);
      out.end = end + 3;
    } else {
      view.setUint8(end, 0xd2);
      view.setInt32(end + 1, value);
      out.end = end + 5;
    }
  }

  #float(value: number): void {
    const out = this.#out;
    out.reserve(9);
    out.view.setUint8(out.end, 0xcb);
    out.view.setFloat64(out.end + 1, value);
    out.end += 9;
  }

  /** A number behind the first of three tags in a row, for 8, 16 and 32 bits. */
  #sized(tag: number, value: number): void {
    const out = this.#out;
    out.reserve(5);
    const { view, end } = out;
    if (value < 0x100) {
      view.setUint8(end, tag);
      view.setUint8(end + 1, value);
      out.end = end + 2;
    } else if (value < 0x10000) {
      view.setUint8(end, tag + 1);
      view.setUint16(end + 1, value);
      out.end = end + 3;
    } else {
      view.setUint8(end, tag + 2);
      view.setUint32(end + 1, value);
      out.end = end + 5;
    }
  }

  /** A count, in its tag if it is below 16, else behind the tag for 16 or, next to it, for 32 bits. */
  #count(smallTag: number, tag: number, count: number): void {
    const out = this.#out;
    if (count < 0x10) return out.writeByte(smallTag | count);
    out.reserve(5);
    const { view, end } = out;
    if (count < 0x10000) {
      view.setUint8(end, tag);
      view.setUint16(end + 1, count);
      out.end = end + 3;
    } else {
      view.setUint8(end, tag + 1);
      view.setUint32(end + 1, count);
      out.end = end + 5;
    }
  }

  #extension(type: number, content: Uint8Array): void {
    this.#sized(0xc7, content.length);
    this.#out.writeByte(type);
    this.#out.writeBytes(content);
  }

  #object(value: object): void {
    if (value instanceof Uint8Array) {
      this.#sized(0xc4, value.length);
      this.#out.writeBytes(value);
    } else if (value instanceof Date) {
      this.#date(value.getTime());
    } else if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
      this.#extension(extensions.typedArray, bytesOfArray(value));
    } else this.#nested(value);
  }

  #date(ms: number): void {
    const out = this.#out;
    out.reserve(11);
    const { view, end } = out;
    view.setUint8(end, 0xc7);
    view.setUint8(end + 1, 8);
    view.setUint8(end + 2, extensions.date);
    view.setFloat64(end + 3, ms);
    out.end = end + 11;
  }

  #nested(value: object): void {
    const ancestors = this.#ancestors;
    if (ancestors.includes(value)) throw new Culprit("contains itself");
    if (ancestors.length === this.#maxDepth) {
      throw new Culprit(`is nested deeper than ${this.#maxDepth}`);
    }
    ancestors.push(value);
    if (Array.isArray(value)) this.#array(value);
    else if (value instanceof Map) this.#map(value);
    else if (value instanceof Set) this.#set(value);
    else this.#fields(value as Record<string, unknown>);
    ancestors.pop();
  }

  #array(list: readonly unknown[]): void {
    const { length } = list;
    this.#count(0x90, 0xdc, length);
    let at = 0;
    try {
      for (; at < length; at++) this.value(list[at]);
    } catch (thrown) {
      throw within(pathTo("", String(at), true), thrown);
    }
  }

  #fields(value: Record<string, unknown>): void {
    const keys = Object.keys(value);
    if (keys.length === 0 || value instanceof Error) refuseHidden(value);
    this.#count(0x80, 0xde, keys.length);
    for (const key of keys) {
      this.#string(key);
      try {
        this.value(value[key]);
      } catch (thrown) {
        throw within(pathTo("", key, false), thrown);
      }
    }
  }

  #map(map: Map<unknown, unknown>): void {
    const from = this.#beginExtension(extensions.map);
    this.#count(0x90, 0xdc, 2 * map.size);
    for (const [key, item] of map) {
      try {
        this.value(key);
      } catch (thrown) {
        throw within(".keys()", thrown);
      }
      try {
        this.value(item);
      } catch (thrown) {
        throw within(`.get(${textOfKey(key)})`, thrown);
      }
    }
    this.#endExtension(from);
  }

  #set(set: Set<unknown>): void {
    const from = this.#beginExtension(extensions.set);
    this.#count(0x90, 0xdc, set.size);
    try {
      for (const item of set) this.value(item);
    } catch (thrown) {
      throw within(".values()", thrown);
    }
    this.#endExtension(from);
  }

  /** Starts an extension whose length is not known yet; returns where its content begins. */
  #beginExtension(type: number): number {
    const out = this.#out;
    out.reserve(6);
    out.view.setUint8(out.end, 0xc9);
    out.view.setUint8(out.end + 5, type);
    out.end += 6;
    return out.length;
  }

  #endExtension(from: number): void {
    const out = this.#out;
    const length = out.length - from;
    out.view.setUint32(out.end - length - 5, length);
  }
}

const noBytes = new Uint8Array(0);

/** What was thrown, one step further from the culprit. */
function within(step: string, thrown: unknown): unknown {
  if (thrown instanceof Culprit) thrown.path = step + thrown.path;
  return thrown;
}

/**
 * A class instance goes as its own fields. A built-in object without any keeps
 * its content where nobody can see it: an empty object in its place would be
 * a silent loss. An Error's text is hidden likewise.
 */
function refuseHidden(value: object): void {
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  if (tag !== "Object") {
    const remedy = tag === "Generator" ? ": write async * for a stream" : "";
    throw new Culprit(
      `is of kind ${tag}, whose content cannot travel${remedy}`,
    );
  }
}

function textOfKey(key: unknown): string {
  if (typeof key === "string") return JSON.stringify(key);
  return typeof key === "object" ? "an object" : String(key);
}

/** A sign byte (0 or 1), then the magnitude, big-endian. */
function bytesOfBigInt(value: bigint): Uint8Array {
  const hex = (value < 0n ? -value : value).toString(16);
  const magnitude = hex.length % 2 === 0 ? hex : `0${hex}`;
  return Buffer.from(`${value < 0n ? "01" : "00"}${magnitude}`, "hex");
}

/** A kind byte, then the elements, little-endian. */
function bytesOfArray(array: ArrayBuffer | ArrayBufferView): Uint8Array {
  const kind = arrayKinds.findIndex((Kind) => array instanceof Kind);
  if (kind < 0) {
    throw new Culprit("is a view of no known kind: send a Uint8Array");
  }
  const content = ArrayBuffer.isView(array)
    ? new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
    : new Uint8Array(array);
  return Buffer.concat([Uint8Array.of(kind), content]);
}
