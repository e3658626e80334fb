import type { LatencyWindow } from "./latency-window.ts";

/** The part of the way that one window moves it. */
const weight = 0.2;
/** What chance alone does hardly ever, in standard errors of a window's mean. */
const errorsAbove = 3;
const errorsBelow = 2;

/**
 * How long a method's calls take where none waits for another: mean and
 * variance, in ms, learned window by window.
 *
 * The variance keeps calls of two kinds (one in twenty misses a cache, and
 * takes a hundred times as long) from looking like an overload whenever some
 * of the slow ones fall together: what is compared are means, with as much
 * between them as chance explains.
 */
export class LatencyBaseline {
  #meanMs: number;
  #varianceMs2: number;

  constructor(first: LatencyWindow) {
    this.#meanMs = first.meanMs;
    this.#varianceMs2 = 0;
    this.reset(first);
  }

  get meanMs(): number {
    return this.#meanMs;
  }

  /** The mean of so many calls that is `tolerance` times as long, and more than chance explains, in ms. */
  allowedMs(samples: number, tolerance: number): number {
    return tolerance * this.#meanMs + errorsAbove * this.#errorMs(samples);
  }

  /** Takes over what a window shows, whatever was known before. */
  reset({ meanMs, varianceMs2 }: LatencyWindow): void {
    this.#meanMs = meanMs;
    // A few calls that are alike do not prove that all are.
    this.#varianceMs2 = Math.max(varianceMs2, (meanMs / 2) ** 2);
  }

  /** Moves towards a window. */
  learn({ meanMs, varianceMs2 }: LatencyWindow): void {
    this.#meanMs += weight * (meanMs - this.#meanMs);
    this.#varianceMs2 += weight * (varianceMs2 - this.#varianceMs2);
  }

  /** Moves towards a window that is faster than chance explains; a queue makes none faster. */
  learnIfFaster(window: LatencyWindow): void {
    const chanceMs = errorsBelow * this.#errorMs(window.samples);
    if (window.meanMs < this.#meanMs - chanceMs) this.learn(window);
  }

  #errorMs(samples: number): number {
    return Math.sqrt(this.#varianceMs2 / samples);
  }
}
