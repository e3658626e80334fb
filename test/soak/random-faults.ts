import { seeded } from "../../src/base/random.ts";
import { randomFaults } from "../integration/random-faults.ts";
import { seed } from "../support/seed.ts";
import { report } from "./figures.ts";

const rounds = 2;
const callsPerRound = 20_000;

/** Calls over connections that suffer from faults of all kinds, with ledgers on both sides: one seed after the other. */
export async function randomFaultsLong(): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const { verdict, disturbances } = await randomFaults(
      seeded(seed + round),
      callsPerRound,
    );
    const { answered, failed, unresolved } = verdict;
    const wrong = (
      [
        "executedTwice",
        "answeredUnexecuted",
        "executedUnsent",
        "illFailed",
      ] as const
    ).flatMap((kind) => verdict[kind].map((id) => `${kind}: ${id}`));
    for (const line of wrong.slice(0, 5)) console.log(line);
    const what = `${callsPerRound} calls, ${disturbances} faults, seed ${seed + round}`;
    console.log(`${what}: ${answered} answered, ${failed} failed`);
    report(
      `${what}: calls whose ledgers disagree, or that are not over`,
      wrong.length + unresolved,
      { atMost: 0 },
      "calls",
    );
  }
}
