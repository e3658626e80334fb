import { Alarm, type AlarmOwner } from "../base/alarm.ts";
import {
  closeUnread,
  isAsyncIterable,
  isThenable,
} from "../base/async-values.ts";
import type { Clock } from "../base/clock.ts";
import { cancelledError, RpcError } from "../errors.ts";
import { type OnEvent, quiet } from "../events.ts";
import { itemsInside } from "./call-context.ts";
import { callDeadline, streamDeadline } from "./handler-deadline.ts";
import {
  errorOf,
  fullError,
  isForeign,
  secondCallError,
  slowError,
} from "./handler-errors.ts";
import { intercept, type Interceptor } from "./interceptor.ts";
import type { Invocation } from "./invocation.ts";
import type { Method } from "./method.ts";
import type { Services } from "./services.ts";

/** Where answers go: exactly one reply() or fail() per invocation that wants one. */
export interface Answerer {
  reply(invocation: Invocation, value: unknown): void;
  fail(invocation: Invocation, error: RpcError): void;
  /**
   * The reply is a stream: sends its items and its end. Resolves when that is
   * done or nobody wants it any more, and the source has ended; rejects with
   * what the source throws, behind its last item.
   *
   * @throws RpcError unimplemented, resource_exhausted  it cannot be sent
   */
  stream(invocation: Invocation, items: AsyncIterable<unknown>): Promise<void>;
  /** Handlers that answered later have left the table, or nobody waits for them any more; their answers were given before. */
  settled(): void;
}

export interface HandlersOptions {
  services: Services;
  clock: Clock;
  /** The longest that a handler may take, in ms; 0 is no limit. */
  handleTimeoutMs: number;
  maxRunning: number;
  /** Stand around each call, the first one outermost. */
  interceptors: readonly Interceptor[];
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
export class Handlers implements AlarmOwner {
  readonly #answerer: Answerer;
  readonly #options: HandlersOptions;
  readonly #running = new Map<number, Invocation>();
  readonly #deadlines: Alarm;
  readonly #onEvent: OnEvent;
  #unansweredCount = 0;

  constructor(answerer: Answerer, options: HandlersOptions) {
    this.#answerer = answerer;
    this.#options = options;
    this.#onEvent = quiet(options.onEvent);
    this.#deadlines = new Alarm(options.clock, this);
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
    let isStream: boolean;
    try {
      const method = services.find(invocation.serviceMethod);
      this.#admit(invocation, method.inFlight < method.maxRunning);
      invocation.startedAt = startedAt;
      const { handleTimeoutMs } = this.#options;
      const deadlineAt = callDeadline(
        invocation,
        method.timeoutMs,
        handleTimeoutMs,
      );
      if (deadlineAt < Infinity) invocation.deadlineAt = deadlineAt;
      if (method.adaptiveLimit?.admit() === false) throw slowError(method);
      invocation.method = method;
      result = this.#begin(method, invocation);
      isLater = isThenable(result);
      isStream = !isLater && isAsyncIterable(result);
    } catch (thrown) {
      return this.#failed(invocation, thrown);
    }
    // Of a promise this is the promise itself; of another thenable one that settles once.
    if (isLater) this.#wait(invocation, Promise.resolve(result));
    else if (isStream) {
      this.#enter(invocation);
      this.#stream(invocation, result as AsyncIterable<unknown>);
    } else return this.#succeeded(invocation, result);
    return undefined;
  }

  /** The caller gave up: the handler's signal aborts and nothing is answered. */
  cancel(seq: number): void {
    const invocation = this.#running.get(seq);
    if (invocation === undefined) return;
    this.#giveUp(invocation, cancelledError());
  }

  /**
   * The call cannot go on: it is answered with `error` now, and the handler's
   * signal aborts. False where nobody waits for such a call.
   */
  fail(seq: number, error: RpcError): boolean {
    const invocation = this.#running.get(seq);
    if (invocation === undefined || invocation.isAnswered) return false;
    this.#answerEarly(invocation, error);
    return true;
  }

  /** Whether a call runs that is still to be answered. */
  answers(seq: number): boolean {
    const invocation = this.#running.get(seq);
    return invocation?.isAnswered === false && !invocation.isOneWay;
  }

  /** Whether the handler of this call has not settled, answered or not. */
  runs(seq: number): boolean {
    return this.#running.has(seq);
  }

  /** Nobody can be answered any more. */
  abortAll(reason: RpcError): void {
    this.#deadlines.stop();
    for (const invocation of this.#running.values()) {
      this.#giveUp(invocation, reason);
    }
  }

  /** AlarmOwner: handlers whose deadline has passed. */
  ring(now: number): number {
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
    if (hasExpired) this.#answerer.settled();
    return next;
  }

  /** Nobody waits for this one any more. */
  #giveUp(invocation: Invocation, reason: RpcError): void {
    if (!invocation.isAnswered) {
      invocation.isAnswered = true;
      this.#unansweredCount--;
    }
    invocation.place?.giveUp(this.#options.clock.now());
    invocation.abort(reason);
  }

  /** This one has settled. */
  #leave({ seq, isAnswered }: Invocation): void {
    this.#running.delete(seq);
    if (!isAnswered) this.#unansweredCount--;
  }

