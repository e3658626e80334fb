export const mib = 1024 * 1024;

/** What a figure has to be: at most or at least so much. */
export type Target = { atMost: number } | { atLeast: number };

let missed = 0;

/** Prints a figure beside its target. */
export function report(
  what: string,
  measured: number,
  target: Target,
  unit: string,
): void {
  const isMet =
    "atMost" in target ? measured <= target.atMost : measured >= target.atLeast;
  const [bound, value] =
    "atMost" in target
      ? ["at most", target.atMost]
      : ["at least", target.atLeast];
  if (!isMet) missed++;
  console.log(
    `${what}: ${measured.toFixed(2)} ${unit}, ${bound} ${value}: ${isMet ? "ok" : "MISSED"}`,
  );
}

/** Figures so far that have missed their targets. */
export function missedCount(): number {
  return missed;
}

/** The middle one, of an odd number of them. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[(sorted.length - 1) / 2] ?? NaN;
}
