import type { Clock } from "../base/clock.ts";
import { Queue } from "../base/queue.ts";
import type { RequestHead } from "../codec/codec.ts";
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
  /** Calls that wait for room in the outbox. */
  readonly #waiting = new Queue<PendingCall>();
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

  /** Starts a call; its outcome is told exactly once, at its deadline at the latest. */
  start(call: PendingCall): void {
    call.seq = ++this.#seq;
    if (call.timeoutMs > 0) {
      call.deadlineAt = this.#clock.now() + call.timeoutMs;
    }
    this.#calls.add(call);
    call.watch((signal) => this.#giveUp(call, RpcError.fromAbort(signal)));
    const mustWait = this.#waiting.length > 0 || this.#sender.isCongested;
    if (mustWait) this.#waiting.push(call);
    else this.#send(call);
  }

  /**
   * Sends a request that wants no answer; waits for nothing.
   *
   * @throws RpcError unimplemented      the codec has no one-way calls
   * @throws RpcError invalid_argument   the argument cannot be encoded
   * @throws RpcError resource_exhausted too much is queued already
   */
  notify(serviceMethod: string, args: unknown, body?: string): void {
    if (this.#sender.isCongested) {
      throw new RpcError(
        "resource_exhausted",
        "too many bytes wait to be sent: the peer reads too slowly",
        { sent: false },
      );
    }
    const head = this.#headOf(++this.#seq, serviceMethod, 0, true);
    this.#sender.request(head, args, body);
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
    while (!this.#sender.isCongested) {
      const call = this.#waiting.shift();
      if (call === undefined) break;
      if (this.#calls.has(call.seq)) this.#send(call);
    }
    this.#isSendingWaiting = false;
  }

  /** The connection has ended for `reason`: so do all calls. */
  end(reason: RpcError): void {
    this.#waiting.clear();
    this.#calls.failAll(({ position = Infinity }) => {
      // A peer that refused the connection has run nothing of it.
      const wasSent = reason.sent !== false && this.#sender.hasTaken(position);
      return lostError(reason, wasSent);
    });
  }

  #send(call: PendingCall): void {
    const { seq, serviceMethod, args, body, deadlineAt } = call;
    const leftMs =
      deadlineAt === Infinity ? 0 : wireMs(deadlineAt - this.#clock.now());
    const head = this.#headOf(seq, serviceMethod, leftMs, false);
    try {
      call.position = this.#sender.request(head, args, body);
    } catch (thrown) {
      this.#calls.fail(seq, RpcError.from(thrown, "internal"));
    }
  }

  #headOf(
    seq: number,
    serviceMethod: string,
    timeoutMs: number,
    oneWay: boolean,
  ): RequestHead {
    const sentAtMs = Math.trunc(this.#clock.now() - this.#openedAt) >>> 0;
    return { seq, serviceMethod, timeoutMs, sentAtMs, oneWay };
  }

  #giveUp(call: PendingCall, error: RpcError): void {
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

/** What is left of a deadline as a request carries it: whole ms from 1, in 32 bits. */
function wireMs(leftMs: number): number {
  return Math.min(0xffff_ffff, Math.max(1, Math.ceil(leftMs)));
}
