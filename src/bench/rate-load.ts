import type { Clock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import type { Histogram } from "../metrics/histogram.ts";
import type { CallFunction } from "./call-load.ts";
import { type Failure, type SliceLoad, textOf } from "./slice-load.ts";
import type { Slice } from "./slices.ts";
import type { Workload } from "./workload.ts";

export interface RateLoadOptions {
  /** One function per connection, used in turns. */
  calls: readonly CallFunction[];
  /** On all of them together. */
  callsPerSecond: number;
  workload: Workload;
  clock: Clock;
  /** Lets everything else run, and resolves soon after; setImmediate, but in tests. */
  yieldTurn?: () => Promise<void>;
}

/** Timers are late by up to so much: what is due sooner is waited for turn by turn. */
const timerSlackMs = 2;

/** Calls that are overdue start together, but not so many that answers could not come between. */
const callsPerTurn = 64;

/** A call that could not begin so long after it was due is not made any more. */
const patienceMs = 5_000;

/**
 * Makes calls at a fixed rate, whatever becomes of those before, and checks
 * every reply.
 *
 * Call n is due at n / rate; its latency counts from then, also where it could
 * not start in time. So a stall shows in every call that it held up, and not
 * just in the one that was under way: a load that waits for its answers would
 * leave those calls out ("coordinated omission", Gil Tene, "How NOT to Measure
 * Latency", 2015). One that could not begin within 5 s counts as an error, so
 * that a rate that cannot be had does not go on for ever.
 */
export class RateLoad implements SliceLoad {
  readonly #options: RateLoadOptions;
  readonly #yieldTurn: () => Promise<void>;
  #nextCall = 0;
  #inFlight = 0;
  /** At a time, in the last run. */
  mostInFlight = 0;
  done = 0;
  errors = 0;
  firstFailure: Failure | undefined;

  constructor(options: RateLoadOptions) {
    this.#options = options;
    this.#yieldTurn = options.yieldTurn ?? nextTurn;
  }

  async run(durationMs: number, latenciesUs: Histogram): Promise<Slice> {
    const { callsPerSecond, clock } = this.#options;
    const startedAt = clock.now();
    const rightBefore = this.done - this.errors;
    this.mostInFlight = 0;
    const count = Math.max(
      1,
      Math.round((durationMs / 1_000) * callsPerSecond),
    );
    const running = new Set<Promise<void>>();
    for (let call = 0; call < count; call++) {
      const dueAt = startedAt + (call / callsPerSecond) * 1_000;
      if (clock.now() < dueAt) await this.#until(dueAt);
      else if ((call + 1) % callsPerTurn === 0) await this.#yieldTurn();
      const ended = this.#call(dueAt, latenciesUs).then(() => {
        running.delete(ended);
      });
      running.add(ended);
    }
    await Promise.all(running);
    return {
      count: this.done - this.errors - rightBefore,
      // The pause behind the last call belongs to the rate, too.
      elapsedMs: Math.max(
        (count / callsPerSecond) * 1_000,
        clock.now() - startedAt,
      ),
    };
  }

  async #until(dueAt: number): Promise<void> {
    const { clock } = this.#options;
    for (;;) {
      const leftMs = dueAt - clock.now();
      if (leftMs <= 0) return;
      if (leftMs > timerSlackMs) await sleep(clock, leftMs - timerSlackMs);
      else await this.#yieldTurn();
    }
  }

  async #call(dueAt: number, latenciesUs: Histogram): Promise<void> {
    const { calls, workload, clock } = this.#options;
    const number = this.#nextCall++;
    const call = calls[number % calls.length] as CallFunction;
    this.mostInFlight = Math.max(this.mostInFlight, ++this.#inFlight);
    try {
      if (clock.now() - dueAt > patienceMs) throw notBegun();
      const reply = await call(workload.method, workload.argsOf(number));
      if (!workload.isRight(number, reply)) {
        this.#failed(number, `wrong reply: ${textOf(reply)}`);
      }
    } catch (thrown) {
      const { code, message } = RpcError.from(thrown);
      this.#failed(number, `${code}: ${message}`);
    }
    this.done++;
    this.#inFlight--;
    latenciesUs.record((clock.now() - dueAt) * 1_000);
  }

  #failed(at: number, reason: string): void {
    this.errors++;
    this.firstFailure ??= { at, reason };
  }
}

function notBegun(): RpcError {
  return new RpcError(
    "resource_exhausted",
    "not begun within 5 s: the rate is more than can be had here, write a lower one or more --processes",
  );
}

function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve));
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
