import {
  type EtcdFault,
  etcdFaults,
  startOnEtcd,
} from "../faults/registry-etcd.ts";
import { RegistryFleet } from "../faults/registry-fleet.ts";
import { RegistryWriter } from "../faults/registry-writer.ts";
import { startEtcd } from "../support/etcd.ts";
import { report } from "./figures.ts";

const rounds = 5;
const faultMs = 10_000;
/** Until the one that was killed or stopped is one of them again. */
const restMs = 5_000;

/** Three registries on three etcd nodes, one of which is killed or stopped again and again. */
export async function registryEtcd(): Promise<void> {
  for (const fault of etcdFaults) await suffer(fault);
}

async function suffer({ name, begin }: EtcdFault): Promise<void> {
  await using etcd = await startEtcd(3);
  const registries = await startOnEtcd(etcd);
  await using cleanup = new AsyncDisposableStack();
  for (const registry of registries) cleanup.use(registry);
  await using fleet = await RegistryFleet.open(registries);
  await fleet.load.answeredBy(fleet.addresses);
  const writer = cleanup.use(new RegistryWriter(registries));
  for (let round = 0; round < rounds; round++) {
    {
      await using _ = await begin(etcd, registries);
      await Bun.sleep(faultMs);
    }
    await Bun.sleep(restMs);
  }
  await writer[Symbol.asyncDispose]();
  await Bun.sleep(restMs);
  const expected = [...writer.acknowledged, ...fleet.addresses];
  const lost = new Set<string>();
  let removedCount = 0;
  for (const registry of registries) {
    const listed = new Set(await registry.listed());
    for (const one of expected) if (!listed.has(one)) lost.add(one);
    removedCount += registry.removedCount;
  }
  const what = `${name} ${rounds} times`;
  const none = { atMost: 0 };
  report(
    `${what}: the longest time without a write`,
    writer.longestGapMs / 1000,
    { atMost: 5 },
    "s",
  );
  report(
    `${what}: of ${expected.length} acknowledged lost or taken out`,
    Math.max(lost.size, removedCount),
    none,
    "servers",
  );
  const { answeredCount, failures } = fleet.load;
  report(
    `${what}: of ${answeredCount} calls failed`,
    failures.length,
    none,
    "calls",
  );
}
