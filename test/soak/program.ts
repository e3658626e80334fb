import { join } from "node:path";
import { Program } from "../support/geerpc.ts";
import { seed } from "../support/seed.ts";
import { report } from "./figures.ts";

const root = join(import.meta.dir, "../..");
const files = ["program.test.ts", "stream-program.test.ts"];
const rounds = 20;
const programsPerRound = 1_000;

/** The session's random programs: those of calls with one seed after the other, and those of streams. */
export async function program(): Promise<void> {
  let passed = 0;
  for (let round = 0; round < rounds; round++) {
    const { code, stderr } = await Program.run(
      [
        process.execPath,
        "test",
        ...files.map((file) => `test/session/${file}`),
      ],
      {
        cwd: root,
        env: {
          GEERPC_SEED: String(seed + round * programsPerRound),
          GEERPC_PROGRAMS: String(programsPerRound),
        },
      },
    );
    if (code === 0) passed++;
    else console.log(stderr);
  }
  report(
    `rounds of ${programsPerRound} random programs from seed ${seed}, passed`,
    passed,
    { atLeast: rounds },
    "rounds",
  );
}
