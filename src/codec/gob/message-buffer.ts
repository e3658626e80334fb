import { broken, exhausted } from "./gob-errors.ts";

/** A buffer that has grown past this is let go once it is empty. */
const keptCapacity = 256 * 1024;

/**
 * The bytes of a stream that were received and not yet read, and the lengths
 * of the messages in them.
 *
 * Grows with what is received, never with what is declared.
 */
export class MessageBuffer {
  bytes: Buffer = Buffer.alloc(0);
  /** Where the unread bytes begin. */
  start = 0;
  /** The length of the header that message() saw last. */
  headerBytes = 0;
  readonly #maxMessageBytes: number;
  #end = 0;

  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  get length(): number {
    return this.#end - this.start;
  }

  /** Appends a copy of `chunk`. */
  push(chunk: Uint8Array): void {
    if (this.#end + chunk.length > this.bytes.length) this.#grow(chunk.length);
    this.bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** Drops `count` bytes from the front. */
  consume(count: number): void {
    this.start += count;
    if (this.start === this.#end) this.clear();
  }

  clear(): void {
    this.start = this.#end = 0;
    if (this.bytes.length > keptCapacity) this.bytes = Buffer.alloc(0);
  }

  /**
   * The length of the message `offset` bytes from the front, or -1 while it is
   * not all there. `headerBytes` come before it.
   *
   * @throws RpcError internal            no length, or that of a message without content
   * @throws RpcError resource_exhausted  longer than allowed; seen as soon as its header is there
   */
  message(offset: number): number {
    const { bytes } = this;
    const at = this.start + offset;
    if (at >= this.#end) return -1;
    let length = bytes[at] as number;
    this.headerBytes = 1;
    if (length >= 0x80) {
      const width = 256 - length;
      if (width > 8) throw broken(`a message length of ${width} bytes`);
      if (at + width >= this.#end) return -1;
      length = 0;
      for (let index = 1; index <= width; index++) {
        length = length * 256 + (bytes[at + index] as number);
      }
      this.headerBytes = 1 + width;
    }
    if (length === 0) throw broken("a message without content");
    if (length > this.#maxMessageBytes) {
      throw exhausted(
        `a message of ${length} bytes, more than ${this.#maxMessageBytes}`,
      );
    }
    return at + this.headerBytes + length <= this.#end ? length : -1;
  }

  #grow(count: number): void {
    const { length } = this;
    const needed = length + count;
    if (needed * 2 <= this.bytes.length) {
      this.bytes.copyWithin(0, this.start, this.#end);
    } else {
      const grown = Buffer.alloc(
        Math.max(1024, 2 ** Math.ceil(Math.log2(needed))),
      );
      grown.set(this.bytes.subarray(this.start, this.#end));
      this.bytes = grown;
    }
    this.start = 0;
    this.#end = length;
  }
}
