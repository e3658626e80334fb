import { Alarm, type AlarmOwner } from "../base/alarm.ts";
import type { Clock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import type { PendingCall } from "./pending-call.ts";
import { SeqTable } from "./seq-table.ts";

/**
 * Calls that were started and not yet answered, by seq.
 *
 * Every call leaves exactly once: by remove (its answer or its end came, or
 * its caller gave up) or by failAll (the connection is gone). Whoever removes
 * the entry completes it. An answer whose seq is gone is dropped and counted,
 * never an error: the caller gave up first. Deadlines are instants on `clock`,
 * in ms.
 */
export class CallsInFlight implements AlarmOwner {
  readonly #calls = new SeqTable<PendingCall>();
  readonly #deadlines: Alarm;
  readonly #expired: (call: PendingCall) => void;
  /** Answers that nobody waited for any more. */
  lateReplies = 0;

  /** @param expired is told of each call whose deadline has passed, still in the table */
  constructor(clock: Clock, expired: (call: PendingCall) => void) {
    this.#deadlines = new Alarm(clock, this);
    this.#expired = expired;
  }

  get size(): number {
    return this.#calls.size;
  }

  has(seq: number): boolean {
    return this.#calls.get(seq) !== undefined;
  }

  add(call: PendingCall): void {
    this.#calls.add(call);
    if (call.deadlineAt < Infinity) this.#deadlines.by(call.deadlineAt);
  }

  /** The call of that seq; undefined, and counted, where nobody waits for it any more. */
  find(seq: number): PendingCall | undefined {
    const call = this.#calls.get(seq);
    if (call === undefined) this.lateReplies++;
    return call;
  }

  /** The same without counting: of items and credit, which may come late. */
  peek(seq: number): PendingCall | undefined {
    return this.#calls.get(seq);
  }

  /** A snapshot of them, oldest first. */
  all(): PendingCall[] {
    return this.#calls.all();
  }

  /** Takes the call out; whoever does completes it. */
  remove({ seq }: PendingCall): void {
    this.#calls.delete(seq);
  }

  /** Ends every call; `errorOf` makes the error of each. One that throws at that keeps none of the others. */
  failAll(errorOf: (call: PendingCall) => RpcError): void {
    this.#deadlines.stop();
    const calls = this.#calls.all();
    this.#calls.clear();
    for (const call of calls) {
      try {
        call.fail(errorOf(call));
      } catch (thrown) {
        call.outcome.failed(RpcError.from(thrown, "internal"));
      }
    }
  }

  /** AlarmOwner: calls whose deadline has passed. */
  ring(now: number): number {
    let next = Infinity;
    for (const call of this.#calls.all()) {
      if (call.deadlineAt <= now) this.#expired(call);
      else if (call.deadlineAt < next) next = call.deadlineAt;
    }
    return next;
  }
}

/** What a call gets whose deadline passed. */
export function deadlineError(call: PendingCall): RpcError {
  return new RpcError(
    "deadline_exceeded",
    `${call.serviceMethod} was not answered within ${Math.ceil(call.timeoutMs)} ms`,
  );
}
