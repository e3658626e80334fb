/** A source of numbers in [0, 1): Math.random, or a seeded one where a run must repeat. */
export type Random = () => number;

/**
 * A generator that gives the same numbers for the same seed (any 32-bit
 * integer). Fit for tests and for spreading load, not for secrets.
 * Source: mulberry32, Tommy Ettinger, public domain.
 */
export function seeded(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** `value` moved by up to ± `fraction` of itself, evenly. */
export function jitter(
  value: number,
  fraction: number,
  random: Random,
): number {
  return value * (1 + fraction * (2 * random() - 1));
}

/** A whole number in [0, count). */
export function randomIndex(count: number, random: Random): number {
  return Math.floor(random() * count);
}
