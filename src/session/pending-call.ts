import type { RpcError } from "../errors.ts";

/** Where one call's outcome goes: exactly one of both, once. */
export interface Outcome {
  succeeded(reply: unknown): void;
  failed(error: RpcError): void;
}

/** A call that waits for its answer, from its caller's side. */
export class PendingCall {
  /** Given when the call starts. */
  seq = 0;
  readonly serviceMethod: string;
  readonly args: unknown;
  readonly body: string | undefined;
  readonly timeoutMs: number;
  readonly outcome: Outcome;
  /** An instant on the clock; Infinity where the call has no limit. */
  deadlineAt = Infinity;
  /** Where its first byte stands in the connection's bytes; undefined while it has none. */
  position: number | undefined;
  readonly #signal: AbortSignal | undefined;
  #onAbort: (() => void) | undefined;

  constructor(
    serviceMethod: string,
    args: unknown,
    outcome: Outcome,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    body: string | undefined,
  ) {
    this.serviceMethod = serviceMethod;
    this.args = args;
    this.outcome = outcome;
    this.timeoutMs = timeoutMs;
    this.#signal = signal;
    this.body = body;
  }

  /** Watches the caller's signal until the call is over. */
  watch(onAbort: (signal: AbortSignal) => void): void {
    const signal = this.#signal;
    if (signal === undefined) return;
    this.#onAbort = () => onAbort(signal);
    signal.addEventListener("abort", this.#onAbort);
  }

  /** Stops watching. */
  release(): void {
    if (this.#onAbort === undefined) return;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#onAbort = undefined;
  }
}
