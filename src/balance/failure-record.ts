import { FailureWindow } from "./failure-window.ts";

const maxFailuresInRow = 5;
const maxFailureRate = 0.85;
/** Fewer calls than these have no rate. */
const minCallsForRate = 50;

/** Why a server is an outlier. */
export type OutlierReason = "failures-in-a-row" | "failure-rate";

/**
 * The calls of one server, as far as they show whether it is an outlier: 5
 * failures in a row, or 85 % of 50 calls or more in 10 s. The second is not
 * reached without the first; it matters where the first came to nothing and
 * an answer has ended the row since.
 */
export class FailureRecord {
  readonly #window = new FailureWindow();
  #failuresInRow = 0;

  answered(now: number): void {
    this.#window.add(false, now);
    this.#failuresInRow = 0;
  }

  /** Says whether the server is an outlier now. */
  failed(now: number): OutlierReason | undefined {
    this.#window.add(true, now);
    this.#failuresInRow++;
    if (this.#failuresInRow >= maxFailuresInRow) return "failures-in-a-row";
    const { calls, failures } = this.#window;
    return calls >= minCallsForRate && failures >= calls * maxFailureRate
      ? "failure-rate"
      : undefined;
  }

  clear(): void {
    this.#window.clear();
    this.#failuresInRow = 0;
  }
}
