import { describe, expect, test } from "bun:test";
import { isEtcdMissing, startEtcd } from "../support/etcd.ts";
import { etcdFaults, startOnEtcd } from "./registry-etcd.ts";
import { eventually, RegistryFleet } from "./registry-fleet.ts";
import { quickPace } from "./registry-servers.ts";
import { RegistryWriter } from "./registry-writer.ts";

describe.skipIf(isEtcdMissing)("three registries on three etcd nodes", () => {
  test("any may die: no call fails, nothing that was acknowledged is lost", async () => {
    await using etcd = await startEtcd(3);
    const registries = await startOnEtcd(etcd);
    await using cleanup = new AsyncDisposableStack();
    for (const registry of registries) cleanup.use(registry);
    await using fleet = await RegistryFleet.open(registries, quickPace);
    const writer = cleanup.use(new RegistryWriter(registries));
    const written = (count: number) => {
      const enough = writer.acknowledged.size + count;
      return eventually(() => writer.acknowledged.size >= enough);
    };
    await written(3);
    // The leader, both ways, and the first registry, to which all go.
    for (const fault of etcdFaults.slice(0, 3)) {
      {
        await using _ = await fault.begin(etcd, registries);
        await written(10);
        await fleet.load.answeredBy(fleet.addresses);
      }
      await written(10);
    }
    for (const registry of registries) {
      await fleet.listedBy(registry);
    }
    await writer[Symbol.asyncDispose]();
    const expected = [...writer.acknowledged, ...fleet.addresses];
    for (const registry of registries) {
      await eventually(async () => {
        const listed = new Set(await registry.listed());
        return expected.every((address) => listed.has(address));
      });
      expect(registry.removedCount).toBe(0);
    }
    expect(fleet.load.failures).toEqual([]);
  }, 60_000);
});
