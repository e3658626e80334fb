export { median } from "../../src/bench/slices.ts";

export const mib = 1024 * 1024;

/** What a figure has to be: at most or at least so much. */
export type Target = { atMost: number } | { atLeast: number };

/** A figure beside its target. */
export interface Figure {
  what: string;
  measured: number;
  target: Target;
  unit: string;
}

let missed = 0;

/** Prints a figure beside its target, and tells it to bench:all where that has started this process. */
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
  process.send?.({ what, measured, target, unit } satisfies Figure);
  console.log(
    `${what}: ${measured.toFixed(2)} ${unit}, ${bound} ${value}: ${isMet ? "ok" : "MISSED"}`,
  );
}

/** Figures so far that have missed their targets. */
export function missedCount(): number {
  return missed;
}
