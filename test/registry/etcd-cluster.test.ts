import { describe, expect, test } from "bun:test";
import { Registry } from "../../src/registry/registry.ts";
import { type EtcdNode, isEtcdMissing } from "../support/etcd.ts";
import { addressesIn, eventually, useEtcd } from "./etcd-set-up.ts";

const setUp = useEtcd(3);

/** How long a new leader and the way to it may take. */
const recoveryMs = 5_000;

interface Fault {
  name: string;
  begin: (leader: EtcdNode) => unknown;
  end: (leader: EtcdNode) => void;
}

const faults: readonly Fault[] = [
  {
    name: "killed",
    begin: (leader) => leader.kill(),
    end: (leader) => leader.start(),
  },
  {
    name: "stopped and continued",
    begin: (leader) => leader.stop(),
    end: (leader) => leader.continue(),
  },
];

describe.skipIf(isEtcdMissing)("three etcd nodes", () => {
  test.each(faults)(
    "the leader is $name: what was acknowledged is there",
    async ({ begin, end }) => {
      const { open, leader } = await setUp();
      const opened = [open(), open()];
      const stores = opened.map(({ store }) => store);
      const registries = stores.map((store) => new Registry({ store }));
      const acknowledged = new Set<string>();
      const statuses = new Set<number>();
      let isOver = false;
      /** Registers one server after the other, each at the next registry. */
      const register = async (lane: number) => {
        for (let i = 0; !isOver; i++) {
          const address = `tcp@10.0.${lane}.${i % 200}:${1 + i}`;
          const request = new Request("http://localhost/_geerpc_/registry", {
            method: "POST",
            headers: { "X-Geerpc-Server": address },
          });
          const registry = registries[i % registries.length] as Registry;
          const { status } = await registry.fetch(request);
          statuses.add(status);
          if (status === 200) acknowledged.add(address);
          await Bun.sleep(5);
        }
      };
      const lanes = [0, 1, 2, 3].map(register);
      await eventually(() => acknowledged.size > 40);
      const led = await leader();
      await begin(led);
      const before = acknowledged.size;
      // More than those that were on their way.
      await eventually(() => acknowledged.size > before + 40, recoveryMs);
      end(led);
      const after = acknowledged.size;
      await eventually(() => acknowledged.size > after + 40, recoveryMs);
      isOver = true;
      await Promise.all(lanes);
      expect(
        [...statuses].filter((status) => status !== 200 && status !== 503),
      ).toEqual([]);
      const isListed = async () => {
        const lists = await Promise.all(stores.map(addressesIn));
        return JSON.stringify(lists[0]) === JSON.stringify(lists[1]);
      };
      await eventually(isListed);
      const listed = new Set(await addressesIn(open().store));
      expect([...acknowledged].filter((one) => !listed.has(one))).toEqual([]);
      expect(await addressesIn(stores[0]!)).toEqual([...listed].sort());
      // Nobody was told that one of them had left.
      for (const { changes } of opened) {
        expect(changes.filter(({ kind }) => kind !== "added")).toEqual([]);
      }
    },
    30_000,
  );

  test("a watch whose node hangs goes on at another one", async () => {
    const { open, nodes, leader } = await setUp();
    const [left, right] = [open(), open()];
    await left.store.put({ address: "tcp@10.0.0.1:1", services: [] }, 0);
    await eventually(() => right.changes.length === 1);
    // Both ask the first node first; a follower's silence is nobody's election.
    await leader();
    const [first] = nodes;
    first?.stop();
    const put = () =>
      left.store.put({ address: "tcp@10.0.0.2:1", services: [] }, 0);
    await eventually(() =>
      put().then(
        () => true,
        () => false,
      ),
    );
    await eventually(() => right.changes.length === 2);
    first?.continue();
    expect(await addressesIn(right.store)).toHaveLength(2);
  }, 30_000);
});
