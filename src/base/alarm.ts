import type { Clock, Timer } from "./clock.ts";

/** Who sets an alarm. */
export interface AlarmOwner {
  /** Does what is due at `now`. Returns the next instant, in ms on the clock; Infinity for none. */
  ring(now: number): number;
}

/**
 * One timer for many instants: the cheap way to hold deadlines that are nearly
 * always met.
 *
 * `by(at)` promises a ring at `at` or soon after. Setting an instant costs one
 * comparison unless it is the earliest so far, and forgetting one costs
 * nothing: at the ring the owner looks through what it has, does what is due,
 * and returns the next instant (Infinity for none). So the cost of a ring is
 * the owner's walk, and there is one ring per earliest deadline, not per item.
 * The timer does not keep the process alive.
 */
export class Alarm {
  readonly #clock: Clock;
  readonly #owner: AlarmOwner;
  #at = Infinity;
  #timer: Timer | undefined;

  constructor(clock: Clock, owner: AlarmOwner) {
    this.#clock = clock;
    this.#owner = owner;
  }

  /** Rings at the instant `at`, in ms on the clock, or before it. */
  by(at: number): void {
    if (at >= this.#at) return;
    this.#timer?.cancel();
    this.#at = at;
    const delayMs = Math.max(0, at - this.#clock.now());
    this.#timer = this.#clock.after(delayMs, () => this.#fire()).unref();
  }

  /** Forgets every instant. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#at = Infinity;
  }

  #fire(): void {
    this.#timer = undefined;
    this.#at = Infinity;
    this.by(this.#owner.ring(this.#clock.now()));
  }
}
