import type { Slice } from "./slices.ts";

/** A call has so many of each: the argument's and the reply's. */
const passesPerCall = 2;
/** Processes that could do it at the same time. */
const ends = 2;

/**
 * How many calls JSON alone would allow: `value` is the argument and the reply
 * of each, both ends do their part of it and nothing else, each on a core of
 * its own where the machine has two. Measured here, on one core.
 */
export function runSerializer(
  value: unknown,
  durationMs: number,
  cores: number,
): Slice {
  const startedAt = performance.now();
  let calls = 0;
  let elapsedMs: number;
  do {
    for (let pass = 0; pass < passesPerCall; pass++) {
      JSON.parse(JSON.stringify(value));
    }
    calls++;
    elapsedMs = performance.now() - startedAt;
  } while (elapsedMs < durationMs);
  return { count: calls * Math.min(ends, cores), elapsedMs };
}
