const bucketMs = 1_000;
const bucketCount = 10;

/**
 * How many calls of the last 10 s have failed, in seconds: the one that is
 * running and the nine before it. O(1) a call, in a fixed 80 bytes. `now` is
 * an instant in ms, from 0 and never going back.
 */
export class FailureWindow {
  readonly #callsIn = new Uint32Array(bucketCount);
  readonly #failuresIn = new Uint32Array(bucketCount);
  #second = 0;
  #calls = 0;
  #failures = 0;

  /** In the window that ended with the last call. */
  get calls(): number {
    return this.#calls;
  }

  /** Of these calls. */
  get failures(): number {
    return this.#failures;
  }

  add(isFailure: boolean, now: number): void {
    const second = Math.floor(now / bucketMs);
    if (second > this.#second) this.#moveTo(second);
    const bucket = second % bucketCount;
    this.#callsIn[bucket] = (this.#callsIn[bucket] as number) + 1;
    this.#calls++;
    if (!isFailure) return;
    this.#failuresIn[bucket] = (this.#failuresIn[bucket] as number) + 1;
    this.#failures++;
  }

  clear(): void {
    this.#callsIn.fill(0);
    this.#failuresIn.fill(0);
    this.#calls = 0;
    this.#failures = 0;
  }

  /** Empties the buckets that are to be used anew. */
  #moveTo(second: number): void {
    const first = Math.max(this.#second + 1, second - bucketCount + 1);
    for (let old = first; old <= second; old++) {
      const bucket = old % bucketCount;
      this.#calls -= this.#callsIn[bucket] as number;
      this.#failures -= this.#failuresIn[bucket] as number;
      this.#callsIn[bucket] = 0;
      this.#failuresIn[bucket] = 0;
    }
    this.#second = second;
  }
}
