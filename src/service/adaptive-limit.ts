import type { AdaptiveLimitOptions } from "./adaptive-limit-option.ts";
import { LatencyBaseline } from "./latency-baseline.ts";
import { LatencyWindow } from "./latency-window.ts";
import { type Outcome, Place } from "./place.ts";

/** A window is judged when it has so many samples and has lasted so long … */
const fullSamples = 20;
const shortestMs = 100;
/** … or, of a method with few calls, these. */
const fewSamples = 5;
const longMs = 1_000;
/** By so much a limit grows at least that is in the way. */
const growth = 1.25;
/** A limit is forgotten when for so long none was refused. */
const quietMs = 1_000;
/** Calls may take at most this part of the time that callers give … */
const partOfTime = 0.6;
/** … where the baseline leaves that. */
const leastTolerance = 1.25;
/** Above this part of calls that ran out of time there is too much of a queue to measure by. */
const mostlyExpired = 0.5;

/**
 * How many handlers of one method may run at a time on one server, over all
 * of its connections: as many as it gets done in the time that its calls may
 * take.
 *
 * A server that is asked for more than it can do does not do more: what it
 * starts waits inside handlers, for a pool, a lock or another server, until
 * all of it is too late. So this compares, window by window, how long calls
 * take with how long they took without a queue (LatencyBaseline). They may
 * take `tolerance` times as long, and what chance adds, but not much more
 * than half of the time that their callers give. Where they take longer
 * the limit is what gets done per ms times that: by Little's law, what runs
 * times the gradient of latency. A window has at least 20 calls and 100 ms, or
 * 5 calls and 1 s, and only calls that have started under the limit that holds.
 *
 * | state         | calls of a window                       | next                                   |
 * | ------------- | --------------------------------------- | -------------------------------------- |
 * | open          | are fast enough                         | open                                   |
 * | open, limited | are too slow                            | limited to what is done in that time, where that is less |
 * | open, limited | mostly ran out of their callers' time   | limited to `minRunning`                |
 * | limited       | are fast enough, some were refused      | limited to what is done in that time, 1.25 times as many at least |
 * | limited       | are fast enough, none refused for 1 s   | open                                   |
 * | limited       | there are none: the last handler ended  | open                                   |
 *
 * The baseline follows windows with at most `minRunning` handlers; those of
 * busy times only where they are faster, or a queue that grows slowly would
 * teach it that slow is normal. Where a limit of `minRunning` leaves calls too
 * slow it was no queue: that is how long they take now.
 *
 * So while calls are as fast as ever none is refused, however many come at
 * once. What is refused is not started, costs a comparison, and waits in no
 * queue: another server may have room. `minRunning` calls that somebody waits
 * for always have a place, whatever still runs besides, so that a method goes
 * on and notices when it may do more.
 *
 * A handler counts from its start to its end, also when its call was answered
 * long before: it still takes what others wait for. A call that succeeded is
 * a sample of its latency. One that failed, ran out of time or was cancelled
 * is one of what it has taken so far, where that is longer than the baseline:
 * to fail fast is no sign of room. Streams do not count, in either direction.
 *
 * Each method has a limit of its own, instead of one for the server: those
 * that take 1 ms and 1 s, or whose dependency hangs, never refuse each other's
 * calls, and where some share what they wait for each of them sees it get
 * slow. A method that waits by design, such as a long poll, has to be declared
 * (`adaptiveLimit: false`): nothing tells its waiting from a queue's.
 *
 * Costs an object per call, a few sums and no timer. When the work of a
 * method changes, so that calls take over `tolerance` times as long without a
 * queue, most are refused until few have shown it, and the limit has grown
 * to what comes: 7 s for 200 calls per second that go from 50 to 500 ms.
 *
 * Sources: Netflix concurrency-limits, Gradient2Limit; Envoy, adaptive
 * concurrency filter; Little, "A Proof for the Queuing Formula L = λW",
 * Operations Research 9(3), 1961.
 */
export class AdaptiveLimit {
  readonly #tolerance: number;
  readonly #minRunning: number;
  #limit = Infinity;
  #running = 0;
  /** Those of them that somebody waits for. */
  #awaited = 0;
  #refusals = 0;
  #idleSince = 0;
  #baseline: LatencyBaseline | undefined;
  #window = new LatencyWindow(0);
  /** The end of the last window in which any were. */
  #refusedAt = -Infinity;
  #isWarm = false;
  /** Calls from before the limit was set do not tell what it does. */
  #changedAt = -Infinity;

  constructor({ tolerance, minRunning }: AdaptiveLimitOptions) {
    this.#tolerance = tolerance;
    this.#minRunning = minRunning;
  }

  /** Infinity while it is open. */
  get limit(): number {
    return this.#limit;
  }

  /** Handlers that count. */
  get running(): number {
    return this.#running;
  }

