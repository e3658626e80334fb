import type { Clock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import type { Histogram } from "../metrics/histogram.ts";
import type { Workload } from "./workload.ts";

export type CallFunction = (
  serviceMethod: string,
  args: unknown,
) => Promise<unknown>;

export interface LoadOptions {
  /** One function per connection. */
  calls: readonly CallFunction[];
  /** Calls in flight on each of them. */
  inFlight: number;
  workload: Workload;
  clock: Clock;
}

/** What went wrong with a call, for people. */
export interface Failure {
  call: number;
  reason: string;
}

/**
 * Keeps so many calls in flight, checks every reply and times every call.
 *
 * A run goes on until its time is over, then waits for the calls in flight, so
 * nothing of one run is left in the next; totals add up over runs. A call that
 * fails is counted and the next one starts, but for `unavailable`, which ends
 * its place in the run: a lost connection does not come back.
 */
export class Load {
  readonly #options: LoadOptions;
  #nextCall = 0;
  /** Calls that ended, rightly or not. */
  calls = 0;
  /** Calls that failed, or whose reply was wrong. */
  errors = 0;
  firstFailure: Failure | undefined;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  /**
   * Calls for `durationMs`; returns how many right answers came and the time
   * until the last. Latencies are recorded in µs.
   */
  async run(
    durationMs: number,
    latenciesUs: Histogram,
  ): Promise<{ count: number; elapsedMs: number }> {
    const { calls, inFlight, clock } = this.#options;
    const startedAt = clock.now();
    const rightBefore = this.calls - this.errors;
    const places: Promise<void>[] = [];
    for (let place = 0; place < inFlight; place++) {
      for (const call of calls) {
        places.push(this.#repeat(call, startedAt + durationMs, latenciesUs));
      }
    }
    await Promise.all(places);
    return {
      count: this.calls - this.errors - rightBefore,
      elapsedMs: clock.now() - startedAt,
    };
  }

  /** One place in flight: a call after the other until `until`, at least one. */
  async #repeat(
    call: CallFunction,
    until: number,
    latenciesUs: Histogram,
  ): Promise<void> {
    const { workload, clock } = this.#options;
    let startedAt = clock.now();
    do {
      const number = this.#nextCall++;
      try {
        const reply = await call(workload.method, workload.argsOf(number));
        this.calls++;
        if (!workload.isRight(number, reply)) {
          this.#failed(number, `wrong reply: ${textOf(reply)}`);
        }
      } catch (thrown) {
        const { code, message } = RpcError.from(thrown);
        this.calls++;
        this.#failed(number, `${code}: ${message}`);
        if (code === "unavailable") return;
      }
      // The end of one call is the beginning of the next: one look at the clock.
      const endedAt = clock.now();
      latenciesUs.record((endedAt - startedAt) * 1000);
      startedAt = endedAt;
    } while (startedAt < until);
  }

  #failed(call: number, reason: string): void {
    this.errors++;
    this.firstFailure ??= { call, reason };
  }
}

function textOf(reply: unknown): string {
  return Bun.inspect(reply, { depth: 2, compact: true }).slice(0, 200);
}
