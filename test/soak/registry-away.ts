import { registryFaults } from "../faults/registry-away.ts";
import { RegistryFleet } from "../faults/registry-fleet.ts";
import { RegistryProcess } from "../faults/registry-process.ts";
import { report } from "./figures.ts";

const faultMs = 60_000;
/** A heartbeat comes every 5 s ± 10 %. */
const heartbeatSeconds = 5.5;

/** What servers and callers notice of a registry that is away or lies for a minute: servers and heartbeats as they are by default. */
export async function registryAway(): Promise<void> {
  for (const fault of registryFaults) {
    await using registry = await RegistryProcess.start();
    await using fleet = await RegistryFleet.open([registry]);
    await fleet.load.answeredBy(fleet.addresses);
    {
      await using _ = await fault.begin(registry);
      await Bun.sleep(faultMs);
    }
    const backMs = await fleet.listedBy(registry);
    await fleet.load.answeredBy(fleet.addresses);
    const { answeredCount, failures } = fleet.load;
    const what = `a registry ${fault.name} for ${faultMs / 1000} s`;
    report(
      `${what}: of ${answeredCount} calls failed`,
      failures.length,
      { atMost: 0 },
      "calls",
    );
    report(
      `${what}: all servers back after`,
      backMs / 1000,
      { atMost: heartbeatSeconds + 2 },
      "s",
    );
  }
}
