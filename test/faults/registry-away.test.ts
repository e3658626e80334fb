import { expect, test } from "bun:test";
import { registryFaults } from "./registry-away.ts";
import { eventually, RegistryFleet } from "./registry-fleet.ts";
import { RegistryProcess } from "./registry-process.ts";
import { quickPace } from "./registry-servers.ts";

for (const fault of registryFaults) {
  test(`a registry ${fault.name}: no call fails, and all servers are back`, async () => {
    await using registry = await RegistryProcess.start();
    await using fleet = await RegistryFleet.open([registry], quickPace);
    await fleet.load.answeredBy(fleet.addresses);
    {
      await using _ = await fault.begin(registry);
      for (const kind of fault.notices) {
        await eventually(() => fleet.count(kind) >= 3);
      }
      // Of all three, while nobody tells that they are there.
      await fleet.load.answeredBy(fleet.addresses);
    }
    await fleet.listedBy(registry);
    await fleet.load.answeredBy(fleet.addresses);
    expect(fleet.load.failures).toEqual([]);
    expect(await registry.listed()).toEqual(fleet.addresses);
    expect(registry.removedCount).toBe(0);
  }, 30_000);
}