  /** Calls so far that had no place. */
  get refusals(): number {
    return this.#refusals;
  }

  /** Whether one more may start; it is counted as refused where not. */
  admit(): boolean {
    if (this.#running < this.#limit) return true;
    if (this.#awaited < this.#minRunning) return true;
    this.#refusals++;
    this.#window.refusals++;
    return false;
  }

  /**
   * A handler has started and not ended; it is told to the place what becomes
   * of it.
   *
   * @param givenMs how long its caller waits; Infinity is for ever
   */
  enter(startedAt: number, givenMs = Infinity): Place {
    if (this.#running === 0) this.#window.skip(startedAt - this.#idleSince);
    this.#running++;
    this.#awaited++;
    this.#window.begin(this.#running);
    return new Place(this, startedAt, givenMs);
  }

  /** Nobody waits for this one any more. */
  release(): void {
    this.#awaited--;
  }

  /** This one has ended, or does not count. */
  leave(now: number): void {
    this.#running--;
    if (this.#running > 0) return;
    this.#idleSince = now;
    this.#open();
  }

  /** Something got done. */
  done(): void {
    this.#window.end();
  }

  /** How long a call took, or how long one that did not succeed has taken. */
  sample(
    startedAt: number,
    now: number,
    givenMs: number,
    outcome: Outcome,
  ): void {
    const latencyMs = now - startedAt;
    if (startedAt < this.#changedAt) return;
    const baselineMs = this.#baseline?.meanMs;
    if (outcome === "expired") {
      if (latencyMs <= (baselineMs ?? 0)) return;
      this.#window.addExpired(latencyMs, givenMs);
    } else {
      if (outcome === "failed" && latencyMs <= (baselineMs ?? Infinity)) return;
      this.#window.add(latencyMs, givenMs);
    }
    if (this.#isFull(now)) this.#judge(now);
  }

  #isFull(now: number): boolean {
    const { samples } = this.#window;
    const elapsedMs = this.#window.elapsedMs(now);
    return samples >= fullSamples
      ? elapsedMs >= shortestMs
      : samples >= fewSamples && elapsedMs >= longMs;
  }

  /** A window is full: what the table says. */
  #judge(now: number): void {
    const window = this.#window;
    this.#window = new LatencyWindow(now);
    if (window.refusals > 0) this.#refusedAt = now;
    if (window.expired > window.samples * mostlyExpired) {
      this.#lowerTo(this.#minRunning, now);
      return;
    }
    this.#learn(window);
    const allowedMs = this.#allowedMs(window);
    const fitting = Math.ceil(window.endingsPerMs(now) * allowedMs);
    if (window.meanMs > allowedMs) {
      this.#lowerTo(Math.max(this.#minRunning, fitting), now);
    } else if (this.#limit < Infinity) this.#raise(fitting, now);
  }

  /** The mean latency of so many calls that is still fast enough. */
  #allowedMs({ samples, meanGivenMs }: LatencyWindow): number {
    if (this.#baseline === undefined) return Infinity;
    const inTimeMs = Math.max(
      this.#baseline.allowedMs(samples, leastTolerance),
      partOfTime * meanGivenMs,
    );
    const allowedMs = this.#baseline.allowedMs(samples, this.#tolerance);
    return Math.min(allowedMs, inTimeMs);
  }

  #learn(window: LatencyWindow): void {
    const isLeast = window.meanRunning <= this.#minRunning;
    // Of the very first calls only the fastest have ended.
    if (!this.#isWarm) this.#isWarm = true;
    else if (this.#baseline === undefined) {
      this.#baseline = new LatencyBaseline(window);
    } else if (isLeast) {
      // So few hardly wait for each other, and fewer there cannot be.
      if (this.#limit === this.#minRunning && this.#isNews(window)) {
        this.#baseline.reset(window);
      } else this.#baseline.learn(window);
    }
    // Behind a change of the limit, too, the fastest end first.
    else if (this.#limit === Infinity) this.#baseline.learnIfFaster(window);
  }

  /** Whether calls are faster than ever, or too slow. */
  #isNews(window: LatencyWindow): boolean {
    const baselineMs = this.#baseline?.meanMs ?? Infinity;
    const { meanMs } = window;
    return meanMs < baselineMs || meanMs > this.#allowedMs(window);
  }

  #raise(fitting: number, now: number): void {
    if (now - this.#refusedAt >= quietMs) this.#open();
    else {
      this.#limit = Math.max(fitting, Math.ceil(this.#limit * growth));
      this.#changedAt = now;
    }
  }

  #lowerTo(limit: number, now: number): void {
    if (limit >= this.#limit) return;
    this.#limit = limit;
    this.#changedAt = now;
  }

  #open(): void {
    this.#limit = Infinity;
  }
}
