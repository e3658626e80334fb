import type { RequestHead } from "../codec/codec.ts";
import { cancelledError, RpcError } from "../errors.ts";
import type { Peer } from "../service/context.ts";
import { secondCallError } from "../service/handler-errors.ts";
import { Handlers, type HandlersOptions } from "../service/handlers.ts";
import { Invocation } from "../service/invocation.ts";
import type { Flow } from "./flow.ts";
import { HeldArguments } from "./held-arguments.ts";
import type { Sender } from "./sender.ts";
import { ServedStreams } from "./served-streams.ts";
import { Transit } from "./transit.ts";
import { WaitingRequests } from "./waiting-requests.ts";

export interface CalleeOptions extends HandlersOptions {
  /** Who calls, for handlers. */
  peer: Peer;
  maxStreams: number;
  /** Whether requests wait while too much is queued: never at the dialling end, or both ends would wait. */
  yieldsToCongestion: boolean;
}

/** Whose serving half it is. */
export interface CalleeOwner {
  /** Where requests do not wait: the peer asks on and on, and does not read the answers. */
  flooded(): void;
  /** Asks for more bytes, or for none. */
  setPaused(isPaused: boolean): void;
  /** Handlers have ended and their answers are queued. */
  settled(): void;
}

/**
 * The serving half of a session: requests that were read wait here until
 * there is room for their answers, then their handlers run.
 */
export class Callee {
  readonly #sender: Sender;
  readonly #owner: CalleeOwner;
  readonly #options: CalleeOptions;
  readonly #handlers: Handlers;
  readonly #peer: Peer;
  readonly #waiting = new WaitingRequests();
  /** Made for the first one. */
  #held: HeldArguments | undefined;
  readonly #flow: Flow;
  readonly #streams: ServedStreams;
  readonly #transit = new Transit();
  /** The last request that was taken. */
  #lastSeq = 0;
  #takenCount = 0;
  /** The last one that came, taken or not. */
  #seenSeq = 0;
  /** When the requests were read that came since the last advance(). */
  #readAt: number | undefined;
  #isPaused = false;
  #isAdvancing = false;
  #isRefusing = false;
  #hasEnded = false;

  constructor(
    sender: Sender,
    flow: Flow,
    owner: CalleeOwner,
    options: CalleeOptions,
  ) {
    this.#sender = sender;
    this.#owner = owner;
    this.#flow = flow;
    this.#streams = new ServedStreams(sender, flow, options.maxStreams);
    this.#options = options;
    this.#handlers = new Handlers(this, options);
    this.#peer = options.peer;
  }

  /** Requests so far. */
  get takenCount(): number {
    return this.#takenCount;
  }

  /** Items of an argument behind it belong to no request. */
  get seenSeq(): number {
    return this.#seenSeq;
  }

  /** Bytes of the large arguments of requests that wait for their turn. */
  get waitingArgumentBytes(): number {
    return this.#waiting.largeBytes;
  }

  /** The same, and of handlers that run. */
  get heldArgumentBytes(): number {
    return this.#waiting.largeBytes + (this.#held?.bytes ?? 0);
  }

  /** Requests that have no answer yet, and for which somebody waits. */
  get activeCount(): number {
    // While advancing, one may be between both.
    const advancingCount = this.#isAdvancing ? 1 : 0;
    return (
      this.#handlers.unansweredCount + this.#waiting.length + advancingCount
    );
  }

