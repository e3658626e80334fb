import { expect, test } from "bun:test";
import { eventually, RegistryFleet } from "./registry-fleet.ts";
import { RegistryProcess } from "./registry-process.ts";
import { quickPace } from "./registry-servers.ts";

test("a registry that stood still for longer than a lease drops no live server", async () => {
  await using registry = await RegistryProcess.start();
  await using fleet = await RegistryFleet.open([registry], quickPace);
  await fleet.load.answeredBy(fleet.addresses);
  const startedAt = performance.now();
  registry.stop();
  // What a stall is to the registry, and two leases.
  await eventually(() => performance.now() - startedAt > 2 * quickPace.ttlMs);
  expect(fleet.count("heartbeat-missed")).toBeGreaterThan(0);
  const registered = fleet.count("registered");
  registry.continue();
  // Its first words.
  expect(await registry.listed()).toEqual(fleet.addresses);
  await eventually(() => fleet.count("registered") === registered + 3);
  await fleet.load.answeredBy(fleet.addresses);
  expect(await registry.listed()).toEqual(fleet.addresses);
  expect(registry.removedCount).toBe(0);
  expect(registry.events).toContainEqual(
    expect.objectContaining({ event: "leases-extended", reason: "stalled" }),
  );
  expect(fleet.load.failures).toEqual([]);
}, 30_000);
