import type { Clock } from "../base/clock.ts";
import type { Form, RequestHead } from "../codec/codec.ts";
import { RpcError } from "../errors.ts";
import { CallsInFlight, deadlineError } from "./calls-in-flight.ts";
import type { PendingCall } from "./pending-call.ts";
import type { Sender } from "./sender.ts";

/**
 * The calling half of a session: gives calls their seq, sends them, and ends
 * each exactly once. While too much is queued a call waits here, inside its
 * deadline, instead of being encoded.
 */
export class Caller {
  readonly #sender: Sender;
  readonly #clock: Clock;
  readonly #openedAt: number;
  readonly #calls: CallsInFlight;
  /** Calls that wait for room in the outbox, oldest first. */
  readonly #waiting = new Set<PendingCall>();
  #seq = 0;
  #isSendingWaiting = false;

  constructor(sender: Sender, clock: Clock) {
    this.#sender = sender;
    this.#clock = clock;
    this.#openedAt = clock.now();
    this.#calls = new CallsInFlight(clock, (call) =>
      this.#giveUp(call, deadlineError(call)),
    );
  }

  get inFlightCount(): number {
    return this.#calls.size;
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
    this.#calls.add(call);
    if (call.signal !== undefined) this.#watch(call, call.signal);
    const mustWait = this.#waiting.size > 0 || this.#sender.isCongested;
    if (mustWait) this.#waiting.add(call);
    else this.#send(call, now);
  }

  #watch(call: PendingCall, signal: AbortSignal): void {
    call.watch(() => this.#giveUp(call, RpcError.fromAbort(signal)));
  }

  /**
   * Sends a request that wants no answer; waits for nothing.
   *
   * @throws RpcError unimplemented      the codec has no one-way calls
   * @throws RpcError invalid_argument   the argument cannot be encoded
   * @throws RpcError resource_exhausted too much is queued already
   */
  notify(serviceMethod: string, args: unknown, form?: Form): void {
    if (this.#sender.isCongested) {
      throw new RpcError(
        "resource_exhausted",
        "too many bytes wait to be sent: the peer reads too slowly",
        { sent: false },
      );
    }
    const now = this.#clock.now();
    const head = this.#headOf(++this.#seq, serviceMethod, 0, true, now);
    this.#sender.request(head, args, form);
  }

  settle(seq: number, reply: unknown): void {
    this.#calls.settle(seq, reply);
  }

  fail(seq: number, error: RpcError): void {
    this.#calls.fail(seq, error);
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
    const { seq, serviceMethod, args, form, deadlineAt } = call;
    // 0 would be no limit.
    const leftMs = deadlineAt === Infinity ? 0 : Math.max(1, deadlineAt - now);
    const head = this.#headOf(seq, serviceMethod, leftMs, false, now);
    try {
      call.position = this.#sender.request(head, args, form);
    } catch (thrown) {
      this.#calls.fail(seq, RpcError.from(thrown, "internal"));
    }
  }

  #headOf(
    seq: number,
    serviceMethod: string,
    timeoutMs: number,
    oneWay: boolean,
    now: number,
  ): RequestHead {
    const sentAtMs = Math.trunc(now - this.#openedAt) >>> 0;
    return { seq, serviceMethod, timeoutMs, sentAtMs, oneWay };
  }

  #giveUp(call: PendingCall, error: RpcError): void {
    this.#waiting.delete(call);
    if (call.position !== undefined && this.#sender.canCancel) {
      this.#sender.cancel(call.seq);
    }
    this.#calls.fail(call.seq, error);
  }
}

/** What a call gets whose connection has ended for `reason`. */
export function lostError(reason: RpcError, wasSent: boolean): RpcError {
  return new RpcError("unavailable", reason.message, {
    sent: wasSent,
    cause: reason,
  });
}
