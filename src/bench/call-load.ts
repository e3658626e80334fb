import type { Clock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import type { Histogram } from "../metrics/histogram.ts";
import { type Failure, type SliceLoad, textOf } from "./slice-load.ts";
import type { Slice } from "./slices.ts";
import type { Workload } from "./workload.ts";

export type CallFunction = (
  serviceMethod: string,
  args: unknown,
) => Promise<unknown>;

export interface CallLoadOptions {
  /** One function per connection. */
  calls: readonly CallFunction[];
  /** Calls in flight on each of them. */
  inFlight: number;
  workload: Workload;
  clock: Clock;
  /** Whether the functions dial anew by themselves; false where it is not said. */
  reconnects?: boolean;
}

/**
 * Keeps so many calls in flight, checks every reply and times every call.
 *
 * A call that fails is counted and the next one starts. `unavailable` ends its
 * place in the run, where a lost connection does not come back.
 */
export class CallLoad implements SliceLoad {
  readonly #options: CallLoadOptions;
  #nextCall = 0;
  done = 0;
  errors = 0;
  firstFailure: Failure | undefined;

  constructor(options: CallLoadOptions) {
    this.#options = options;
  }

  async run(durationMs: number, latenciesUs: Histogram): Promise<Slice> {
    const { calls, inFlight, clock } = this.#options;
    const startedAt = clock.now();
    const rightBefore = this.done - this.errors;
    const places: Promise<void>[] = [];
    for (let place = 0; place < inFlight; place++) {
      for (const call of calls) {
        places.push(this.#repeat(call, startedAt + durationMs, latenciesUs));
      }
    }
    await Promise.all(places);
    return {
      count: this.done - this.errors - rightBefore,
      elapsedMs: clock.now() - startedAt,
    };
  }

  /** One place in flight: a call after the other until `until`, at least one. */
  async #repeat(
    call: CallFunction,
    until: number,
    latenciesUs: Histogram,
  ): Promise<void> {
    const { workload, clock, reconnects } = this.#options;
    let startedAt = clock.now();
    do {
      const number = this.#nextCall++;
      try {
        const reply = await call(workload.method, workload.argsOf(number));
        this.done++;
        if (!workload.isRight(number, reply)) {
          this.#failed(number, `wrong reply: ${textOf(reply)}`);
        }
      } catch (thrown) {
        const { code, message } = RpcError.from(thrown);
        this.done++;
        this.#failed(number, `${code}: ${message}`);
        if (code === "unavailable" && !reconnects) return;
      }
      // The end of one call is the beginning of the next: one look at the clock.
      const endedAt = clock.now();
      latenciesUs.record((endedAt - startedAt) * 1000);
      startedAt = endedAt;
    } while (startedAt < until);
  }

  #failed(at: number, reason: string): void {
    this.errors++;
    this.firstFailure ??= { at, reason };
  }
}
