import type { Histogram } from "../metrics/histogram.ts";
import type { Slice } from "./slices.ts";

/** What went wrong with a call or an item, for people. */
export interface Failure {
  /** Its number. */
  at: number;
  reason: string;
}

/**
 * Something that is kept going for a slice of time, then stands still.
 *
 * A run goes on until its time is over, then waits for what is under way, so
 * nothing of one slice is left in the next; totals add up over runs. One run
 * at a time.
 */
export interface SliceLoad {
  /** Calls that ended or items that came, rightly or not. */
  readonly done: number;
  readonly errors: number;
  readonly firstFailure: Failure | undefined;
  /**
   * Goes on for `durationMs`; returns how many calls or items were right and
   * the time until the last. The latencies of calls are recorded in µs.
   */
  run(durationMs: number, latenciesUs: Histogram): Promise<Slice>;
}

/** A reply or an item, for people. */
export function textOf(value: unknown): string {
  return Bun.inspect(value, { depth: 2, compact: true }).slice(0, 200);
}
