import type { Clock } from "../base/clock.ts";
import type { Form } from "../codec/codec.ts";
import { RpcError } from "../errors.ts";
import type { Metadata } from "../wire/metadata.ts";
import { CallsInFlight, deadlineError } from "./calls-in-flight.ts";
import type { Flow } from "./flow.ts";
import { IncomingStream } from "./incoming-stream.ts";
import type { PendingCall } from "./pending-call.ts";
import { Requests } from "./requests.ts";
import type { Sender } from "./sender.ts";

/**
 * The calling half of a session: gives calls their seq, sends them, and ends
 * each exactly once. While too much is queued a call waits here, inside its
 * deadline, instead of being encoded.
 */
export class Caller {
  readonly #sender: Sender;
  readonly #flow: Flow;
  readonly #clock: Clock;
  readonly #calls: CallsInFlight;
  readonly #requests: Requests;
  /** Calls that wait for room in the outbox, oldest first. */
  readonly #waiting = new Set<PendingCall>();
  #seq = 0;
  #isSendingWaiting = false;

  constructor(sender: Sender, flow: Flow, clock: Clock) {
    this.#sender = sender;
    this.#flow = flow;
    this.#clock = clock;
    this.#calls = new CallsInFlight(clock, (call) =>
      this.#giveUp(call, deadlineError(call)),
    );
    this.#requests = new Requests(sender, flow, clock, (call, error) =>
      this.#giveUp(call, error),
    );
  }

  get inFlightCount(): number {
    return this.#calls.size;
  }

  /** Calls so far. */
  get startedCount(): number {
    return this.#seq;
  }

  /** Answers that came after their caller had given up. */
  get lateReplies(): number {
    return this.#calls.lateReplies;
  }

  /** Whether this call's answer is still waited for. */
  awaits(seq: number): boolean {
    return this.#calls.has(seq);
  }

  /** Starts a call; its outcome is told exactly once, at its deadline at the latest. */
  start(call: PendingCall): void {
    const now = this.#clock.now();
    call.seq = ++this.#seq;
    if (call.timeoutMs > 0) call.deadlineAt = now + call.timeoutMs;
    // First, since of what cannot be watched nothing must stay in flight.
    if (call.signal !== undefined) this.#watch(call, call.signal);
    this.#calls.add(call);
    const mustWait = this.#waiting.size > 0 || this.#sender.isCongested;
    if (mustWait) this.#waiting.add(call);
    else this.#send(call, now);
  }

  #watch(call: PendingCall, signal: AbortSignal): void {
    call.watch(() => this.#giveUp(call, RpcError.fromAbort(signal)));
  }

  /** Sends a request that wants no answer; waits for nothing. @throws RpcError as Requests.notify */
  notify(
    serviceMethod: string,
    args: unknown,
    form?: Form,
    metadata?: Metadata,
  ): void {
    this.#requests.notify(++this.#seq, serviceMethod, args, form, metadata);
  }

  /** A lone reply came. */
  settle(seq: number, reply: unknown, metadata: Metadata | undefined): void {
    const call = this.#calls.find(seq);
    if (call === undefined) return;
    if (call.reply !== undefined) {
      this.#break(call, "a second reply");
      return;
    }
    this.#calls.remove(call);
    tell(call, metadata);
    call.succeed(reply);
  }

  /** The reply is a stream. */
  begin(seq: number, metadata: Metadata | undefined): void {
    const call = this.#calls.find(seq);
    if (call === undefined) return;
    if (call.reply !== undefined) {
      this.#break(call, "a second reply");
      return;
    }
    tell(call, metadata);
    const reply = new IncomingStream(seq, true, this.#sender, this.#flow, () =>
      this.#giveUp(call, abandonedError()),
    );
    call.begin(reply);
  }

  /**
   * An item of a reply came.
   *
   * @throws RpcError resource_exhausted  the peer was not allowed to send it
   */
  item(seq: number, item: unknown, bytes: number): void {
    const call = this.#calls.peek(seq);
    if (call?.reply !== undefined) {
      call.reply.receive(item, bytes);
      return;
    }
    this.#flow.drop(bytes);
    if (call !== undefined) this.#break(call, "an item of a stream");
  }

  /** A reply's last item has come. */
  halfClose(seq: number, metadata: Metadata | undefined): void {
    const call = this.#calls.peek(seq);
    if (call === undefined) return;
    if (call.reply === undefined) {
      this.#break(call, "the end of a stream");
      return;
    }
    this.#calls.remove(call);
    tell(call, metadata);
    call.end();
  }

  fail(seq: number, error: RpcError, metadata?: Metadata): void {
    const call = this.#calls.find(seq);
    if (call === undefined) return;
    this.#calls.remove(call);
    tell(call, metadata);
    call.fail(error);
  }

  /**
   * An item of a reply cannot be read: its call is taken back.
   *
   * @throws RpcError as item
   */
  badItem(seq: number, error: RpcError, bytes: number): void {
    this.#flow.drop(bytes);
    const call = this.#calls.peek(seq);
    if (call !== undefined) this.#giveUp(call, error);
  }

  /** The callee takes more items of a call's argument. */
  grant(seq: number, bytes: number): void {
    this.#calls.peek(seq)?.argument?.grant(bytes);
  }

  /** Calls behind `lastSeq` were not started, and will not be; those that wait are not sent. */
  leave(lastSeq: number, reason: RpcError): void {
    this.#waiting.clear();
    for (const call of this.#calls.all()) {
      if (call.position !== undefined && call.seq <= lastSeq) continue;
      this.#calls.remove(call);
      call.fail(lostError(reason, false));
    }
  }

  /** Sends what waited, as far as there is room. */
  sendWaiting(): void {
    if (this.#isSendingWaiting) return;
    this.#isSendingWaiting = true;
    for (const call of this.#waiting) {
      if (this.#sender.isCongested) break;
      this.#waiting.delete(call);
      this.#send(call, this.#clock.now());
    }
    this.#isSendingWaiting = false;
  }

  /**
   * The connection has ended for `reason`: so do all calls. They are taken
   * back where that still reaches the peer: it answers those that it has, else.
   *
   * @param isFlushed whether what is queued is still sent
   */
  end(reason: RpcError, isFlushed: boolean): void {
    this.#waiting.clear();
    const mustCancel = isFlushed && this.#sender.canCancel;
    this.#calls.failAll(({ seq, position }) => {
      if (mustCancel && position !== undefined) this.#sender.cancel(seq);
      // A peer that refused the connection has run nothing of it.
      const wasSent =
        reason.sent !== false &&
        position !== undefined &&
        (isFlushed || this.#sender.hasTaken(position));
      return lostError(reason, wasSent);
    });
  }

  #send(call: PendingCall, now: number): void {
    try {
      this.#requests.send(call, now);
    } catch (thrown) {
      this.#calls.remove(call);
      call.fail(RpcError.from(thrown, "internal"));
    }
  }

  /** The callee breaks the protocol for one call: that one fails. */
  #break(call: PendingCall, what: string): void {
    const error = new RpcError(
      "internal",
      `${call.serviceMethod} was answered with ${what} that does not belong there`,
    );
    this.#giveUp(call, error);
  }

  #giveUp(call: PendingCall, error: RpcError): void {
    if (!this.#calls.has(call.seq)) return;
    this.#waiting.delete(call);
    if (call.position !== undefined && this.#sender.canCancel) {
      this.#sender.cancel(call.seq);
    }
    this.#calls.remove(call);
    call.giveUp(error);
  }
}

/**
 * Lets the caller see metadata: in front of the outcome, and outside of
 * whatever reads the connection. What it throws, or rejects with, costs no
 * call and not the process, but becomes a warning of the process.
 */
function tell(
  { onMetadata }: PendingCall,
  metadata: Metadata | undefined,
): void {
  if (onMetadata === undefined || metadata === undefined) return;
  queueMicrotask(async () => {
    try {
      await onMetadata(metadata);
    } catch (thrown) {
      const { message } = RpcError.from(thrown);
      process.emitWarning(
        new Error(`onMetadata threw: ${message}`, { cause: thrown }),
      );
    }
  });
}

function abandonedError(): RpcError {
  return new RpcError("cancelled", "the reader left the stream");
}

/** What a call gets whose connection has ended for `reason`. */
export function lostError(reason: RpcError, wasSent: boolean): RpcError {
  return new RpcError("unavailable", reason.message, {
    sent: wasSent,
    cause: reason,
  });
}
