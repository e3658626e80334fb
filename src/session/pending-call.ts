import type { Form } from "../codec/codec.ts";
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
  readonly form: Form | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly outcome: Outcome;
  /** An instant on the clock; Infinity where the call has no limit. */
  deadlineAt = Infinity;
  /** Where its first byte stands in the connection's bytes; undefined while it has none. */
  position: number | undefined;
  #onAbort: (() => void) | undefined;

  constructor(
    serviceMethod: string,
    args: unknown,
    outcome: Outcome,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    form: Form | undefined,
  ) {
    this.serviceMethod = serviceMethod;
    this.args = args;
    this.outcome = outcome;
    this.timeoutMs = timeoutMs;
    this.signal = signal;
    this.form = form;
  }

  /** Watches the caller's signal, where there is one, until the call is over. */
  watch(onAbort: () => void): void {
    this.#onAbort = onAbort;
    this.signal?.addEventListener("abort", onAbort);
  }

  /** Stops watching. */
  release(): void {
    if (this.#onAbort === undefined) return;
    this.signal?.removeEventListener("abort", this.#onAbort);
    this.#onAbort = undefined;
  }
}
