import type { Pipe } from "../transport/pipe.ts";

/** Counts wholes of one size in what comes in parts: frames in bytes, requests in responses. */
export class WholeCount {
  readonly #size: number;
  #part = 0;

  constructor(size: number) {
    this.#size = size;
  }

  /** Takes so much more; returns how many became whole. */
  push(amount: number): number {
    const sum = this.#part + amount;
    this.#part = sum % this.#size;
    return (sum - this.#part) / this.#size;
  }
}

/** Sends frames of one size, any number in one write; what the kernel refuses goes at the next drain. */
export class FrameWriter {
  readonly #pipe: Pipe;
  readonly #frameBytes: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #owedBytes = 0;

  constructor(pipe: Pipe, frameBytes: number) {
    this.#pipe = pipe;
    this.#frameBytes = frameBytes;
  }

  write(frames: number): void {
    const isBlocked = this.#owedBytes > 0;
    this.#owedBytes += frames * this.#frameBytes;
    if (!isBlocked) this.drain();
  }

  /** The pipe's drain event. */
  drain(): void {
    if (this.#owedBytes === 0) return;
    if (this.#bytes.length < this.#owedBytes) {
      this.#bytes = new Uint8Array(this.#owedBytes * 2);
    }
    this.#owedBytes -= this.#pipe.write(
      this.#bytes.subarray(0, this.#owedBytes),
    );
  }
}
