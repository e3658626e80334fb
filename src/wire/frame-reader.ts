import { RpcError } from "../errors.ts";
import { asBuffer } from "./as-buffer.ts";
import { freeChunk } from "./chunk-memory.ts";
import { headerBytes, kinds, maxContentBytes } from "./frame.ts";
import { readUint32 } from "./little-endian.ts";

/**
 * Cuts a stream of bytes, in whatever pieces it comes, into binary frames.
 *
 * After `next()` returned true the fields describe the current frame; its
 * content is `bytes` from `start` to `end`, a view that lives until the next
 * call of push() or next(). false means "need more". A frame that lies whole
 * in a chunk is not copied; one that is torn is put together once, so the cost
 * is linear whatever the size of the pieces. A torn piece of a body is not put
 * together: each part of it comes as a piece, with `restBytes` to follow, so
 * that its bytes are copied once, into their body. Layout: PROTOCOL.md, "Frames".
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
  /** Bytes of the current frame that come as further ones with the same header; 0 of all but pieces. */
  restBytes = 0;

  #chunk: Buffer = empty;
  #at = 0;
  /** The header of a frame that is torn inside of it. */
  #head: Buffer = empty;
  #headLength = 0;
  /** The content of a torn frame whose header has been read; undefined where there is none. */
  #content: Buffer | undefined;
  #contentLength = 0;

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
    if (this.restBytes > 0) return this.#nextPart();
    if (this.#content !== undefined) return this.#nextTorn(this.#content);
    if (this.#headLength > 0) return this.#nextTornHead();
    const left = this.#chunk.length - this.#at;
    if (left >= headerBytes) {
      this.#readHeader(this.#chunk, this.#at, this.#at + headerBytes);
      return this.#nextContent();
    }
    if (left > 0) {
      this.#head = Buffer.alloc(headerBytes);
      return this.#nextTornHead();
    }
    this.#release();
    return false;
  }

  /** Lets the chunk go, so that an idle connection keeps no memory for its last one. */
  #release(): void {
    freeChunk(this.#chunk);
    this.bytes = this.#chunk = empty;
    this.#at = 0;
  }

  #nextTornHead(): boolean {
    const wanted = headerBytes - this.#headLength;
    const part = this.#chunk.subarray(this.#at, this.#at + wanted);
    this.#head.set(part, this.#headLength);
    this.#at += part.length;
    this.#headLength += part.length;
    if (part.length < wanted) {
      this.#release();
      return false;
    }
    this.#headLength = 0;
    this.#readHeader(this.#head, 0, this.#at);
    this.#head = empty;
    return this.#nextContent();
  }

  #nextContent(): boolean {
    if (this.end <= this.#chunk.length) {
      this.bytes = this.#chunk;
      this.#at = this.end;
      return true;
    }
    this.#at = this.start;
    if (this.kind !== kinds.piece) return this.#nextTorn(empty);
    this.restBytes = this.end - this.start;
    return this.#nextPart();
  }

  /** Moves to what the chunk has of a torn piece. */
  #nextPart(): boolean {
    const start = this.#at;
    const end = Math.min(start + this.restBytes, this.#chunk.length);
    if (start === end) {
      this.#release();
      return false;
    }
    this.bytes = this.#chunk;
    this.start = start;
    this.end = this.#at = end;
    this.restBytes -= end - start;
    return true;
  }

  /**
   * Moves bytes of the chunk into the content of a torn frame, a buffer of its
   * own. Its room doubles as they come, up to just what the frame declares.
   */
  #nextTorn(content: Buffer): boolean {
    const needed = this.end - this.start;
    const kept = this.#contentLength;
    const taken = this.#chunk.subarray(this.#at, this.#at + needed - kept);
    const length = kept + taken.length;
    let room = content;
    if (length > room.length) {
      room = Buffer.allocUnsafeSlow(Math.min(needed, length * 2));
      room.set(content.subarray(0, kept));
    }
    room.set(taken, kept);
    this.#at += taken.length;
    if (length < needed) {
      this.#content = room;
      this.#contentLength = length;
      this.#release();
      return false;
    }
    this.#content = undefined;
    this.#contentLength = 0;
    this.bytes = room;
    this.start = 0;
    this.end = needed;
    return true;
  }

  /** @param start where the content begins, or will, in the chunk */
  #readHeader(bytes: Buffer, at: number, start: number): void {
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
    this.start = start;
    this.end = start + length;
  }
}

const empty = Buffer.alloc(0);
