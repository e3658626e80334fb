import type { RpcError } from "../errors.ts";
import type { Metadata } from "../wire/metadata.ts";
import type { Context, Peer } from "./context.ts";
import type { Method } from "./method.ts";
import type { Place } from "./place.ts";

/**
 * One call being served: the request, the handler's context and what became
 * of it. The signal, and metadata where there is none, are made when a handler
 * first looks at them.
 */
export class Invocation implements Context {
  readonly seq: number;
  readonly serviceMethod: string;
  readonly args: unknown;
  readonly peer: Peer;
  readonly isOneWay: boolean;
  /** What the caller allows, in ms from its arrival; 0 is no limit. */
  readonly timeoutMs: number;
  /** Whether the caller's timeout is over once a stream has begun. */
  isUntilReply = false;
  /** Told when nobody wants the result any more: what sends it stops. */
  onAbort: ((reason: RpcError) => void) | undefined;
  /** An instant on the clock, where it had to wait for its turn; else that is `startedAt`. */
  arrivedAt: number | undefined;
  deadlineAt: number | undefined;
  method: Method | undefined;
  /** Under its method's adaptive limit, where it counts there. */
  place: Place | undefined;
  startedAt = 0;
  /** It was answered before it had ended, or nobody waits any more: its result is dropped. */
  isAnswered = false;
  #controller: AbortController | undefined;
  #abortReason: RpcError | undefined;
  #metadata: Metadata | undefined;
  #responseMetadata: Map<string, string | Uint8Array> | undefined;

  constructor(
    seq: number,
    serviceMethod: string,
    args: unknown,
    timeoutMs: number,
    isOneWay: boolean,
    peer: Peer,
  ) {
    this.seq = seq;
    this.serviceMethod = serviceMethod;
    this.args = args;
    this.timeoutMs = timeoutMs;
    this.isOneWay = isOneWay;
    this.peer = peer;
  }

  /** One that is empty is made for this call alone: at run time a handler can write to it. */
  get metadata(): Metadata {
    this.#metadata ??= new Map();
    return this.#metadata;
  }

  set metadata(metadata: Metadata) {
    this.#metadata = metadata;
  }

  get responseMetadata(): Map<string, string | Uint8Array> {
    this.#responseMetadata ??= new Map();
    return this.#responseMetadata;
  }

  /** What was set since the last time, and is to be sent; undefined for nothing. A handler may hold the map, and goes on with it. */
  takeResponseMetadata(): Metadata | undefined {
    const metadata = this.#responseMetadata;
    if (metadata === undefined || metadata.size === 0) return undefined;
    const taken = new Map(metadata);
    metadata.clear();
    return taken;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) {
        this.#controller.abort(this.#abortReason);
      }
    }
    return this.#controller.signal;
  }

  /** Tells the handler that its result is not wanted any more. */
  abort(reason: RpcError): void {
    this.#abortReason ??= reason;
    this.#controller?.abort(reason);
    this.onAbort?.(reason);
  }
}
