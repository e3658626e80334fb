import { Queue } from "../base/queue.ts";
import type { RequestHead } from "../codec/codec.ts";
import { RpcError } from "../errors.ts";
import type { Peer } from "../service/context.ts";
import { Handlers, type HandlersOptions } from "../service/handlers.ts";
import { Invocation } from "../service/invocation.ts";
import type { Sender } from "./sender.ts";

export interface CalleeOptions extends Omit<HandlersOptions, "answerer"> {
  /** Who calls, for handlers. */
  peerAddress: string;
  /** Whether requests wait while too much is queued: never at the dialling end, or both ends would wait. */
  yieldsToCongestion: boolean;
  /** Where they do not wait: told when the peer asks on and on, and does not read the answers. */
  onFlooded(): void;
  /** Asks for more bytes, or for none. */
  setPaused(isPaused: boolean): void;
  /** Told when handlers have ended and their answers are queued. */
  onSettled(): void;
}

/**
 * The serving half of a session: requests that were read wait here until
 * there is room for their answers, then their handlers run.
 */
export class Callee {
  readonly #sender: Sender;
  readonly #options: CalleeOptions;
  readonly #handlers: Handlers;
  readonly #peer: Peer;
  /** Requests that were read and whose handlers have not started. */
  readonly #ready = new Queue<Invocation>();
  /** Those of them that their callers have taken back. */
  readonly #cancelled = new Set<number>();
  /** When the requests were read that came since the last advance(). */
  #readAt: number | undefined;
  #isPaused = false;
  #isAdvancing = false;
  #isRefusing = false;
  #hasEnded = false;

  constructor(sender: Sender, options: CalleeOptions) {
    this.#sender = sender;
    this.#options = options;
    this.#handlers = new Handlers({ ...options, answerer: this });
    this.#peer = Object.freeze({ address: options.peerAddress });
  }

  /** Requests that have no answer yet, and for which somebody waits. */
  get activeCount(): number {
    // While advancing, one may be between both.
    const advancingCount = this.#isAdvancing ? 1 : 0;
    return this.#handlers.unansweredCount + this.#ready.length + advancingCount;
  }

  request(head: RequestHead, args: unknown): void {
    if (this.#isRefusing) {
      this.badRequest(head, drainError());
      return;
    }
    const invocation = new Invocation(
      head.seq,
      head.serviceMethod,
      args,
      head.timeoutMs,
      head.oneWay,
      this.#peer,
    );
    this.#readAt ??= this.#options.clock.now();
    invocation.arrivedAt = this.#readAt;
    this.#ready.push(invocation);
  }

  badRequest(
    { seq, serviceMethod, oneWay }: RequestHead,
    error: RpcError,
  ): void {
    if (oneWay || this.#hasEnded) return;
    this.#sender.error(seq, serviceMethod, error);
    this.#checkFlood();
  }

  cancel(seq: number): void {
    if (this.#ready.length > 0) this.#cancelled.add(seq);
    this.#handlers.cancel(seq);
  }

  /** From now on requests are answered as not started. */
  refuseRequests(): void {
    this.#isRefusing = true;
  }

  /** Starts the handlers of what was read, as far as there is room; has more read when there is. */
  advance(): void {
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    let now: number | undefined;
    while (!this.#hasEnded && !this.#mustWait) {
      const invocation = this.#ready.shift();
      if (invocation === undefined) break;
      if (!this.#cancelled.delete(invocation.seq)) {
        // The end of one is the beginning of the next: half as many looks at the clock.
        now = this.#handlers.start(invocation, now);
      }
    }
    this.#isAdvancing = false;
    this.#readAt = undefined;
    if (this.#ready.length === 0) this.#cancelled.clear();
    this.#pauseIf(this.#mustWait);
  }

  /** There may be room again. */
  resume(): void {
    if (!this.#isPaused || this.#isAdvancing) return;
    this.advance();
    this.#options.onSettled();
  }

  /** The connection has ended for `reason`: nobody can be answered. */
  end(reason: RpcError): void {
    this.#hasEnded = true;
    this.#ready.clear();
    this.#handlers.abortAll(reason);
  }

  reply({ seq, serviceMethod }: Invocation, value: unknown): void {
    if (this.#hasEnded) return;
    this.#sender.response(seq, serviceMethod, value);
    this.#checkFlood();
  }

  fail({ seq, serviceMethod }: Invocation, error: RpcError): void {
    if (this.#hasEnded) return;
    this.#sender.error(seq, serviceMethod, error);
    this.#checkFlood();
  }

  settled(): void {
    if (this.#isPaused) this.resume();
    else this.#options.onSettled();
  }

  #checkFlood(): void {
    const { yieldsToCongestion, onFlooded } = this.#options;
    if (!yieldsToCongestion && this.#sender.isFlooded) onFlooded();
  }

  /** A codec with cancels is read on past the limit of handlers: cancels, and answers, must get through. */
  get #mustWait(): boolean {
    if (!this.#options.yieldsToCongestion) return false;
    return (
      this.#sender.isCongested ||
      (this.#handlers.isFull && !this.#sender.canCancel)
    );
  }

  #pauseIf(mustPause: boolean): void {
    if (mustPause === this.#isPaused || this.#hasEnded) return;
    this.#isPaused = mustPause;
    this.#options.setPaused(mustPause);
  }
}

/** What a request gets that comes while the server drains, and what a drained connection ends with. */
export function drainError(): RpcError {
  return new RpcError("unavailable", "the server is shutting down", {
    sent: false,
  });
}
