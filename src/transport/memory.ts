import { outside } from "../base/outside.ts";
import { RpcError } from "../errors.ts";
import type { Pipe, PipeHandler } from "./pipe.ts";

export interface MemoryPipeOptions {
  /** Bytes that may be under way in each direction before write() takes no more. */
  capacityBytes?: number;
}

/**
 * Two ends of a pipe inside one process. Bytes arrive in a microtask of their
 * own, outside of every asynchronous context, in the pieces in which they were
 * written, so the order of events is the same in every run.
 */
export function memoryPipe({
  capacityBytes = 256 * 1024,
}: MemoryPipeOptions = {}): [Pipe, Pipe] {
  const left = new MemoryPipe("memory@left", capacityBytes);
  const right = new MemoryPipe("memory@right", capacityBytes);
  left.join(right);
  right.join(left);
  return [left, right];
}

class MemoryPipe implements Pipe {
  readonly peer: string;
  readonly #capacityBytes: number;
  #other!: MemoryPipe;
  #handler: PipeHandler | undefined;
  #inbox: Uint8Array[] = [];
  #inboxBytes = 0;
  #isPaused = false;
  #isScheduled = false;
  #isShort = false;
  #hasShutDown = false;
  #hasEnded = false;
  #isClosed = false;
  readonly #deliverScheduled = (): void => {
    this.#isScheduled = false;
    this.#deliver();
  };
  /** What close() has to tell once somebody is attached. */
  #untoldClose: { error: RpcError | undefined } | undefined;

  constructor(peer: string, capacityBytes: number) {
    this.peer = peer;
    this.#capacityBytes = capacityBytes;
  }

  join(other: MemoryPipe): void {
    this.#other = other;
  }

  attach(handler: PipeHandler): void {
    this.#handler = handler;
    this.#schedule();
  }

  write(bytes: Uint8Array): number {
    if (this.#hasShutDown || this.#isClosed) return 0;
    const other = this.#other;
    const taken = Math.min(
      bytes.length,
      this.#capacityBytes - other.#inboxBytes,
    );
    if (taken > 0) {
      // Not slice(): of a Buffer that is a view.
      other.#inbox.push(new Uint8Array(bytes.subarray(0, taken)));
      other.#inboxBytes += taken;
      other.#schedule();
    }
    this.#isShort = taken < bytes.length;
    return taken;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#schedule();
  }

  shutdown(): void {
    this.#hasShutDown = true;
    this.#other.#schedule();
    // The end is only seen by reading on.
    this.resume();
  }

  abort(): void {
    this.#close(undefined);
    outside(() =>
      this.#other.#close(
        new RpcError("unavailable", "the connection was reset by the peer"),
      ),
    );
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    outside(() => queueMicrotask(this.#deliverScheduled));
  }

  #deliver(): void {
    const handler = this.#handler;
    if (handler === undefined) return;
    if (this.#isClosed) {
      this.#tellClose(handler);
      return;
    }
    if (this.#hasRoomAfterShort) {
      this.#isShort = false;
      handler.drain();
    }
    if (this.#isPaused || this.#isClosed) return;
    const chunk = this.#inbox.shift();
    if (chunk !== undefined) {
      this.#inboxBytes -= chunk.length;
      handler.data(chunk);
      this.#other.#schedule();
      this.#schedule();
    } else if (this.#other.#hasShutDown) this.#end(handler);
  }

  #end(handler: PipeHandler): void {
    if (!this.#hasEnded) {
      this.#hasEnded = true;
      handler.end();
    }
    if (this.#hasShutDown) this.#close(undefined);
  }

  get #hasRoomAfterShort(): boolean {
    return this.#isShort && this.#other.#inboxBytes < this.#capacityBytes;
  }

  #close(error: RpcError | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#inbox = [];
    this.#untoldClose = { error };
    if (this.#handler !== undefined) this.#tellClose(this.#handler);
  }

  #tellClose(handler: PipeHandler): void {
    const told = this.#untoldClose;
    if (told === undefined) return;
    this.#untoldClose = undefined;
    handler.close(told.error);
  }
}
