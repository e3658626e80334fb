import { killRegistry } from "../faults/registry-kill.ts";
import { testRandom } from "../support/seed.ts";
import { report } from "./figures.ts";

const rounds = 100;

/** A registry with a folder, killed again and again while it registers. */
export async function registryKill(): Promise<void> {
  const { acknowledgedCount, cutCount, lost, risen } = await killRegistry(
    rounds,
    testRandom(),
  );
  const what = `a registry killed ${rounds} times`;
  console.log(`${what}: ${cutCount} requests were cut off`);
  report(
    `${what}: of ${acknowledgedCount} acknowledged lost`,
    lost.length,
    { atMost: 0 },
    "servers",
  );
  report(
    `${what}: deregistered and listed again`,
    risen.length,
    { atMost: 0 },
    "servers",
  );
}
