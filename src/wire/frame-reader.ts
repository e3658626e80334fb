import { RpcError } from "../errors.ts";
import { asBuffer } from "./as-buffer.ts";
import { headerBytes, maxContentBytes } from "./frame.ts";
import { readUint32 } from "./little-endian.ts";

/**
 * Cuts a stream of bytes, in whatever pieces it comes, into binary frames.
 *
 * After `next()` returned true the fields describe the current frame; its
 * content is `bytes` from `start` to `end`, a view that lives until the next
 * call of push() or next(). false means "need more". A frame that lies whole
 * in a chunk is not copied; one that is torn is put together once, so the cost
 * is linear whatever the size of the pieces. Layout: PROTOCOL.md, "Frames".
 */
export class FrameReader {
  kind = 0;
  flags = 0;
  encoding = 0;
  code = 0;
  seq = 0;
  bytes: Buffer = empty;
  start = 0;
  end = 0;

  #chunk: Buffer = empty;
  #at = 0;
  /** A frame that began in an earlier chunk. */
  #torn: Buffer = empty;
  #tornLength = 0;

  /** Takes the next bytes; only allowed once next() has returned false. Keeps `chunk` until then. */
  push(chunk: Uint8Array): void {
    this.#chunk = asBuffer(chunk);
    this.#at = 0;
  }

  /**
   * Moves to the next frame.
   *
   * @throws RpcError resource_exhausted  a content longer than maxContentBytes is declared; nothing of it is kept
   * @throws RpcError internal            a seq beyond 2^53-1
   */
  next(): boolean {
    if (this.#tornLength > 0) return this.#nextTorn();
    const left = this.#chunk.length - this.#at;
    if (left >= headerBytes) {
      this.#readHeader(this.#chunk, this.#at);
      const length = this.end - this.start;
      if (left >= headerBytes + length) {
        this.bytes = this.#chunk;
        this.#at = this.end;
        return true;
      }
      this.#tear(headerBytes + length);
    } else if (left > 0) this.#tear(headerBytes);
    this.#release();
    return false;
  }

  /** Lets the chunk go, so that an idle connection keeps no memory for its last one. */
  #release(): void {
    this.bytes = this.#chunk = empty;
    this.#at = 0;
  }

  /** Keeps the rest of the chunk, the front of a frame of at least `needed` bytes. */
  #tear(needed: number): void {
    const rest = this.#chunk.subarray(this.#at);
    this.#torn = Buffer.alloc(Math.min(needed, rest.length * 2));
    this.#torn.set(rest);
    this.#tornLength = rest.length;
  }

  #nextTorn(): boolean {
    if (this.#fillTo(headerBytes)) {
      this.#readHeader(this.#torn, 0);
      if (this.#fillTo(this.end)) {
        this.bytes = this.#torn;
        this.#torn = empty;
        this.#tornLength = 0;
        return true;
      }
    }
    this.#release();
    return false;
  }

  /** Moves bytes of the chunk behind the torn ones until there are `count`; doubles the room as they come. */
  #fillTo(count: number): boolean {
    const take = Math.min(
      count - this.#tornLength,
      this.#chunk.length - this.#at,
    );
    if (take > 0) {
      const length = this.#tornLength + take;
      if (length > this.#torn.length) {
        const grown = Buffer.alloc(
          Math.min(count, Math.max(length, this.#torn.length * 2)),
        );
        grown.set(this.#torn.subarray(0, this.#tornLength));
        this.#torn = grown;
      }
      this.#torn.set(
        this.#chunk.subarray(this.#at, this.#at + take),
        this.#tornLength,
      );
      this.#tornLength = length;
      this.#at += take;
    }
    return this.#tornLength >= count;
  }

  #readHeader(bytes: Buffer, at: number): void {
    const length = readUint32(bytes, at + 4);
    if (length > maxContentBytes) {
      throw new RpcError(
        "resource_exhausted",
        `a frame declares ${length} bytes; ${maxContentBytes} are allowed`,
      );
    }
    const high = readUint32(bytes, at + 12);
    if (high > 0x1fffff) {
      throw new RpcError("internal", "a frame's seq is beyond 2^53-1");
    }
    this.kind = bytes[at] as number;
    this.flags = bytes[at + 1] as number;
    this.encoding = bytes[at + 2] as number;
    this.code = bytes[at + 3] as number;
    this.seq = high * 0x1_0000_0000 + readUint32(bytes, at + 8);
    this.start = at + headerBytes;
    this.end = this.start + length;
  }
}

const empty = Buffer.alloc(0);
