import type { Clock } from "../../src/base/clock.ts";
import { RpcError } from "../../src/errors.ts";
import type { Pipe, PipeHandler } from "../../src/transport/pipe.ts";

export interface LinkOptions {
  bytesPerSecond: number;
  /** There and back; a byte alone on the link takes half of it. */
  roundTripMs: number;
  /** What each end's kernel takes before write() takes no more. */
  bufferBytes?: number;
}

/** What goes over the link at a time: like a packet, though larger, since each costs a timer. */
const segmentBytes = 4 * 1024;

/**
 * The two ends of a network: bytes leave at a rate, one segment after the
 * other, and arrive half a round trip later, all on the clock that is given.
 */
export function link(clock: Clock, options: LinkOptions): [Pipe, Pipe] {
  const near = new LinkEnd("link@far", clock, options);
  const far = new LinkEnd("link@near", clock, options);
  near.join(far);
  far.join(near);
  return [near, far];
}

class LinkEnd implements Pipe {
  readonly peer: string;
  readonly #clock: Clock;
  readonly #bytesPerMs: number;
  readonly #halfTripMs: number;
  readonly #bufferBytes: number;
  #other!: LinkEnd;
  #handler: PipeHandler | undefined;
  /** What this end's kernel has taken and not sent. */
  #unsent: Uint8Array[] = [];
  #unsentBytes = 0;
  #isSending = false;
  #isShort = false;
  /** What has arrived here and was not read. */
  #arrived: Uint8Array[] = [];
  #isPaused = false;
  #hasShutDown = false;
  #isEndSent = false;
  #hasPeerEnded = false;
  #isEndTold = false;
  #isClosed = false;

  constructor(
    peer: string,
    clock: Clock,
    { bytesPerSecond, roundTripMs, bufferBytes = 64 * 1024 }: LinkOptions,
  ) {
    this.peer = peer;
    this.#clock = clock;
    this.#bytesPerMs = bytesPerSecond / 1_000;
    this.#halfTripMs = roundTripMs / 2;
    this.#bufferBytes = bufferBytes;
  }

  join(other: LinkEnd): void {
    this.#other = other;
  }

  attach(handler: PipeHandler): void {
    this.#handler = handler;
    this.#deliver();
  }

  write(bytes: Uint8Array): number {
    if (this.#hasShutDown || this.#isClosed) return 0;
    const room = this.#bufferBytes - this.#unsentBytes;
    const taken = Math.min(bytes.length, room);
    this.#isShort = taken < bytes.length;
    for (let at = 0; at < taken; at += segmentBytes) {
      const end = Math.min(taken, at + segmentBytes);
      this.#unsent.push(new Uint8Array(bytes.subarray(at, end)));
    }
    this.#unsentBytes += taken;
    this.#send();
    return taken;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#deliver();
  }

  shutdown(): void {
    this.#hasShutDown = true;
    this.#send();
    this.resume();
  }

  abort(): void {
    this.#close(undefined);
    const reset = new RpcError("unavailable", "the connection was reset");
    this.#clock.after(this.#halfTripMs, () => this.#other.#close(reset));
  }

  /** One segment is on its way at a time; the end follows the last one. */
  #send(): void {
    if (this.#isSending || this.#isClosed) return;
    const segment = this.#unsent.shift();
    if (segment === undefined) {
      this.#sendEnd();
      return;
    }
    this.#isSending = true;
    this.#clock.after(segment.length / this.#bytesPerMs, () => {
      this.#isSending = false;
      this.#unsentBytes -= segment.length;
      this.#clock.after(this.#halfTripMs, () => this.#other.#arrive(segment));
      this.#send();
      if (!this.#isShort || this.#isClosed) return;
      this.#isShort = false;
      this.#handler?.drain();
    });
  }

  #sendEnd(): void {
    if (!this.#hasShutDown || this.#isEndSent) return;
    this.#isEndSent = true;
    this.#clock.after(this.#halfTripMs, () => this.#other.#peerEnded());
  }

  #arrive(segment: Uint8Array): void {
    if (this.#isClosed) return;
    this.#arrived.push(segment);
    this.#deliver();
  }

  #peerEnded(): void {
    this.#hasPeerEnded = true;
    this.#deliver();
  }

  #deliver(): void {
    const handler = this.#handler;
    if (handler === undefined) return;
    while (!this.#isPaused && !this.#isClosed) {
      const segment = this.#arrived.shift();
      if (segment === undefined) break;
      handler.data(segment);
    }
    if (this.#isPaused || this.#isClosed || !this.#hasPeerEnded) return;
    if (!this.#isEndTold) {
      this.#isEndTold = true;
      handler.end();
    }
    if (this.#hasShutDown) this.#close(undefined);
  }

  #close(error: RpcError | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#handler?.close(error);
  }
}
