import type { RpcError } from "../errors.ts";
import type { PipeHandler } from "./pipe.ts";

/** Keeps what comes while nobody listens, for the handler that is attached next. */
export class EarlyEvents implements PipeHandler {
  readonly #events: ((handler: PipeHandler) => void)[] = [];

  /** Tells `handler` what came, once. */
  replay(handler: PipeHandler): void {
    for (const event of this.#events.splice(0)) event(handler);
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
