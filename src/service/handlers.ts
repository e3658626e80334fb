import { Alarm } from "../base/alarm.ts";
import type { Clock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import { type OnEvent, quiet } from "../events.ts";
import type { Invocation } from "./invocation.ts";
import type { Services } from "./services.ts";

/** Where answers go: exactly one reply() or fail() per invocation that wants one. */
export interface Answerer {
  reply(invocation: Invocation, value: unknown): void;
  fail(invocation: Invocation, error: RpcError): void;
  /** Handlers that answered later have left the table, or nobody waits for them any more; their answers were given before. */
  settled(): void;
}

export interface HandlersOptions {
  services: Services;
  answerer: Answerer;
  clock: Clock;
  /** The longest that a handler may take, in ms; 0 is no limit. */
  handleTimeoutMs: number;
  maxRunning: number;
  onEvent: OnEvent;
}

/**
 * Runs handlers, and holds those that have not finished, by seq.
 *
 * A handler that answers at once costs no promise and no entry. One that
 * answers later leaves the table when it has settled, also where its answer
 * was given long before (`deadline_exceeded`, cancelled): that is what
 * `maxRunning` bounds. A result that comes after the answer is dropped.
 */
export class Handlers {
  readonly #options: HandlersOptions;
  readonly #running = new Map<number, Invocation>();
  readonly #deadlines: Alarm;
  readonly #onEvent: OnEvent;
  #unansweredCount = 0;

  constructor(options: HandlersOptions) {
    this.#options = options;
    this.#onEvent = quiet(options.onEvent);
    this.#deadlines = new Alarm(options.clock, (now) => this.#expire(now));
  }

  /** Handlers that have not settled. */
  get runningCount(): number {
    return this.#running.size;
  }

  /** Those of them for whose answer somebody waits. */
  get unansweredCount(): number {
    return this.#unansweredCount;
  }

  get isFull(): boolean {
    return this.#running.size >= this.#options.maxRunning;
  }

  /**
   * Finds the method and runs its handler; whatever goes wrong is the answer.
   *
   * @param startedAt now, on the clock, where the caller knows it
   * @returns the instant of its end, if it was answered at once
   */
  start(
    invocation: Invocation,
    startedAt = this.#options.clock.now(),
  ): number | undefined {
    const { services } = this.#options;
    let result: unknown;
    let isLater: boolean;
    try {
      const method = services.find(invocation.serviceMethod);
      this.#admit(invocation, method.inFlight < method.maxRunning);
      invocation.startedAt = startedAt;
      this.#setDeadline(invocation, method.timeoutMs);
      invocation.method = method;
      result = method.begin(invocation.args, invocation);
      isLater = isThenable(result);
    } catch (thrown) {
      return this.#failed(invocation, thrown);
    }
    // Of a promise this is the promise itself; of another thenable one that settles once.
    if (!isLater) return this.#succeeded(invocation, result);
    this.#wait(invocation, Promise.resolve(result));
    return undefined;
  }

  /** The caller gave up: the handler's signal aborts and nothing is answered. */
  cancel(seq: number): void {
    const invocation = this.#running.get(seq);
    if (invocation === undefined) return;
    this.#giveUp(
      invocation,
      new RpcError("cancelled", "the caller cancelled the call"),
    );
  }

  /** Nobody can be answered any more. */
  abortAll(reason: RpcError): void {
    this.#deadlines.stop();
    for (const invocation of this.#running.values()) {
      this.#giveUp(invocation, reason);
    }
  }

  /** Nobody waits for this one any more. */
  #giveUp(invocation: Invocation, reason: RpcError): void {
    if (!invocation.isAnswered) {
      invocation.isAnswered = true;
      this.#unansweredCount--;
    }
    invocation.abort(reason);
  }

  /** This one has settled. */
  #leave({ seq, isAnswered }: Invocation): void {
    this.#running.delete(seq);
    if (!isAnswered) this.#unansweredCount--;
  }

  #admit({ seq, serviceMethod }: Invocation, hasRoom: boolean): void {
    if (this.#running.has(seq)) {
      throw new RpcError(
        "invalid_argument",
        `a call with seq ${seq} is running already`,
        { sent: false },
      );
    }
    if (!hasRoom || this.isFull) {
      throw new RpcError(
        "resource_exhausted",
        `too many calls${hasRoom ? "" : ` of ${serviceMethod}`} are running: try again later`,
        { sent: false },
      );
    }
  }

  #setDeadline(invocation: Invocation, methodTimeoutMs: number): void {
    const { startedAt, arrivedAt = startedAt, timeoutMs } = invocation;
    const handlingMs = Math.min(
      methodTimeoutMs || Infinity,
      this.#options.handleTimeoutMs || Infinity,
    );
    const deadlineAt = Math.min(
      arrivedAt + (timeoutMs || Infinity),
      startedAt + handlingMs,
    );
    if (deadlineAt <= startedAt) {
      throw new RpcError(
        "deadline_exceeded",
        "the call's time was over before its turn came",
        { sent: false },
      );
    }
    if (deadlineAt < Infinity) invocation.deadlineAt = deadlineAt;
  }

  #wait(invocation: Invocation, result: Promise<unknown>): void {
    this.#running.set(invocation.seq, invocation);
    this.#unansweredCount++;
    if (invocation.deadlineAt !== undefined) {
      this.#deadlines.by(invocation.deadlineAt);
    }
    result.then(
      (reply) => {
        this.#leave(invocation);
        this.#succeeded(invocation, reply);
        this.#options.answerer.settled();
      },
      (thrown) => {
        this.#leave(invocation);
        this.#failed(invocation, thrown);
        this.#options.answerer.settled();
      },
    );
  }

  #succeeded(invocation: Invocation, reply: unknown): number {
    // An answer that was given early was a failure.
    const wasAnswered = invocation.isAnswered;
    if (!wasAnswered) {
      invocation.isAnswered = true;
      if (!invocation.isOneWay) this.#options.answerer.reply(invocation, reply);
    }
    return this.#count(invocation, wasAnswered);
  }

  #failed(invocation: Invocation, thrown: unknown): number {
    const endedAt = this.#count(invocation, true);
    const { method, isAnswered, isOneWay } = invocation;
    if (!isAnswered) {
      invocation.isAnswered = true;
      // Without a method it was refused, by an error of our own.
      const error =
        method === undefined ? RpcError.from(thrown) : errorOf(thrown);
      if (!isOneWay) this.#options.answerer.fail(invocation, error);
    }
    if (method !== undefined && isForeign(thrown)) {
      const { serviceMethod } = method;
      this.#onEvent({ kind: "handler-failed", serviceMethod, error: thrown });
    }
    return endedAt;
  }

  /** Returns the instant of the end. */
  #count({ method, startedAt }: Invocation, isError: boolean): number {
    const now = this.#options.clock.now();
    method?.end(now - startedAt, isError);
    return now;
  }

  /** Answers for the handlers that are out of time; they go on, but nobody waits. */
  #expire(now: number): number {
    let next = Infinity;
    let hasExpired = false;
    for (const invocation of this.#running.values()) {
      const { deadlineAt = Infinity, isAnswered } = invocation;
      if (isAnswered) continue;
      if (deadlineAt <= now) {
        this.#timeOut(invocation, deadlineAt);
        hasExpired = true;
      } else if (deadlineAt < next) next = deadlineAt;
    }
    if (hasExpired) this.#options.answerer.settled();
    return next;
  }

  #timeOut(invocation: Invocation, deadlineAt: number): void {
    const timeoutMs = Math.round(deadlineAt - invocation.startedAt);
    const error = new RpcError(
      "deadline_exceeded",
      // The original's words, which its clients know.
      `rpc server: request handle timeout: expect within ${timeoutMs}ms`,
    );
    this.#giveUp(invocation, error);
    const { serviceMethod, isOneWay } = invocation;
    if (!isOneWay) this.#options.answerer.fail(invocation, error);
    this.#onEvent({ kind: "handler-timeout", serviceMethod, timeoutMs });
  }
}

/**
 * What the caller is told of a handler's throw: a new error, since `sent:
 * false` of a call that the handler made itself must not tell the caller
 * that this one did not run.
 */
function errorOf(thrown: unknown): RpcError {
  try {
    const { code, message, details } = RpcError.from(thrown);
    return new RpcError(code, String(message), { details });
  } catch {
    // An RpcError whose own fields cannot be read.
    return new RpcError("unknown", "what was thrown cannot be read");
  }
}

/** Whether a handler threw something that it did not mean its caller to see. */
function isForeign(thrown: unknown): boolean {
  try {
    return !(thrown instanceof RpcError);
  } catch {
    return true;
  }
}

function isThenable(value: unknown): boolean {
  return (
    ((typeof value === "object" && value !== null) ||
      typeof value === "function") &&
    typeof (value as { then?: unknown }).then === "function"
  );
}
