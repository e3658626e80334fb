import { median } from "./slices.ts";

/** Two executables that are compared. */
export type Side = "this" | "other";

/** What one slice of a side came to. */
export interface SideFigures {
  callsPerSecond: number;
  /** CPU time of both its processes. */
  cpuUsPerCall: number;
}

/** How this executable compares to the other: medians over pairs of neighbouring slices. */
export interface Comparison {
  /** Calls per second divided by the other's. */
  ratioAgainst: number;
  /** The same of each pair, in the order in which they were measured: how far they spread says how much the median is worth. */
  ratiosAgainst: number[];
  /** CPU time of a call divided by the other's: on a busy machine it swings far less than calls per second. */
  cpuAgainst: number;
}

/** The usual length of a slice, with the warm-up long behind: each has processes of its own. */
const usualSliceMs = 1_000;

/** Cuts `durationMs`, which each side has to itself, into slices: at least one, shorter where the time is. */
export function planComparison(durationMs: number): {
  sliceMs: number;
  pairs: number;
} {
  const sliceMs = Math.min(usualSliceMs, durationMs);
  return { sliceMs, pairs: Math.max(1, Math.round(durationMs / sliceMs)) };
}

/**
 * Measures both sides in turns. Who goes first changes from pair to pair, so
 * that a machine that grows faster or slower favours neither.
 *
 * @param measure one slice of a side
 * @param onPair told after each pair how many are done, and the calls per second of this side
 * @throws what `measure` throws, at once
 */
export async function compareSides(
  pairs: number,
  measure: (side: Side) => Promise<SideFigures>,
  onPair: (pairsDone: number, callsPerSecond: number) => void,
): Promise<Comparison> {
  const ratiosAgainst: number[] = [];
  const cpuRatios: number[] = [];
  for (let pair = 1; pair <= pairs; pair++) {
    const isOtherFirst = pair % 2 === 1;
    const first = await measure(isOtherFirst ? "other" : "this");
    const second = await measure(isOtherFirst ? "this" : "other");
    const [own, other] = isOtherFirst ? [second, first] : [first, second];
    ratiosAgainst.push(own.callsPerSecond / other.callsPerSecond);
    cpuRatios.push(own.cpuUsPerCall / other.cpuUsPerCall);
    onPair(pair, own.callsPerSecond);
  }
  return {
    ratioAgainst: median(ratiosAgainst),
    ratiosAgainst,
    cpuAgainst: median(cpuRatios),
  };
}

/** The values below and above which a quarter of them lie, each one of them; NaN of none. */
export function quartiles(values: readonly number[]): [number, number] {
  const sorted = values.toSorted((a, b) => a - b);
  const quarter = Math.floor((sorted.length - 1) / 4);
  return [sorted[quarter] ?? NaN, sorted.at(-1 - quarter) ?? NaN];
}
