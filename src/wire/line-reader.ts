import { RpcError } from "../errors.ts";
import { asBuffer } from "./as-buffer.ts";

const lineFeed = 0x0a;
const firstCapacity = 1024;
const noBytes = Buffer.alloc(0);

/**
 * Cuts a stream of bytes, in whatever pieces it comes, into lines of UTF-8
 * text without their LF. A line that lies whole in a chunk is not copied
 * before it is decoded; a torn one is put together with doubling room, and no
 * byte is looked at twice, so the cost is linear whatever the pieces.
 */
export class LineReader {
  readonly #maxBytes: number;
  #chunk: Buffer = noBytes;
  #at = 0;
  #torn: Buffer = noBytes;
  #tornLength = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes the next bytes; only allowed once next() has returned undefined. */
  push(chunk: Uint8Array): void {
    this.#chunk = asBuffer(chunk);
    this.#at = 0;
  }

  /**
   * The next line; undefined means "need more".
   *
   * @throws RpcError resource_exhausted  a line grows past maxBytes; no more of it is kept
   */
  next(): string | undefined {
    const from = this.#at;
    const lineEnd = this.#chunk.indexOf(lineFeed, from);
    const end = lineEnd < 0 ? this.#chunk.length : lineEnd;
    if (this.#tornLength + end - from > this.#maxBytes) {
      throw new RpcError(
        "resource_exhausted",
        `a line is longer than ${this.#maxBytes} bytes`,
      );
    }
    if (lineEnd < 0) {
      this.#keep(from, end);
      // An idle connection keeps no memory for its last chunk.
      this.#chunk = noBytes;
      this.#at = 0;
      return undefined;
    }
    this.#at = lineEnd + 1;
    // Without a view of the line: that costs as much as decoding it.
    if (this.#tornLength === 0) return this.#chunk.toString("utf8", from, end);
    this.#keep(from, end);
    const line = this.#torn.toString("utf8", 0, this.#tornLength);
    this.#torn = noBytes;
    this.#tornLength = 0;
    return line;
  }

  /** Puts a part of the chunk behind the torn line. */
  #keep(from: number, end: number): void {
    const length = this.#tornLength + end - from;
    if (length > this.#torn.length) {
      const grown = Buffer.alloc(Math.max(firstCapacity, length * 2));
      grown.set(this.#torn.subarray(0, this.#tornLength));
      this.#torn = grown;
    }
    this.#torn.set(this.#chunk.subarray(from, end), this.#tornLength);
    this.#tornLength = length;
  }
}
