import { jitter, type Random } from "./random.ts";

export interface BackoffOptions {
  /** The first delay. */
  firstMs: number;
  /** What each further delay is multiplied by. */
  factor: number;
  /** The longest delay, before jitter. */
  maxMs: number;
  /** Each delay moves by up to ± this fraction. */
  jitterFraction: number;
}

/** Delays that grow with each failure in a row and start again after a success. */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: Random;
  #baseMs: number;

  constructor(options: BackoffOptions, random: Random = Math.random) {
    this.#options = options;
    this.#random = random;
    this.#baseMs = options.firstMs;
  }

  /** How long to wait before the next attempt, in ms. */
  nextMs(): number {
    const { factor, maxMs, jitterFraction } = this.#options;
    const baseMs = Math.min(this.#baseMs, maxMs);
    this.#baseMs = baseMs * factor;
    return jitter(baseMs, jitterFraction, this.#random);
  }

  /** The next delay is the first one again. */
  reset(): void {
    this.#baseMs = this.#options.firstMs;
  }
}

/** How connections and registrations come back (design: "reconnect"). */
export const reconnectBackoff: BackoffOptions = {
  firstMs: 250,
  factor: 1.6,
  maxMs: 30_000,
  jitterFraction: 0.2,
};
