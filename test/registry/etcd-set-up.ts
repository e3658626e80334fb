import { afterAll, afterEach } from "bun:test";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import type { RpcEvent } from "../../src/events.ts";
import {
  EtcdStore,
  type EtcdStoreOptions,
} from "../../src/registry/etcd-store.ts";
import type { Change } from "../../src/registry/lease-table.ts";
import type { Store } from "../../src/registry/store.ts";
import { isEtcdMissing, type Etcd, startEtcd } from "../support/etcd.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** Runs ahead of etcd's clock, so that what comes each few seconds comes soon, and nothing too late. */
export const quickClock: Clock = {
  now: () => systemClock.now() * quickness,
  after: (delayMs, run) => systemClock.after(delayMs / quickness, run),
};
const quickness = 3;

/** One cluster for the tests of a file, and a prefix of its own for each. */
export function useEtcd(nodeCount: 1 | 3) {
  const etcd: Promise<Etcd> | undefined = isEtcdMissing
    ? undefined
    : startEtcd(nodeCount);
  const stores: EtcdStore[] = [];
  let prefixCount = 0;
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()));
  });
  afterAll(async () => {
    await (await etcd)?.[Symbol.asyncDispose]();
  });
  return async () => {
    const { endpoints, nodes, leader } = (await etcd) as Etcd;
    const prefix = `/test/${prefixCount++}`;
    /** A registry's store, with leases on a clock of its own. */
    const open = (options: EtcdStoreOptions = {}) => {
      const clock = new ManualClock();
      const changes: Change[] = [];
      const events: RpcEvent[] = [];
      const store = new EtcdStore(
        { endpoints, prefix },
        { clock, onEvent: (event) => void events.push(event), ...options },
      );
      store.watch((change) => void changes.push(change));
      stores.push(store);
      return { store, clock, changes, events };
    };
    return { prefix, endpoints, nodes, leader, open };
  };
}

export async function addressesIn(store: Store): Promise<string[]> {
  return (await store.list()).servers.map(({ address }) => address);
}

/** Waits until it is so: what another process does, in real time. */
export async function eventually(
  isSo: () => boolean | Promise<boolean>,
  patienceMs = 5_000,
): Promise<void> {
  const until = performance.now() + patienceMs;
  while (!(await isSo())) {
    if (performance.now() > until)
      throw new Error(`not within ${patienceMs} ms`);
    await Bun.sleep(10);
  }
}
