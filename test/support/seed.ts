import { type Random, seeded } from "../../src/base/random.ts";

/**
 * The seed of this run: GEERPC_SEED, or one drawn now. It is printed, so that
 * a run that failed can be repeated: `GEERPC_SEED=… bun test …`.
 */
export const seed: number = readSeed(process.env["GEERPC_SEED"]);

/** The generator of one test: it starts at the same place whatever ran before. */
export function testRandom(): Random {
  return seeded(seed);
}

function readSeed(text: string | undefined): number {
  const chosen = text ? Number(text) : (Math.random() * 2 ** 31) | 0;
  if (!Number.isInteger(chosen)) {
    throw new Error(`GEERPC_SEED is a whole number, not "${text}"`);
  }
  console.error(`GEERPC_SEED=${chosen}`);
  return chosen;
}
