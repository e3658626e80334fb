import { expect, test } from "bun:test";
import { seeded } from "../../src/base/random.ts";
import { seed } from "../support/seed.ts";
import { StreamProgram } from "./stream-program.ts";

/** How many programs run; a long run sets it. */
const programs = Number(process.env["GEERPC_PROGRAMS"] ?? 200);

test(`${programs} random programs of streams, calls and mishaps end every call once and leave nothing`, async () => {
  expect(programs).toBeGreaterThan(0);
  for (let run = 0; run < programs; run++) {
    // Of its own, so that one that fails can be repeated alone.
    const programSeed = seed + run;
    try {
      const program = new StreamProgram(seeded(programSeed));
      await program.run(120);
    } catch (thrown) {
      console.error(`GEERPC_SEED=${programSeed} GEERPC_PROGRAMS=1 fails`);
      throw thrown;
    }
  }
}, 1e9);
