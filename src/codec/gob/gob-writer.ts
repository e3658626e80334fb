import { SendBuffer } from "../../wire/send-buffer.ts";
import { Misfit } from "./misfit.ts";

const two31 = 2 ** 31;
const two32 = 2 ** 32;
const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);
/** Text up to this long is copied char by char, which is faster than a native call. */
const shortText = 48;

/**
 * Gob's primitive forms, appended to a SendBuffer, and its segments: runs of
 * bytes behind their own length. A message is a segment, and so is the value
 * inside an interface.
 * Source: encoding/gob, "Encoding Details".
 */
export class GobWriter {
  out = new SendBuffer();
  /** Composites that are open. */
  depth = 0;
  /** The buffer's length that ends the value: one with shared parts can be far larger than it looks. */
  mostBytes = Infinity;
  readonly #maxDepth: number;
  /** Writes a value that is not nil with its type's name; the encoder's, who knows the ids. */
  readonly writeInterface: (value: {}) => void;
  /** Where the open segment's content begins, counted from the buffer's start. */
  #segment = 0;

  constructor(maxDepth: number, writeInterface: (value: {}) => void) {
    this.#maxDepth = maxDepth;
    this.writeInterface = writeInterface;
  }

  /** One more composite around what follows. @throws Misfit invalid_argument  too deep, or a cycle */
  enter(): void {
    if (++this.depth > this.#maxDepth) {
      throw new Misfit(`is nested more than ${this.#maxDepth} deep`);
    }
    if (this.out.length > this.mostBytes) {
      throw new Misfit("is too large for a message", "resource_exhausted");
    }
  }

  leave(): void {
    this.depth--;
  }

  /** Opens a segment; endSegment() takes what this returns, the segment around it. */
  beginSegment(): number {
    const outer = this.#segment;
    this.out.writeByte(0);
    this.#segment = this.out.length;
    return outer;
  }

  /** Puts the length before the open segment. */
  endSegment(outer: number): void {
    const { out } = this;
    const length = out.length - this.#segment;
    if (length < 0x80) {
      out.bytes[out.start + this.#segment - 1] = length;
    } else {
      const width = byteCount(length);
      out.reserve(width);
      const at = out.start + this.#segment;
      out.bytes.copyWithin(at + width, at, out.end);
      out.bytes[at - 1] = 256 - width;
      for (let rest = length, to = at + width; to-- > at; rest >>>= 8) {
        out.bytes[to] = rest;
      }
      out.end += width;
    }
    this.#segment = outer;
  }

  /** Ends the open segment and opens another in its place. */
  nextSegment(): void {
    this.endSegment(0);
    this.beginSegment();
  }

  writeByte(value: number): void {
    this.out.writeByte(value);
  }

  /** A count, length, delta or uint: a whole number from 0 to 2^53. */
  writeUint(value: number): void {
    if (value < 0x80) this.out.writeByte(value);
    else this.#writeWords(Math.floor(value / two32), value >>> 0);
  }

  /** A safe integer. */
  writeInt(value: number): void {
    if (value >= -64 && value < 64) {
      this.out.writeByte(value < 0 ? (~value << 1) | 1 : value << 1);
      return;
    }
    const sign = value < 0 ? 1 : 0;
    const half = sign ? -1 - value : value;
    const high = Math.floor(half / two31);
    this.#writeWords(high, (((half % two31) * 2) | sign) >>> 0);
  }

  /** A bigint from 0 to 2^64 - 1. */
  writeBigUint(value: bigint): void {
    if (value < 0x80n) this.out.writeByte(Number(value));
    else this.#writeWords(Number(value >> 32n), Number(value & 0xffffffffn));
  }

  /** A bigint from -2^63 to 2^63 - 1. */
  writeBigInt(value: bigint): void {
    this.writeBigUint(value < 0n ? (~value << 1n) | 1n : value << 1n);
  }

  /** The bits of a float64, bytes reversed, as uint. NaN is Go's math.NaN(). */
  writeFloat(value: number): void {
    float[0] = value;
    if (value !== value) floatBytes[0] = 1;
    let first = 0;
    while (first < 7 && floatBytes[first] === 0) first++;
    const { out } = this;
    out.reserve(9);
    const { bytes } = out;
    if (first < 7 || (floatBytes[7] as number) >= 0x80) {
      bytes[out.end++] = 248 + first;
    }
    while (first < 8) bytes[out.end++] = floatBytes[first++] as number;
  }

  /** Length and UTF-8. A lone surrogate becomes U+FFFD. */
  writeText(text: string): void {
    const { out } = this;
    const { length } = text;
    if (length > shortText || !this.#writeAscii(text)) {
      this.writeUint(Buffer.byteLength(text));
      out.writeText(text);
    }
  }

  writeBytes(bytes: Uint8Array): void {
    this.writeUint(bytes.length);
    this.out.writeBytes(bytes);
  }

  /** False, and nothing written, when `text` is not all ASCII. */
  #writeAscii(text: string): boolean {
    const { out } = this;
    const { length } = text;
    out.reserve(length + 1);
    const { bytes } = out;
    let at = out.end;
    bytes[at++] = length;
    for (let index = 0; index < length; index++) {
      const char = text.charCodeAt(index);
      if (char >= 0x80) return false;
      bytes[at++] = char;
    }
    out.end = at;
    return true;
  }

  /** An unsigned integer of 128 or more. */
  #writeWords(high: number, low: number): void {
    const { out } = this;
    out.reserve(9);
    const { bytes } = out;
    const width = high === 0 ? byteCount(low) : 4 + byteCount(high);
    bytes[out.end] = 256 - width;
    let at = out.end + width;
    out.end = at + 1;
    for (let left = Math.min(width, 4); left > 0; left--, low >>>= 8) {
      bytes[at--] = low;
    }
    for (let left = width - 4; left > 0; left--, high >>>= 8) {
      bytes[at--] = high;
    }
  }
}

/** How many bytes hold an unsigned 32-bit number. */
function byteCount(value: number): number {
  if (value < 0x100) return 1;
  if (value < 0x10000) return 2;
  return value < 0x1000000 ? 3 : 4;
}
