import { defaultLimits } from "../wire/limits.ts";
import type { Pipe, PipeHandler } from "../transport/pipe.ts";
import { WholeCount, FrameWriter } from "./limit-frames.ts";
import type { FrameSizes } from "./frame-sizes.ts";

/** What goes round on a limit's connection. */
export interface LimitFrames extends FrameSizes {
  /** 1 for calls; for a stream many, of which one request is the beginning. */
  responsesPerRequest: number;
}

/** What a limit's connection begins with: both sizes and the responses for each request, u32 little-endian each. */
export const greetingBytes = 12;

/** The most bytes of responses that one request can ask for. */
export const mostAskedBytes = 2 * defaultLimits.maxMessageBytes;

export function encodeGreeting(frames: LimitFrames): Uint8Array {
  const bytes = new Uint8Array(greetingBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, frames.request, true);
  view.setUint32(4, frames.response, true);
  view.setUint32(8, frames.responsesPerRequest, true);
  return bytes;
}

/** Serves a connection of the raw-socket limit: the requests of a chunk are answered in one write. */
export class LimitServer implements PipeHandler {
  readonly #pipe: Pipe;
  readonly #onClose: () => void;
  #greeting: Uint8Array = new Uint8Array(0);
  #requests: WholeCount | undefined;
  #responsesPerRequest = 1;
  #responses: FrameWriter | undefined;

  constructor(pipe: Pipe, onClose: () => void = () => {}) {
    this.#pipe = pipe;
    this.#onClose = onClose;
    pipe.attach(this);
  }

  data(chunk: Uint8Array): void {
    const bytes = this.#requests === undefined ? this.#greet(chunk) : chunk;
    const requests = this.#requests?.push(bytes.length) ?? 0;
    if (requests > 0) {
      this.#responses?.write(requests * this.#responsesPerRequest);
    }
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
      const responsesPerRequest = view.getUint32(8, true);
      if (isModest(request) && isModest(response * responsesPerRequest)) {
        this.#requests = new WholeCount(request);
        this.#responsesPerRequest = responsesPerRequest;
        this.#responses = new FrameWriter(this.#pipe, response);
      } else this.#pipe.abort();
    }
    return chunk.subarray(missing);
  }
}

/** Whoever finds the port cannot have more sent for a request than a message has, and its frames. */
function isModest(bytes: number): boolean {
  return bytes > 0 && bytes <= mostAskedBytes;
}
