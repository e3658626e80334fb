import type { RpcError } from "../errors.ts";
import type { PipeHandler } from "./pipe.ts";

/** Keeps what comes while nobody listens, for the handler that is attached next. */
export class EarlyEvents implements PipeHandler {
  readonly #events: ((handler: PipeHandler) => void)[] = [];

  /** Tells `handler` what came, once. */
  replay(handler: PipeHandler): void {
    for (const event of this.take()) event(handler);
  }

  /** What came, to be told one by one; nothing of it is kept. */
  take(): ((handler: PipeHandler) => void)[] {
    return this.#events.splice(0);
  }

  data(chunk: Uint8Array): void {
    this.#events.push((handler) => handler.data(chunk));
  }

  drain(): void {
    this.#events.push((handler) => handler.drain());
  }

  end(): void {
    this.#events.push((handler) => handler.end());
  }

  close(error: RpcError | undefined): void {
    this.#events.push((handler) => handler.close(error));
  }
}
