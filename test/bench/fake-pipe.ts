import type { Pipe, PipeHandler } from "../../src/transport/pipe.ts";

/** A pipe that keeps what is written, takes at most `roomBytes` of it, and is driven by hand. */
export class FakePipe implements Pipe {
  readonly peer = "fake";
  /** How many bytes each write was. */
  readonly writes: number[] = [];
  roomBytes = Infinity;
  isAborted = false;
  handler!: PipeHandler;
  #bytes = Buffer.alloc(0);

  attach(handler: PipeHandler): void {
    this.handler = handler;
  }

  write(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, this.roomBytes);
    this.roomBytes -= taken;
    this.writes.push(taken);
    this.#bytes = Buffer.concat([this.#bytes, bytes.subarray(0, taken)]);
    return taken;
  }

  get writtenBytes(): number {
    return this.writes.reduce((sum, bytes) => sum + bytes, 0);
  }

  /** All that was written since the last time. */
  take(): Buffer {
    const bytes = this.#bytes;
    this.#bytes = Buffer.alloc(0);
    this.writes.length = 0;
    return bytes;
  }

  pause(): void {}
  resume(): void {}
  shutdown(): void {}
  abort(): void {
    this.isAborted = true;
  }
}