  request(head: RequestHead, args: unknown): void {
    if (this.#isRefusing) {
      this.badRequest(head, drainError());
      return;
    }
    const { seq } = head;
    if (seq > this.#seenSeq) this.#seenSeq = seq;
    if (head.isStream) {
      if (this.#streams.has(seq)) {
        const error = secondCallError(seq);
        // Of one that is over, and whose source is not, there is nothing left to fail.
        if (!this.#fail(seq, error)) this.badRequest(head, error);
        return;
      }
      try {
        args = this.#streams.receive(seq);
      } catch (thrown) {
        this.badRequest(head, RpcError.from(thrown));
        return;
      }
    }
    const invocation = new Invocation(
      seq,
      head.serviceMethod,
      args,
      head.timeoutMs,
      head.oneWay,
      this.#peer,
    );
    if (head.isStream)
      invocation.onAbort = (reason) => this.#streams.end(seq, reason);
    if (head.metadata !== undefined) invocation.metadata = head.metadata;
    invocation.isUntilReply = head.untilReply === true;
    this.#readAt ??= this.#options.clock.now();
    invocation.arrivedAt =
      this.#readAt - this.#transit.waitedMs(head.sentAtMs, this.#readAt);
    this.#takenCount++;
    // Those whose body comes in pieces arrive later than they were begun.
    if (seq > this.#lastSeq) this.#lastSeq = seq;
    this.#waiting.push(invocation, head.argumentBytes);
  }

  badRequest(
    { seq, serviceMethod, oneWay }: RequestHead,
    error: RpcError,
  ): void {
    if (seq > this.#seenSeq) this.#seenSeq = seq;
    if (oneWay || this.#hasEnded) return;
    this.#sender.error(seq, serviceMethod, error);
    this.#checkFlood();
  }

  cancel(seq: number): void {
    // Of a call that never came it would be kept for a later one.
    if (seq <= this.#seenSeq) this.#waiting.drop(seq);
    this.#handlers.cancel(seq);
    this.#held?.release(seq);
    this.#streams.forgetCredit(seq);
    this.#streams.end(seq, cancelledError());
  }

  /** Whether items of this call's argument are still waited for. */
  awaits(seq: number): boolean {
    return this.#streams.awaits(seq);
  }

  /** An item of an argument came. @throws RpcError as ServedStreams.item */
  item(seq: number, item: unknown, bytes: number): void {
    if (!this.#streams.item(seq, item, bytes)) this.#break(seq, "an item");
  }

  /** An item of an argument cannot be read: its call fails. @throws RpcError as item */
  badItem(seq: number, error: RpcError, bytes: number): void {
    this.#flow.drop(bytes);
    this.#fail(seq, error);
  }

  halfClose(seq: number): void {
    if (!this.#streams.halfClose(seq)) this.#break(seq, "an end");
  }

  grant(seq: number, bytes: number): void {
    if (this.#streams.grant(seq, bytes)) return;
    const isAwaited =
      this.#handlers.answers(seq) || this.#waiting.get(seq)?.isOneWay === false;
    if (isAwaited) this.#streams.keepCredit(seq, bytes);
  }

  /** From now on requests are answered as not started. Returns the seq of the last one that was taken. */
  refuseRequests(): number {
    this.#isRefusing = true;
    return this.#lastSeq;
  }

  /** Starts the handlers of what was read, as far as there is room; has more read when there is. */
  advance(): void {
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    let now: number | undefined;
    while (!this.#hasEnded && !this.#mustWait) {
      const invocation = this.#waiting.shift();
      if (invocation === undefined) break;
      const largeBytes = this.#waiting.takeLargeBytes(invocation);
      // Of no interest any more to its caller.
      if (this.#waiting.takeOver(invocation)) continue;
      if (largeBytes > 0) {
        this.#held ??= new HeldArguments(this.#handlers);
        this.#held.hold(invocation.seq, largeBytes);
      }
      // The end of one is the beginning of the next: half as many looks at the clock.
      now = this.#handlers.start(invocation, now);
      if (invocation.isOneWay) this.#held?.release(invocation.seq);
    }
    this.#isAdvancing = false;
    this.#readAt = undefined;
    this.#waiting.tidy();
    this.#pauseIf(this.#mustWait);
  }

  /** There may be room again. */
  resume(): void {
    if (!this.#isPaused || this.#isAdvancing) return;
    this.advance();
    this.#owner.settled();
  }

  /** The connection has ended for `reason`: nobody can be answered. */
  end(reason: RpcError): void {
    this.#hasEnded = true;
    this.#waiting.clear();
    this.#held?.clear();
    this.#handlers.abortAll(reason);
  }

  reply(invocation: Invocation, value: unknown): void {
    const { seq, serviceMethod } = invocation;
    if (this.#hasEnded) return;
    const metadata = invocation.takeResponseMetadata();
    this.#sender.response(seq, serviceMethod, value, metadata);
    this.#answered(invocation);
  }

  fail(invocation: Invocation, error: RpcError): void {
    const { seq, serviceMethod } = invocation;
    if (this.#hasEnded) return;
    const metadata = invocation.takeResponseMetadata();
    this.#sender.error(seq, serviceMethod, error, metadata);
    this.#answered(invocation);
  }

  async stream(
    invocation: Invocation,
    items: AsyncIterable<unknown>,
  ): Promise<void> {
    const { seq } = invocation;
    invocation.onAbort = (reason) => this.#streams.end(seq, reason);
    await this.#streams.send(invocation, items);
    this.#answered(invocation);
  }

  settled(): void {
    this.#held?.sweep();
    if (this.#isPaused) this.resume();
    else this.#owner.settled();
  }

  /** The caller breaks the protocol for one call: where that runs, it fails. */
  #break(seq: number, what: string): void {
    const error = new RpcError(
      "internal",
      `${what} came that does not belong to the call's argument`,
    );
    this.#fail(seq, error);
  }

  /** Answers a call with an error, and stops what runs for it. False where nobody waits for such a call. */
  #fail(seq: number, error: RpcError): boolean {
    if (this.#handlers.fail(seq, error)) return true;
    const waiting = this.#waiting.get(seq);
    if (waiting === undefined) return false;
    this.#waiting.drop(seq);
    this.#streams.forgetCredit(seq);
    this.#streams.end(seq, error);
    if (waiting.isOneWay) return true;
    this.#sender.error(seq, waiting.serviceMethod, error);
    this.#checkFlood();
    return true;
  }

  /** Nothing more is said of this call: what is left of its argument is not wanted. */
  #answered({ seq, onAbort }: Invocation): void {
    this.#held?.release(seq);
    this.#streams.forgetCredit(seq);
    // Nearly always there are none, and a look at a field tells.
    if (onAbort !== undefined) this.#streams.end(seq, answeredError());
    this.#checkFlood();
  }

  #checkFlood(): void {
    const { yieldsToCongestion } = this.#options;
    if (!yieldsToCongestion && this.#sender.isFlooded) this.#owner.flooded();
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
    this.#owner.setPaused(mustPause);
  }
}

/** What a request gets that comes while the server drains, and what a drained connection ends with. */
export function drainError(): RpcError {
  return new RpcError("unavailable", "the server is shutting down", {
    sent: false,
  });
}

/** What a handler gets that reads its argument on after its answer. */
function answeredError(): RpcError {
  return new RpcError("cancelled", "the call has been answered");
}
