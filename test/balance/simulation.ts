import type { CallOutcome, Picker } from "../../src/balance/picker.ts";
import type { Endpoint } from "../../src/discovery/discovery.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { call } from "./endpoints.ts";

/** How a server treats one call. */
export interface Treatment {
  afterMs: number;
  /** Default: answered. */
  outcome?: CallOutcome;
}

/** Calls by a picker's choice to servers that are no more than a time and an outcome. */
export class Simulation {
  readonly clock = new ManualClock();
  readonly #picker: Picker;
  readonly #list: readonly Endpoint[];
  readonly #treat: (address: string) => Treatment;
  /** The address of each call, in the order in which they began. */
  readonly picked: string[] = [];

  constructor(
    picker: Picker,
    list: readonly Endpoint[],
    treat: (address: string) => Treatment,
  ) {
    this.#picker = picker;
    this.#list = list;
    this.#treat = treat;
  }

  /** Begins calls at even distances, whether or not the ones before are over. */
  async atRate(callsPerSecond: number, forMs: number): Promise<void> {
    const count = (callsPerSecond * forMs) / 1_000;
    for (let index = 0; index < count; index++) {
      this.clock.after((index * 1_000) / callsPerSecond, () => this.#call());
    }
    await this.clock.advance(forMs);
  }

  /** So many callers, each of which begins a call when its last one is over. */
  async withCallers(callers: number, forMs: number): Promise<void> {
    const until = this.clock.now() + forMs;
    const again = () => {
      if (this.clock.now() < until) this.#call(again);
    };
    for (let caller = 0; caller < callers; caller++) again();
    await this.clock.advance(forMs);
  }

  #call(over: () => void = () => {}): void {
    const endpoint = this.#picker.pick(this.#list, call);
    this.picked.push(endpoint.address);
    const startedAt = this.clock.now();
    this.#picker.started?.(endpoint, startedAt);
    const { afterMs, outcome = "answered" } = this.#treat(endpoint.address);
    this.clock.after(afterMs, () => {
      const now = this.clock.now();
      this.#picker.ended?.(endpoint, outcome, now - startedAt, now);
      over();
    });
  }
}
