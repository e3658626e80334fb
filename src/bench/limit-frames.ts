import type { Pipe } from "../transport/pipe.ts";

/** Counts frames of one size in a stream that is cut anywhere. */
export class FrameCount {
  readonly #frameBytes: number;
  #partBytes = 0;

  constructor(frameBytes: number) {
    this.#frameBytes = frameBytes;
  }

  /** Takes `bytes` more; returns how many frames became whole. */
  push(bytes: number): number {
    const length = this.#partBytes + bytes;
    this.#partBytes = length % this.#frameBytes;
    return (length - this.#partBytes) / this.#frameBytes;
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
