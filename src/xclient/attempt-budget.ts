const bucketMs = 1_000;
const bucketCount = 10;
/** Sums of fractions are off by less than this. */
const tolerance = 1e-6;

/** How many attempts there may be beside the calls themselves. */
export interface BudgetTerms {
  /** For each call so many. */
  readonly fraction: number;
  /** And for each second so many, however few calls there are. */
  readonly perSecond: number;
}

/**
 * Bounds the attempts that calls make beside their first ones, over the last
 * 10 s: so that servers that fail are not asked ever more for that reason.
 *
 * What calls have put in and attempts taken out is forgotten after 10 s, in
 * whole seconds from the first call on. What comes by the second begins with
 * one second's worth and grows with the time that is remembered, which comes
 * to 9 to 10 s: so over any time no more is taken than the terms say.
 * O(1) a call, in a fixed 80 bytes. `now` is an instant in ms; a late one
 * counts for the last.
 * Source: Finagle, RetryBudget.scala.
 */
export class AttemptBudget {
  readonly #terms: BudgetTerms;
  /** What each second has put in, less what it has taken out. */
  readonly #balances = new Float64Array(bucketCount);
  #balance = 0;
  #second = 0;
  #beganAt: number | undefined;

  constructor(terms: BudgetTerms) {
    this.#terms = terms;
  }

  /** A call begins, which puts in `fraction` of an attempt. */
  called(now: number, fraction = this.#terms.fraction): void {
    this.#add(fraction, now);
  }

  /** Takes one attempt out; false, and nothing taken, where there is none left. */
  take(now: number): boolean {
    this.#add(0, now);
    const forgotten = Math.max(0, this.#second - bucketCount + 1);
    const seconds = Math.max(1, this.#ageMs(now) / bucketMs - forgotten);
    const left = this.#balance + this.#terms.perSecond * seconds;
    if (left < 1 - tolerance) return false;
    this.#add(-1, now);
    return true;
  }

  #ageMs(now: number): number {
    this.#beganAt ??= now;
    return now - this.#beganAt;
  }

  #add(amount: number, now: number): void {
    const second = Math.floor(this.#ageMs(now) / bucketMs);
    if (second > this.#second) this.#moveTo(second);
    const bucket = this.#second % bucketCount;
    this.#balances[bucket] = (this.#balances[bucket] as number) + amount;
    this.#balance += amount;
  }

  /** Empties the buckets that are to be used anew. */
  #moveTo(second: number): void {
    const first = Math.max(this.#second + 1, second - bucketCount + 1);
    for (let old = first; old <= second; old++) {
      this.#balances[old % bucketCount] = 0;
    }
    this.#second = second;
    this.#balance = this.#balances.reduce((sum, each) => sum + each, 0);
  }
}
