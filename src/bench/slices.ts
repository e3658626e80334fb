/** What was done in one slice of time. */
export interface Slice {
  count: number;
  elapsedMs: number;
}

/** A slice of geerpc, and the one of the limit right before it, where there is one. */
export interface SlicePair {
  limit: Slice | undefined;
  geerpc: Slice;
}

export interface SlicePlan {
  /** Of one slice. */
  sliceMs: number;
  /** How many times limit and geerpc take their turns. */
  pairs: number;
}

/** The usual length of a slice: short against the noise of a machine, long against a garbage collection. */
const usualSliceMs = 250;

/**
 * Cuts `durationMs` into slices, for both sides together where there is a
 * limit; at least one for each, shorter where the time is.
 */
export function planSlices(durationMs: number, hasLimit: boolean): SlicePlan {
  const sides = hasLimit ? 2 : 1;
  const sliceMs = Math.min(usualSliceMs, durationMs / sides);
  return {
    sliceMs,
    pairs: Math.max(1, Math.round(durationMs / (sliceMs * sides))),
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

export interface SliceFigures {
  callsPerSecond: number;
  /** null where no limit was measured. */
  limitPerSecond: number | null;
  /** geerpc against the limit. */
  ratio: number | null;
}

/**
 * Medians over the slices. The ratio is the median of the ratios of
 * neighbours, which saw the same machine, and so not the quotient of the two
 * medians.
 */
export function figuresOf(pairs: readonly SlicePair[]): SliceFigures {
  const callsPerSecond = median(pairs.map(({ geerpc }) => rateOf(geerpc)));
  const limits = pairs.flatMap(({ limit, geerpc }) =>
    limit === undefined
      ? []
      : [{ perSecond: rateOf(limit), ratio: rateOf(geerpc) / rateOf(limit) }],
  );
  if (limits.length === 0) {
    return { callsPerSecond, limitPerSecond: null, ratio: null };
  }
  return {
    callsPerSecond,
    limitPerSecond: median(limits.map(({ perSecond }) => perSecond)),
    ratio: median(limits.map(({ ratio }) => ratio)),
  };
}
