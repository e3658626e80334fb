import { RegistryFleet } from "../faults/registry-fleet.ts";
import { RegistryProcess } from "../faults/registry-process.ts";
import { report } from "./figures.ts";

const stopMs = 60_000;
/** After it: a lease and one more. */
const watchMs = 30_000;

/** A registry that stands still for four leases, and goes on. */
export async function registryStop(): Promise<void> {
  await using registry = await RegistryProcess.start();
  await using fleet = await RegistryFleet.open([registry]);
  await fleet.load.answeredBy(fleet.addresses);
  registry.stop();
  await Bun.sleep(stopMs);
  registry.continue();
  let missing = 0;
  const until = performance.now() + watchMs;
  while (performance.now() < until) {
    const { length } = await registry.listed();
    missing = Math.max(missing, fleet.addresses.length - length);
    await Bun.sleep(50);
  }
  const { answeredCount, failures } = fleet.load;
  const what = `a registry stopped for ${stopMs / 1000} s and continued`;
  report(
    `${what}: live servers dropped`,
    Math.max(missing, registry.removedCount),
    { atMost: 0 },
    "servers",
  );
  report(
    `${what}: of ${answeredCount} calls failed`,
    failures.length,
    { atMost: 0 },
    "calls",
  );
}
