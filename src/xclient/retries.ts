import { Backoff, type BackoffOptions } from "../base/backoff.ts";
import type { Random } from "../base/random.ts";
import type { Code, RpcError } from "../errors.ts";
import type { AttemptBudget } from "./attempt-budget.ts";
import { type Attempt, CallError } from "./call-error.ts";

/** Of one call, its first included; failed dials do not count. */
const maxAttempts = 3;

const retryBackoff: BackoffOptions = {
  firstMs: 100,
  factor: 2,
  maxMs: 1_000,
  jitterFraction: 0.2,
};

/** What may be otherwise at another server, or a little later. */
const passing: ReadonlySet<Code> = new Set([
  "unavailable",
  "resource_exhausted",
  "deadline_exceeded",
]);

/**
 * The course of a call that has failed once: its attempts, and whether there
 * may be another.
 *
 * | an attempt                            | the next one                                  | costs budget           |
 * | ------------------------------------- | --------------------------------------------- | ---------------------- |
 * | found no connection                   | elsewhere, at once                            | no                     |
 * | was not sent, or its server drains    | elsewhere, at once                            | from the second time on |
 * | was refused for want of room          | elsewhere, at once                            | yes                    |
 * | may have run, of an idempotent method | after a backoff, elsewhere where there is one | yes                    |
 * | may have run                          | none                                          |                        |
 *
 * Three attempts at most, without those that found no connection. The first
 * that may have run makes a call repeat: where it has been everywhere it
 * begins anew, after a backoff.
 */
export class Retries {
  readonly #budget: AttemptBudget;
  readonly #backoff: Backoff;
  readonly #attempts: Attempt[] = [];
  #count = 0;
  #mayHaveRun = false;
  #unsentCount = 0;
  #isRepeating = false;
  #mustPay = false;
  #mustPause = false;

  constructor(budget: AttemptBudget, random: Random) {
    this.#budget = budget;
    this.#backoff = new Backoff(retryBackoff, random);
  }

  /** Whether the call may go to the same servers again. */
  get isRepeating(): boolean {
    return this.#isRepeating && this.#count < maxAttempts;
  }

  /** `address` could not be dialled. */
  undialled(address: string, { code }: RpcError): void {
    this.#attempts.push({ address, code });
  }

  /**
   * An attempt failed that had a connection. Says whether there may be another.
   *
   * @param isIdempotent asked only where it matters
   */
  failed(
    address: string,
    { code, sent }: RpcError,
    isIdempotent: () => boolean,
  ): boolean {
    this.#attempts.push({ address, code });
    this.#count++;
    if (sent !== false) this.#mayHaveRun = true;
    if (!passing.has(code)) return false;
    if (this.#count >= maxAttempts) return false;
    if (sent === false && code !== "deadline_exceeded") {
      const isUnsent = code === "unavailable";
      if (isUnsent) this.#unsentCount++;
      if (!isUnsent || this.#unsentCount > 1) this.#mustPay = true;
      return true;
    }
    if (!isIdempotent()) return false;
    this.#isRepeating = true;
    this.#mustPay = true;
    this.#mustPause = true;
    return true;
  }

  /** All servers have been tried and it begins anew. */
  repeat(): void {
    if (this.#mustPause) return;
    this.#count++;
    this.#mustPay = true;
    this.#mustPause = true;
  }

  /**
   * How long the next attempt has to wait, in ms; undefined where there is
   * none: the budget is spent, or the wait would take all of `leftMs` (0 is
   * without limit).
   */
  pauseMs(leftMs: number, now: number): number | undefined {
    const pauseMs = this.#mustPause ? this.#backoff.nextMs() : 0;
    if (leftMs > 0 && pauseMs >= leftMs) return undefined;
    if (this.#mustPay && !this.#budget.take(now)) return undefined;
    this.#mustPay = false;
    this.#mustPause = false;
    return pauseMs;
  }

  /** What the call ends with, where that is `error`. */
  errorOf(error: RpcError): CallError {
    return CallError.of(error, this.#mayHaveRun, this.#attempts);
  }
}
