import type { Side } from "./sides.ts";

/** What was done in one slice of time. */
export interface Slice {
  count: number;
  elapsedMs: number;
}

/** A slice of each side, measured right after one another. */
export type Turn = Readonly<Partial<Record<Side, Slice>>>;

export interface SlicePlan {
  /** Of one slice. */
  sliceMs: number;
  /** How many times each side takes its turn. */
  turns: number;
}

/** The usual length of a slice: short against the noise of a machine, long against a garbage collection. */
const usualSliceMs = 250;

/**
 * Cuts `durationMs` into slices, for all sides together; at least one for
 * each, shorter where the time is.
 *
 * @param turns how many for each side, where that is wanted; slices are then as long as they have to be
 */
export function planSlices(
  durationMs: number,
  sides: number,
  turns?: number,
): SlicePlan {
  if (turns !== undefined)
    return { sliceMs: durationMs / sides / turns, turns };
  const sliceMs = Math.min(usualSliceMs, durationMs / sides);
  return {
    sliceMs,
    turns: Math.max(1, Math.round(durationMs / (sliceMs * sides))),
  };
}

/** What happened each second in a slice. */
export function rateOf({ count, elapsedMs }: Slice): number {
  return elapsedMs > 0 ? (count / elapsedMs) * 1000 : 0;
}

/** The middle value, or the mean of the two in the middle; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1
    ? upper
    : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** The median of a side's slices; null where it took no turns. */
export function perSecondOf(turns: readonly Turn[], side: Side): number | null {
  const slices = turns.flatMap((turn) => turn[side] ?? []);
  return slices.length === 0 ? null : median(slices.map(rateOf));
}

/**
 * One side against another; null where either took no turns. It is the median
 * of the ratios of neighbours, which saw the same machine, and so not the
 * quotient of the two medians.
 */
export function ratioOf(
  turns: readonly Turn[],
  side: Side,
  to: Side,
): number | null {
  const ratios = turns.flatMap(({ [side]: one, [to]: other }) =>
    one === undefined || other === undefined
      ? []
      : [rateOf(one) / rateOf(other)],
  );
  return ratios.length === 0 ? null : median(ratios);
}
