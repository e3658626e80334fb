import { defaultLimits } from "../wire/limits.ts";
import type { Pipe, PipeHandler } from "../transport/pipe.ts";
import { FrameCount, FrameWriter } from "./limit-frames.ts";
import type { FrameSizes } from "./frame-sizes.ts";

/** What a limit's connection begins with: the sizes of both frames, u32 little-endian each. */
export const greetingBytes = 8;

export function encodeGreeting({ request, response }: FrameSizes): Uint8Array {
  const bytes = new Uint8Array(greetingBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, request, true);
  view.setUint32(4, response, true);
  return bytes;
}

/** Serves a connection of the raw-socket limit: each chunk is answered with as many frames in one write. */
export class LimitServer implements PipeHandler {
  readonly #pipe: Pipe;
  readonly #onClose: () => void;
  #greeting: Uint8Array = new Uint8Array(0);
  #requests: FrameCount | undefined;
  #responses: FrameWriter | undefined;

  constructor(pipe: Pipe, onClose: () => void = () => {}) {
    this.#pipe = pipe;
    this.#onClose = onClose;
    pipe.attach(this);
  }

  data(chunk: Uint8Array): void {
    const bytes = this.#requests === undefined ? this.#greet(chunk) : chunk;
    const frames = this.#requests?.push(bytes.length) ?? 0;
    if (frames > 0) this.#responses?.write(frames);
  }

  drain(): void {
    this.#responses?.drain();
  }

  end(): void {
    this.#pipe.shutdown();
  }

  close(): void {
    this.#onClose();
  }

  /** Collects the greeting; returns what stands behind it. */
  #greet(chunk: Uint8Array): Uint8Array {
    const missing = greetingBytes - this.#greeting.length;
    this.#greeting = Buffer.concat([
      this.#greeting,
      chunk.subarray(0, missing),
    ]);
    if (this.#greeting.length === greetingBytes) {
      const { buffer, byteOffset } = this.#greeting;
      const view = new DataView(buffer, byteOffset);
      const request = view.getUint32(0, true);
      const response = view.getUint32(4, true);
      if (isFrameSize(request) && isFrameSize(response)) {
        this.#requests = new FrameCount(request);
        this.#responses = new FrameWriter(this.#pipe, response);
      } else this.#pipe.abort();
    }
    return chunk.subarray(missing);
  }
}

/** Whoever finds the port cannot have more sent than a message has, and its frames. */
function isFrameSize(bytes: number): boolean {
  return bytes > 0 && bytes <= 2 * defaultLimits.maxMessageBytes;
}
