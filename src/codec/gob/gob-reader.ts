import type { RpcError } from "../../errors.ts";
import { exhausted, malformed } from "./gob-errors.ts";
import type { GobLimits } from "./gob-limits.ts";

const two31 = 2 ** 31;
const two32 = 2 ** 32;
const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);
const longestCachedText = 32;
/**
 * Short ASCII texts seen before, at their hash: method names, map keys and
 * enumerations come again and again, and finding one is cheaper than making
 * it. Shared by all streams; holds at most 256 texts of 32 characters.
 */
const recentTexts: string[] = Array.from({ length: 256 }, () => "");

/**
 * Gob's primitive forms, read from one message: `bytes` from `at` to `end`.
 *
 * Nothing is read past `end`. Depth and memory are counted here, since every
 * composite passes through: enter() and charge() throw where a value takes more
 * than its bytes allow. Each method throws RpcError invalid_argument for bytes
 * that are no gob.
 * Source: encoding/gob, "Encoding Details".
 */
export class GobReader {
  readonly limits: GobLimits;
  bytes: Buffer = Buffer.alloc(0);
  at = 0;
  end = 0;
  depth = 0;
  /** The first part that was no value of its type, although its end is known: the rest can be read. */
  flaw: RpcError | undefined;
  /** What the value may still take, in cells of about 8 bytes. */
  cells = 0;
  /** Reads a value that is not nil, behind its type's name; the decoder's, who knows the types. */
  readonly readInterface: (name: string) => unknown;
  /** The last integer that took more than one byte. */
  #high = 0;
  #low = 0;

  constructor(limits: GobLimits, readInterface: (name: string) => unknown) {
    this.limits = limits;
    this.readInterface = readInterface;
  }

  get left(): number {
    return this.end - this.at;
  }

  /** One more composite, which takes `cells`. */
  enter(cells: number): void {
    if (++this.depth > this.limits.maxDepth) {
      throw exhausted(`a value nested more than ${this.limits.maxDepth} deep`);
    }
    this.charge(cells);
  }

  leave(): void {
    this.depth--;
  }

  charge(cells: number): void {
    this.cells -= cells;
    if (this.cells < 0) {
      throw exhausted("a value much larger than its bytes");
    }
  }

  /** Goes on although a part is bad. */
  flag(error: RpcError): void {
    this.flaw ??= error;
  }

  readByte(): number {
    if (this.at >= this.end) throw malformed("the value ends early");
    return this.bytes[this.at++] as number;
  }

  /** An unsigned integer, rounded beyond 2^53: for counts, ids and deltas, which end long before. */
  readUint(): number {
    const first = this.readByte();
    if (first < 0x80) return first;
    this.#readWords(first);
    return this.#high * two32 + this.#low;
  }

  /** An unsigned integer, a bigint beyond 2^53 - 1. */
  readUnsigned(): number | bigint {
    const first = this.readByte();
    if (first < 0x80) return first;
    this.#readWords(first);
    const high = this.#high;
    return high < 0x200000
      ? high * two32 + this.#low
      : (BigInt(high) << 32n) | BigInt(this.#low);
  }

  /** A signed integer, a bigint outside ±(2^53 - 1). */
  readInt(): number | bigint {
    const first = this.readByte();
    if (first < 0x80) return first & 1 ? ~(first >>> 1) : first >>> 1;
    this.#readWords(first);
    const high = this.#high;
    const low = this.#low;
    if (high < 0x400000) {
      const half = high * two31 + (low >>> 1);
      const value = low & 1 ? -1 - half : half;
      if (Number.isSafeInteger(value)) return value;
    }
    const half = (BigInt(high) << 31n) | BigInt(low >>> 1);
    return low & 1 ? ~half : half;
  }

  /** A type id; 0 for a number that can be none. */
  readId(): number {
    const id = this.readInt();
    return typeof id === "number" && Math.abs(id) < two31 ? id : 0;
  }

  /** A length in bytes, which are there. */
  readLength(): number {
    const length = this.readUint();
    if (length > this.left) {
      throw malformed(`${length} bytes declared, ${this.left} left`);
    }
    return length;
  }

  readFloat(): number {
    const first = this.readByte();
    float[0] = 0;
    if (first < 0x80) {
      floatBytes[7] = first;
      return float[0];
    }
    const width = this.#width(first);
    const { bytes } = this;
    for (let to = 8 - width; to < 8; to++) {
      floatBytes[to] = bytes[this.at++] as number;
    }
    return float[0];
  }

  /** Bytes that are no UTF-8 become U+FFFD: Go's strings may hold any, ours may not. */
  readText(): string {
    const length = this.readLength();
    if (length === 0) return "";
    const start = this.at;
    const end = (this.at += length);
    const { bytes } = this;
    if (length > longestCachedText) return bytes.toString("utf8", start, end);
    let hash = length;
    for (let at = start; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte >= 0x80) return bytes.toString("utf8", start, end);
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    const slot = (hash ^ (hash >>> 8)) & 0xff;
    const recent = recentTexts[slot] as string;
    if (recent.length === length) {
      let same = 0;
      while (same < length && recent.charCodeAt(same) === bytes[start + same]) {
        same++;
      }
      if (same === length) return recent;
    }
    return (recentTexts[slot] = bytes.toString("latin1", start, end));
  }

  /** A copy. */
  readBytes(): Uint8Array<ArrayBuffer> {
    const length = this.readLength();
    this.charge(16 + (length >>> 3));
    const start = this.at;
    this.at += length;
    const copy = new Uint8Array(length);
    copy.set(this.bytes.subarray(start, this.at));
    return copy;
  }

  #width(first: number): number {
    const width = 256 - first;
    if (width > 8) throw malformed(`an integer of ${width} bytes`);
    if (width > this.left) throw malformed("the value ends early");
    return width;
  }

  #readWords(first: number): void {
    let width = this.#width(first);
    const { bytes } = this;
    let high = 0;
    let low = 0;
    for (; width > 4; width--) {
      high = ((high << 8) | (bytes[this.at++] as number)) >>> 0;
    }
    for (; width > 0; width--) {
      low = ((low << 8) | (bytes[this.at++] as number)) >>> 0;
    }
    this.#high = high;
    this.#low = low;
  }
}
