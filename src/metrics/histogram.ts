/** Each doubling of the value is cut into this many buckets: figures are exact to 1/16. */
const bucketsPerDoubling = 16;
/** Enough for 2^31 and the last bucket above it. */
const doublings = 29;
/** As microseconds 36 minutes. */
const largest = 2 ** 31;

/** The largest value of a bucket, and how many there are. */
export type Bucket = readonly [upTo: number, count: number];

/**
 * How values are distributed, in a fixed 4 KB: record() costs a few ns and
 * keeps nothing per value.
 *
 * Values are numbers from 0; a fraction counts as the next whole number, and
 * what is above 2^31 as 2^31. A quantile is the largest whole number of its
 * bucket, at most 1/16 above the value and never above `max`, which is exact.
 */
export class Histogram {
  readonly #counts = new Float64Array(bucketsPerDoubling * doublings);
  #count = 0;
  #max = 0;

  get count(): number {
    return this.#count;
  }

  get max(): number {
    return this.#max;
  }

  record(value: number): void {
    this.#count++;
    if (value > this.#max) this.#max = value;
    const at = bucketOf(value);
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  /** Takes over all that another one has recorded. */
  add(other: Histogram): void {
    for (let at = 0; at < this.#counts.length; at++) {
      this.#counts[at] = (this.#counts[at] ?? 0) + (other.#counts[at] ?? 0);
    }
    this.#count += other.#count;
    this.#max = Math.max(this.#max, other.#max);
  }

  /** How many values there are in each bucket that has any: the largest that it can hold, at most `max`, and their number. */
  buckets(): Bucket[] {
    const buckets: Bucket[] = [];
    for (const [at, count] of this.#counts.entries()) {
      if (count > 0) buckets.push([Math.min(lastOf(at), this.#max), count]);
    }
    return buckets;
  }

  /** The inverse of buckets(). */
  static of(buckets: readonly Bucket[]): Histogram {
    const histogram = new Histogram();
    for (const [value, count] of buckets) {
      histogram.record(value);
      histogram.#count += count - 1;
      const at = bucketOf(value);
      histogram.#counts[at] = (histogram.#counts[at] ?? 0) + count - 1;
    }
    return histogram;
  }

  /** The value that `fraction` (0 to 1) of the recorded ones do not exceed; 0 when there are none. */
  quantile(fraction: number): number {
    const wanted = Math.max(1, Math.ceil(this.#count * fraction));
    let seen = 0;
    for (let at = 0; at < this.#counts.length; at++) {
      seen += this.#counts[at] ?? 0;
      if (seen >= wanted) return Math.min(lastOf(at), this.#max);
    }
    return 0;
  }
}

/** Values below 16 have a bucket each; above, the four bits behind the highest one choose. */
function bucketOf(value: number): number {
  const whole = Math.ceil(Math.min(value, largest)) >>> 0;
  if (whole < bucketsPerDoubling) return whole;
  const highest = 31 - Math.clz32(whole);
  return (highest - 3) * bucketsPerDoubling + ((whole >>> (highest - 4)) & 15);
}

/** The largest whole number that falls into a bucket. */
function lastOf(bucket: number): number {
  if (bucket < bucketsPerDoubling) return bucket;
  const width = 2 ** (Math.floor(bucket / bucketsPerDoubling) - 1);
  const first = (bucketsPerDoubling + (bucket % bucketsPerDoubling)) * width;
  return first + width - 1;
}
