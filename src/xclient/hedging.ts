import type { Clock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import { AttemptBudget } from "./attempt-budget.ts";
import { CallError } from "./call-error.ts";
import { FirstReply } from "./first-reply.ts";
import { MethodLatency } from "./method-latency.ts";

/** Of ten calls one may be made twice. */
const hedgeBudget = { fraction: 0.1, perSecond: 0 };

export interface HedgeOptions {
  /** How long the first server has, in ms. Default: the p95 of the method's last calls. */
  afterMs?: number;
  /** Of how many calls a second attempt may be made, as a part of them: 0 to 1. Default 0.1. */
  maxFraction?: number;
}

/** A call that may be made twice. */
export interface HedgedCall {
  readonly serviceMethod: string;
  readonly options: HedgeOptions;
  /** Makes the call; given up when `signal` aborts. */
  first(signal: AbortSignal): Promise<unknown>;
  /** Whether there may be a second attempt now: the method is idempotent, and somebody else has it. */
  mayHedge(): boolean;
  /** Makes one attempt at another server; given up when `signal` aborts. */
  second(signal: AbortSignal): Promise<unknown>;
}

/**
 * Makes slow calls a second time, at another server: after the p95 of the
 * method's last calls, where the method is idempotent, and for at most 10 % of
 * the calls of the last 10 s, where they do not say otherwise.
 *
 * The first reply is the call's, and the other attempt is cancelled. A failure
 * is the call's only once both have failed, and then that of the first, with
 * the attempts of both. No timer while too few calls of the method were made to tell its p95.
 * Source: Dean and Barroso, "The Tail at Scale", CACM 56(2), 2013.
 */
export class Hedging {
  readonly #clock: Clock;
  readonly #budget = new AttemptBudget(hedgeBudget);
  readonly #latency = new MethodLatency();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @throws RpcError what the first attempt fails with */
  async run(call: HedgedCall): Promise<unknown> {
    const { serviceMethod, options } = call;
    this.#budget.called(this.#clock.now(), options.maxFraction);
    const delayMs = options.afterMs ?? this.#latency.p95Ms(serviceMethod);
    const attempts = new FirstReply();
    attempts.start((signal) => this.#timed(call.first(signal), call, signal));
    const timer =
      delayMs === undefined
        ? undefined
        : this.#clock.after(delayMs, () => {
            if (!call.mayHedge()) return;
            if (!this.#budget.take(this.#clock.now())) return;
            attempts.start((signal) =>
              this.#timed(call.second(signal), call, signal),
            );
          });
    try {
      return await attempts.reply;
    } catch (thrown) {
      throw withAttempts(thrown, attempts.failures);
    } finally {
      timer?.cancel();
    }
  }

  /** Of an attempt that another one has overtaken it counts how long it had taken by then. */
  async #timed(
    attempt: Promise<unknown>,
    { serviceMethod }: HedgedCall,
    signal: AbortSignal,
  ): Promise<unknown> {
    const startedAt = this.#clock.now();
    const record = () =>
      this.#latency.record(serviceMethod, this.#clock.now() - startedAt);
    try {
      const reply = await attempt;
      record();
      return reply;
    } catch (thrown) {
      if (signal.aborted) record();
      throw thrown;
    }
  }
}

/** `first` as the end of both attempts; as it is where the second one, if there was one, has asked nobody. */
function withAttempts(first: unknown, failures: readonly unknown[]): unknown {
  const [, second] = failures;
  if (!(second instanceof CallError)) return first;
  const error = RpcError.from(first);
  const own = error instanceof CallError ? error.attempts : [];
  const mayHaveRun = error.sent !== false || second.sent !== false;
  return CallError.of(error, mayHaveRun, [...own, ...second.attempts]);
}

/** @throws RpcError invalid_argument  a delay that is no number from 0, a part that is none */
export function hedgeOptions(
  hedge: boolean | HedgeOptions | undefined,
): HedgeOptions | undefined {
  if (hedge === undefined || hedge === false) return undefined;
  if (hedge === true) return {};
  const { afterMs = 0, maxFraction = 0 } = hedge;
  if (!(afterMs >= 0)) {
    throw new RpcError(
      "invalid_argument",
      `hedge.afterMs is ${afterMs}: write a number of milliseconds from 0, or leave it out`,
    );
  }
  if (maxFraction >= 0 && maxFraction <= 1) return hedge;
  throw new RpcError(
    "invalid_argument",
    `hedge.maxFraction is ${maxFraction}: write a number from 0 to 1, or leave it out`,
  );
}
