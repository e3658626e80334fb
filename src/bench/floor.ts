import type { Pipe, PipeHandler } from "../transport/pipe.ts";
import { asBuffer } from "../wire/as-buffer.ts";

/*
 * The floor: the least code that makes a framed call on Bun, with nothing of
 * what geerpc adds: no names, deadlines, cancelling, limits or errors. What
 * those cost is measured against it.
 *
 * A frame is u32 the body's length, u32 seq, both little-endian, then the body
 * as JSON.
 */

const headBytes = 8;
/** So many waiting bytes go out at once, for the other end to work on while this one goes on. */
const flushBytes = 4 * 1024;

/** One end of a floor's connection: frames in, frames out. */
export abstract class Floor implements PipeHandler {
  readonly #pipe: Pipe;
  #out = Buffer.allocUnsafe(64 * 1024);
  #start = 0;
  #end = 0;
  #isBlocked = false;
  #isFlushing = false;
  #rest: Uint8Array | undefined;

  constructor(pipe: Pipe) {
    this.#pipe = pipe;
    pipe.attach(this);
  }

  protected abstract onFrame(seq: number, body: unknown): void;
  abstract close(): void;

  /** Writes a frame in place, behind those that wait for the end of this tick. */
  protected send(seq: number, body: unknown): void {
    const text = JSON.stringify(body);
    this.#reserve(headBytes + text.length * 3);
    const bodyAt = this.#end + headBytes;
    const length = this.#out.write(text, bodyAt);
    this.#out.writeUInt32LE(length, this.#end);
    this.#out.writeUInt32LE(seq, this.#end + 4);
    this.#end = bodyAt + length;
    if (this.#end - this.#start >= flushBytes) this.#flush();
    else if (!this.#isFlushing) {
      this.#isFlushing = true;
      queueMicrotask(this.#endOfTick);
    }
  }

  readonly #endOfTick = (): void => {
    this.#isFlushing = false;
    this.#flush();
  };

  #flush(): void {
    if (this.#isBlocked || this.#start === this.#end) return;
    const waiting = this.#out.subarray(this.#start, this.#end);
    this.#start += this.#pipe.write(waiting);
    if (this.#start < this.#end) this.#isBlocked = true;
    else this.#start = this.#end = 0;
  }

  /** Makes room for so many bytes, in a new buffer with what waits in front. */
  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#out.length) return;
    const waiting = this.#out.subarray(this.#start, this.#end);
    const capacity = 2 * (waiting.length + bytes);
    this.#out = Buffer.allocUnsafe(Math.max(this.#out.length, capacity));
    this.#out.set(waiting);
    this.#start = 0;
    this.#end = waiting.length;
  }

  data(chunk: Uint8Array): void {
    const rest = this.#rest;
    const bytes =
      rest === undefined ? asBuffer(chunk) : Buffer.concat([rest, chunk]);
    let at = 0;
    while (at + headBytes <= bytes.length) {
      const bodyAt = at + headBytes;
      const end = bodyAt + bytes.readUInt32LE(at);
      if (end > bytes.length) break;
      const text = bytes.toString("utf8", bodyAt, end);
      this.onFrame(bytes.readUInt32LE(at + 4), JSON.parse(text));
      at = end;
    }
    this.#rest = at < bytes.length ? bytes.subarray(at) : undefined;
  }

  drain(): void {
    this.#isBlocked = false;
    this.#flush();
  }

  end(): void {
    this.#pipe.shutdown();
  }
}
