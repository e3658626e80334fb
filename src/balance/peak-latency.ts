/** In this time what was seen loses all but 1/e of its weight: Finagle's default. */
const decayMs = 10_000;
/** What a failed call costs its caller at least: who fails fast is not fast. */
const failureMs = 1_000;
/** Below this all servers are as fast: their calls in flight decide. */
const leastMs = 0.1;

/**
 * How slow a server has to be expected to be: up at once with a slow answer,
 * down only with time.
 *
 * A slower answer is believed at once. A faster one moves the figure by the
 * part 1 - exp(-t / 10 s) of the way, t being the time since the one before,
 * and so does a failed call, towards 1 s: one failure in a thousand costs
 * little. While there is none the figure sinks towards 0 at that pace, so a
 * server that was slow is tried again, after 37 s where it was 40 times
 * slower than the others. `now` is an instant in ms that never goes back.
 * Source: Finagle, PeakEwma.scala; for uneven intervals: Eckner, "Algorithms
 * for Unevenly Spaced Time Series", 2017.
 */
export class PeakLatency {
  #ms: number | undefined;
  #seenAt = 0;

  /** In ms, at least 0.1; undefined while nothing is known. */
  at(now: number): number | undefined {
    if (this.#ms === undefined) return undefined;
    return Math.max(leastMs, this.#ms * this.#weightAt(now));
  }

  /** A call was answered after `latencyMs`. */
  answered(latencyMs: number, now: number): void {
    this.#see(latencyMs, latencyMs, now);
  }

  /** A call failed after `latencyMs`. */
  failed(latencyMs: number, now: number): void {
    this.#see(latencyMs, Math.max(latencyMs, failureMs), now);
  }

  /** A call was given up after `latencyMs`: its answer would have taken longer. */
  atLeast(latencyMs: number, now: number): void {
    if (latencyMs > (this.at(now) ?? 0)) this.#set(latencyMs, now);
  }

  #see(peakMs: number, costMs: number, now: number): void {
    const weight = this.#weightAt(now);
    const averageMs = (this.#ms ?? costMs) * weight + costMs * (1 - weight);
    this.#set(Math.max(peakMs, averageMs), now);
  }

  #set(ms: number, now: number): void {
    this.#ms = ms;
    this.#seenAt = now;
  }

  #weightAt(now: number): number {
    return Math.exp((this.#seenAt - now) / decayMs);
  }
}
