import type { Form } from "../codec/codec.ts";
import type { RpcError } from "../errors.ts";
import type { Metadata } from "../wire/metadata.ts";
import type { IncomingStream } from "./incoming-stream.ts";
import type { ItemPump } from "./item-pump.ts";

/** Where one call's outcome goes: exactly one of both, once. */
export interface Outcome {
  /** With the reply, or with the ItemStream of its items. */
  succeeded(reply: unknown): void;
  failed(error: RpcError): void;
}

/** A call that waits for its answer, or for the rest of it, from its caller's side. */
export class PendingCall {
  /** Given when the call starts. */
  seq = 0;
  readonly serviceMethod: string;
  readonly args: unknown;
  readonly form: Form | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly outcome: Outcome;
  /** Whether timeoutMs is over once a stream has begun. */
  isUntilReply = false;
  /** What goes with the request. */
  metadata: Metadata | undefined;
  onMetadata: ((metadata: Metadata) => void) | undefined;
  /** An instant on the clock; Infinity where the call has no limit. */
  deadlineAt = Infinity;
  /** Where its first byte stands in the connection's bytes; undefined while it has none. */
  position: number | undefined;
  /** Sends the argument's items, where it is a stream. */
  argument: ItemPump | undefined;
  /** The reply's items, once it has turned out to be a stream. */
  reply: IncomingStream | undefined;
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

  /** The reply is a stream. */
  begin(reply: IncomingStream): void {
    this.reply = reply;
    if (this.isUntilReply) this.deadlineAt = Infinity;
    this.outcome.succeeded(reply.items);
  }

  /** The call is over: its lone reply has come. */
  succeed(reply: unknown): void {
    this.#release();
    this.outcome.succeeded(reply);
  }

  /** The call is over: its reply's last item has come. */
  end(): void {
    this.#release();
    this.reply?.items.end();
  }

  /** The call is over. The reader of its reply still gets the items that have come. */
  fail(error: RpcError): void {
    this.#release();
    if (this.reply === undefined) this.outcome.failed(error);
    else this.reply.items.fail(error);
  }

  /** The call is over, since this side wants no more of it. */
  giveUp(error: RpcError): void {
    this.#release();
    if (this.reply === undefined) this.outcome.failed(error);
    else this.reply.items.abort(error);
  }

  /** Stops watching, sending and granting. */
  #release(): void {
    this.reply?.close();
    // Nobody is left to be told what the source throws at that.
    this.argument?.stop().catch(() => {});
    if (this.#onAbort === undefined) return;
    this.signal?.removeEventListener("abort", this.#onAbort);
    this.#onAbort = undefined;
  }
}
