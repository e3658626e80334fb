import { RpcError } from "../errors.ts";

const lineFeed = 0x0a;
const firstCapacity = 1024;
const noBytes = new Uint8Array(0);

/**
 * Cuts a stream of bytes, in whatever pieces it comes, into lines of UTF-8
 * text without their LF. A line that lies whole in a chunk is not copied
 * before it is decoded; a torn one is put together with doubling room, and no
 * byte is looked at twice, so the cost is linear whatever the pieces.
 */
export class LineReader {
  readonly #maxBytes: number;
  #chunk: Uint8Array = noBytes;
  #at = 0;
  #torn: Uint8Array = noBytes;
  #tornLength = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes the next bytes; only allowed once next() has returned undefined. */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  /**
   * The next line; undefined means "need more".
   *
   * @throws RpcError resource_exhausted  a line grows past maxBytes; no more of it is kept
   */
  next(): string | undefined {
    const end = this.#chunk.indexOf(lineFeed, this.#at);
    const part = this.#chunk.subarray(this.#at, end < 0 ? undefined : end);
    if (this.#tornLength + part.length > this.#maxBytes) {
      throw new RpcError(
        "resource_exhausted",
        `a line is longer than ${this.#maxBytes} bytes`,
      );
    }
    if (end < 0) {
      this.#keep(part);
      // An idle connection keeps no memory for its last chunk.
      this.#chunk = noBytes;
      this.#at = 0;
      return undefined;
    }
    this.#at = end + 1;
    if (this.#tornLength === 0) return textOf(part);
    this.#keep(part);
    const line = textOf(this.#torn.subarray(0, this.#tornLength));
    this.#torn = noBytes;
    this.#tornLength = 0;
    return line;
  }

  #keep(part: Uint8Array): void {
    const length = this.#tornLength + part.length;
    if (length > this.#torn.length) {
      const grown = new Uint8Array(Math.max(firstCapacity, length * 2));
      grown.set(this.#torn.subarray(0, this.#tornLength));
      this.#torn = grown;
    }
    this.#torn.set(part, this.#tornLength);
    this.#tornLength = length;
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(
    "utf8",
  );
}