  #admit({ seq, serviceMethod }: Invocation, hasRoom: boolean): void {
    const running = this.#running.get(seq);
    if (running !== undefined) {
      const error = secondCallError(seq);
      // One seq gets one answer, which is the error for both.
      this.#giveUp(running, error);
      throw error;
    }
    if (!hasRoom || this.isFull) {
      throw fullError(serviceMethod, hasRoom);
    }
  }

  #begin(method: Method, invocation: Invocation): unknown {
    const { interceptors } = this.#options;
    const { args } = invocation;
    if (interceptors.length === 0) return method.begin(args, invocation);
    method.countIn(args);
    const { serviceMethod, metadata } = invocation;
    return intercept(
      interceptors,
      { side: "server", serviceMethod, args, metadata, context: invocation },
      (call) => {
        invocation.metadata = call.metadata;
        return method.run(call.args, invocation);
      },
    );
  }

  /** This one answers later. */
  #enter(invocation: Invocation): void {
    this.#running.set(invocation.seq, invocation);
    this.#unansweredCount++;
    if (invocation.deadlineAt !== undefined) {
      this.#deadlines.by(invocation.deadlineAt);
    }
  }

  #wait(invocation: Invocation, result: Promise<unknown>): void {
    this.#enter(invocation);
    takePlace(invocation);
    result.then(
      (reply) => {
        let isStream: boolean;
        try {
          isStream = isAsyncIterable(reply);
        } catch (thrown) {
          this.#endedWith(invocation, thrown);
          return;
        }
        if (isStream) {
          this.#stream(invocation, reply as AsyncIterable<unknown>);
          return;
        }
        this.#leave(invocation);
        this.#succeeded(invocation, reply);
        this.#answerer.settled();
      },
      (thrown) => this.#endedWith(invocation, thrown),
    );
  }

  #endedWith(invocation: Invocation, thrown: unknown): void {
    this.#leave(invocation);
    this.#failed(invocation, thrown);
    this.#answerer.settled();
  }

  /** The reply is a stream, which ends later. */
  #stream(invocation: Invocation, items: AsyncIterable<unknown>): void {
    const deadlineAt = streamDeadline(invocation);
    invocation.deadlineAt = deadlineAt < Infinity ? deadlineAt : undefined;
    invocation.place?.leave(this.#options.clock.now());
    invocation.place = undefined;
    this.#sent(invocation, items).then(
      () => {
        this.#leave(invocation);
        const wasAnswered = invocation.isAnswered;
        invocation.isAnswered = true;
        this.#count(invocation, wasAnswered);
        this.#answerer.settled();
      },
      (thrown) => this.#endedWith(invocation, thrown),
    );
  }

  async #sent(
    invocation: Invocation,
    items: AsyncIterable<unknown>,
  ): Promise<void> {
    const { isAnswered, isOneWay } = invocation;
    if (!isAnswered && !isOneWay) {
      await this.#answerer.stream(invocation, itemsInside(invocation, items));
    } else {
      // Nobody takes it: the source is ended without being asked.
      await closeUnread(itemsInside(invocation, items));
    }
  }

  #succeeded(invocation: Invocation, reply: unknown): number {
    // An answer that was given early was a failure.
    const wasAnswered = invocation.isAnswered;
    if (!wasAnswered) {
      invocation.isAnswered = true;
      if (!invocation.isOneWay) this.#answerer.reply(invocation, reply);
    }
    return this.#count(invocation, wasAnswered, false);
  }

  #failed(invocation: Invocation, thrown: unknown): number {
    const endedAt = this.#count(invocation, true);
    const { method, isAnswered, isOneWay } = invocation;
    if (!isAnswered) {
      invocation.isAnswered = true;
      // Without a method it was refused, by an error of our own.
      const error =
        method === undefined ? RpcError.from(thrown) : errorOf(thrown);
      if (!isOneWay) this.#answerer.fail(invocation, error);
    }
    if (method !== undefined && isForeign(thrown)) {
      const { serviceMethod } = method;
      this.#onEvent({ kind: "handler-failed", serviceMethod, error: thrown });
    }
    return endedAt;
  }

  /** Returns the instant of the end. */
  #count(
    { method, startedAt, place }: Invocation,
    isError: boolean,
    hasFailed = isError,
  ): number {
    const now = this.#options.clock.now();
    method?.end(now - startedAt, isError);
    place?.end(now, hasFailed);
    return now;
  }

  /** Answers for the handlers that are out of time; they go on, but nobody waits. */
  #timeOut(invocation: Invocation, deadlineAt: number): void {
    const timeoutMs = Math.round(deadlineAt - invocation.startedAt);
    const error = new RpcError(
      "deadline_exceeded",
      // The original's words, which its clients know.
      `rpc server: request handle timeout: expect within ${timeoutMs}ms`,
    );
    this.#answerEarly(invocation, error);
    const { serviceMethod } = invocation;
    this.#onEvent({ kind: "handler-timeout", serviceMethod, timeoutMs });
  }

  /** Answers for a handler that goes on. */
  #answerEarly(invocation: Invocation, error: RpcError): void {
    this.#giveUp(invocation, error);
    if (!invocation.isOneWay) this.#answerer.fail(invocation, error);
  }
}

/** A stream lasts as long as its sender likes, which is no latency. */
function takePlace(invocation: Invocation): void {
  const { method, args, startedAt, deadlineAt } = invocation;
  const limit = method?.adaptiveLimit;
  if (limit === undefined || isAsyncIterable(args)) return;
  const givenMs = deadlineAt === undefined ? Infinity : deadlineAt - startedAt;
  invocation.place = limit.enter(startedAt, givenMs);
}
