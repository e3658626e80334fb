/**
 * What was seen of a method's calls since an instant: how long they took, how
 * many handlers ended and how many ran. Times are in ms; sums only, so a
 * window costs the same however many calls it has.
 */
export class LatencyWindow {
  #startedAt: number;
  #samples = 0;
  #sumMs = 0;
  #squares = 0;
  #timed = 0;
  #givenSumMs = 0;
  #begun = 0;
  #runningSum = 0;
  #endings = 0;
  #expired = 0;
  /** Calls that had no place. */
  refusals = 0;

  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  get samples(): number {
    return this.#samples;
  }

  get meanMs(): number {
    return this.#sumMs / this.#samples;
  }

  /** Samples of calls that ran out of time. */
  get expired(): number {
    return this.#expired;
  }

  /** What callers gave on average, of those that said; Infinity where none did. */
  get meanGivenMs(): number {
    return this.#timed === 0 ? Infinity : this.#givenSumMs / this.#timed;
  }

  get varianceMs2(): number {
    const { meanMs } = this;
    return Math.max(0, this.#squares / this.#samples - meanMs * meanMs);
  }

  /** Handlers that a call found running, itself included, on average. */
  get meanRunning(): number {
    return this.#runningSum / this.#begun;
  }

  elapsedMs(now: number): number {
    return now - this.#startedAt;
  }

  /** Handlers that ended, per ms in which any ran. */
  endingsPerMs(now: number): number {
    return this.#endings / this.elapsedMs(now);
  }

  begin(running: number): void {
    this.#begun++;
    this.#runningSum += running;
  }

  end(): void {
    this.#endings++;
  }

  /** @param givenMs how long its caller waits; Infinity is for ever */
  add(latencyMs: number, givenMs: number): void {
    this.#samples++;
    if (givenMs < Infinity) {
      this.#timed++;
      this.#givenSumMs += givenMs;
    }
    this.#sumMs += latencyMs;
    this.#squares += latencyMs * latencyMs;
  }

  /** A call ran out of time. */
  addExpired(elapsedMs: number, givenMs: number): void {
    this.add(elapsedMs, givenMs);
    this.#expired++;
  }

  /** Nothing ran for so long: that says nothing of how much gets done. */
  skip(idleMs: number): void {
    this.#startedAt += idleMs;
  }
}
