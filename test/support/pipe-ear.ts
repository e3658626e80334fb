import type { RpcError } from "../../src/errors.ts";
import type { Pipe, PipeHandler } from "../../src/transport/pipe.ts";
import { Watchers } from "./watchers.ts";

/** Writes down what a pipe tells, and lets a test wait for it. */
export class PipeEar implements PipeHandler {
  readonly chunks: Uint8Array[] = [];
  readonly closes: (RpcError | undefined)[] = [];
  drains = 0;
  ends = 0;
  /** Runs after each event, for a test that acts on it. */
  onEvent: () => void = () => {};
  readonly #watchers = new Watchers();

  /** All bytes so far. */
  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get byteCount(): number {
    return this.chunks.reduce((count, { length }) => count + length, 0);
  }

  data(chunk: Uint8Array): void {
    this.chunks.push(chunk);
    this.#told();
  }

  drain(): void {
    this.drains++;
    this.#told();
  }

  end(): void {
    this.ends++;
    this.#told();
  }

  close(error: RpcError | undefined): void {
    this.closes.push(error);
    this.#told();
  }

  /** Resolves when `holds` does: now, or after an event to come. */
  until(holds: () => boolean): Promise<void> {
    return this.#watchers.until(holds);
  }

  #told(): void {
    this.onEvent();
    this.#watchers.look();
  }
}

/** Hands all of `bytes` to `pipe`, whose events `ear` hears, waiting for room where it has to. */
export async function writeAll(
  pipe: Pipe,
  ear: PipeEar,
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { drains } = ear;
    at += pipe.write(bytes.subarray(at));
    if (at < bytes.length) await ear.until(() => ear.drains > drains);
  }
}
