import { afterAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EtcdStore } from "../../src/registry/etcd-store.ts";
import type { Change, LeaseLimits } from "../../src/registry/lease-table.ts";
import { SqliteStore } from "../../src/registry/sqlite-store.ts";
import { MemoryStore, type Store } from "../../src/registry/store.ts";
import { isEtcdMissing, type Etcd, startEtcd } from "../support/etcd.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** Makes an empty store that takes its time from `clock`. */
export type StoreFactory = (
  clock: ManualClock,
  limits?: LeaseLimits,
) => Promise<Store>;

/** Waits until what time has done is told, where that needs more than time. */
export type Settle = (store: Store) => Promise<unknown>;

const a = { address: "tcp@10.0.0.1:1", services: undefined };
const b = { address: "tcp@10.0.0.2:1", services: ["Arith"] };

/** What every store does; see the contract above `Store`. */
export function describeStore(
  name: string,
  open: StoreFactory,
  settle: Settle = async () => {},
  isSkipped = false,
): void {
  describe.skipIf(isSkipped)(`every store: ${name}`, () => {
    async function setUp(limits?: LeaseLimits) {
      const manual = new ManualClock();
      const store = await open(manual, limits);
      const clock = {
        async advance(ms: number) {
          await manual.advance(ms);
          await settle(store);
        },
        get timers() {
          return manual.timers;
        },
      };
      const changes: Change[] = [];
      store.watch((change) => void changes.push(change));
      const addresses = async () =>
        (await store.list()).servers.map(({ address }) => address);
      return { clock, store, changes, addresses };
    }

    test("lists what was put, sorted, with what is left of each lease", async () => {
      const { clock, store } = await setUp();
      await store.put(b, 10_000);
      await store.put(a, 0);
      await clock.advance(4_000);
      expect((await store.list()).servers).toEqual([
        { ...a, expiresInMs: undefined },
        { ...b, expiresInMs: 6_000 },
      ]);
    });

    test("starts empty", async () => {
      const { store } = await setUp();
      expect((await store.list()).servers).toEqual([]);
    });

    test("a server is listed for its TTL, not shorter and at most 1 s longer", async () => {
      const { clock, store, addresses } = await setUp();
      await store.put(a, 5_000);
      await clock.advance(4_999);
      expect(await addresses()).toEqual([a.address]);
      await clock.advance(1_001);
      expect(await addresses()).toEqual([]);
    });

    test("a renewal starts the lease anew, also a shorter one", async () => {
      const { clock, store, addresses } = await setUp();
      await store.put(a, 5_000);
      await clock.advance(4_000);
      await store.put(a, 5_000);
      await clock.advance(4_999);
      expect(await addresses()).toEqual([a.address]);
      await store.put(a, 1_000);
      await clock.advance(2_000);
      expect(await addresses()).toEqual([]);
    });

    test("TTL 0 is for ever", async () => {
      const { clock, store, addresses } = await setUp();
      await store.put(a, 0);
      await clock.advance(1e12);
      expect(await addresses()).toEqual([a.address]);
    });

    test("remove takes a server out, and tells whether it was there", async () => {
      const { store, addresses } = await setUp();
      await store.put(a, 0);
      await store.put(b, 0);
      expect(await store.remove(a.address)).toBe(true);
      expect(await addresses()).toEqual([b.address]);
      expect(await store.remove(a.address)).toBe(false);
    });

    test("a server whose lease has ended was not there", async () => {
      const { clock, store } = await setUp();
      await store.put(a, 1_000);
      await clock.advance(2_000);
      expect(await store.remove(a.address)).toBe(false);
    });

    test("put replaces the services that were told before", async () => {
      const { store } = await setUp();
      await store.put(b, 0);
      await store.put({ address: b.address, services: undefined }, 0);
      const { servers } = await store.list();
      expect(servers).toEqual([
        { address: b.address, services: undefined, expiresInMs: undefined },
      ]);
    });

    test("no services and services not told are two things", async () => {
      const { store } = await setUp();
      await store.put({ address: a.address, services: [] }, 0);
      expect((await store.list()).servers[0]?.services).toEqual([]);
    });

    test("the revision changes with servers and services, not with renewals", async () => {
      const { clock, store } = await setUp();
      const revision = async () => (await store.list()).revision;
      const seen = [await revision()];
      const expectNew = async () => {
        const now = await revision();
        expect(seen).not.toContain(now);
        seen.push(now);
      };
      await store.put(a, 5_000);
      await expectNew();
      await store.put(a, 5_000);
      await store.put({ ...a }, 7_000);
      expect(await revision()).toBe(seen.at(-1) as number);
      await store.put({ ...a, services: ["Foo"] }, 5_000);
      await expectNew();
      await store.put(b, 0);
      await expectNew();
      await store.remove(b.address);
      await expectNew();
      await clock.advance(6_000);
      await expectNew();
    });

    test("all that was told is listed; a load comes with a renewal, and is told where it has moved", async () => {
      const { store, changes } = await setUp();
      const told = {
        ...b,
        version: "1",
        weight: 2,
        zone: "z",
        labels: new Map([["rack", "7"]]),
      };
      await store.put({ ...told, load: 0.5 }, 0);
      const { revision } = await store.list();
      await store.put({ ...told, load: 0.75 }, 0);
      await store.put({ ...told, load: 0.8 }, 0);
      const listed = { ...told, load: 0.8, expiresInMs: undefined };
      expect(await store.list()).toMatchObject({ revision });
      expect((await store.list()).servers).toEqual([listed]);
      await store.put({ ...told, zone: "y" }, 0);
      expect(changes.map(({ kind }) => kind)).toEqual([
        "added",
        "loaded",
        "changed",
      ]);
    });

    test("a listing stays as it is", async () => {
      const { store } = await setUp();
      await store.put(a, 0);
      const before = await store.list();
      await store.put(b, 0);
      await store.remove(a.address);
      expect(before.servers.map(({ address }) => address)).toEqual([a.address]);
    });

    test("watchers are told each change once, in order, renewals not", async () => {
      const { clock, store, changes } = await setUp();
      await store.put(a, 2_000);
      await store.put(a, 2_000);
      await store.put(b, 0);
      await store.put({ ...b, services: ["Foo"] }, 0);
      await clock.advance(3_000);
      await store.remove(b.address);
      await store.remove(b.address);
      expect(changes).toEqual([
        { kind: "added", registration: a },
        { kind: "added", registration: b },
        { kind: "changed", registration: { ...b, services: ["Foo"] } },
        { kind: "removed", address: a.address, reason: "expired" },
        { kind: "removed", address: b.address, reason: "deregistered" },
      ]);
    });

    test("a lease that ends is told by itself, within 1 s, never before", async () => {
      const { clock, store, changes } = await setUp();
      await store.put(a, 5_000);
      await store.put(b, 5_700);
      changes.length = 0;
      await clock.advance(4_999);
      expect(changes).toEqual([]);
      await clock.advance(1_001);
      const gone = { kind: "removed", reason: "expired" } as const;
      expect(changes[0]).toEqual({ ...gone, address: a.address });
      await clock.advance(1_000);
      expect(changes[1]).toEqual({ ...gone, address: b.address });
    });

    test("one that registers after its lease has ended was gone between", async () => {
      const { clock, store, changes } = await setUp();
      await store.put(a, 1_000);
      await clock.advance(5_000);
      await store.put(a, 1_000);
      expect(changes.map(({ kind }) => kind)).toEqual([
        "added",
        "removed",
        "added",
      ]);
    });

    test("a watcher is told nothing after it stopped; others are", async () => {
      const { store, changes } = await setUp();
      const told: Change[] = [];
      const stop = store.watch((change) => void told.push(change));
      await store.put(a, 0);
      stop();
      stop();
      await store.put(b, 0);
      expect(told).toHaveLength(1);
      expect(changes).toHaveLength(2);
    });

    test("overlapping calls take effect in their order", async () => {
      const { store, addresses } = await setUp();
      const done = [
        store.put(a, 0),
        store.remove(a.address),
        store.put(b, 0),
        store.put(a, 0),
      ];
      expect(await Promise.all(done)).toEqual([
        undefined,
        true,
        undefined,
        undefined,
      ]);
      expect(await addresses()).toEqual([a.address, b.address]);
    });

    test("full, it refuses another server and keeps those it has", async () => {
      const { store, addresses } = await setUp({
        maxServers: 1,
        maxListBytes: 1_000_000,
      });
      await store.put(a, 0);
      await expect(store.put(b, 0)).rejects.toMatchObject({
        code: "resource_exhausted",
      });
      await store.put(a, 0);
      expect(await addresses()).toEqual([a.address]);
      await store.remove(a.address);
      await store.put(b, 0);
      expect(await addresses()).toEqual([b.address]);
    });

    test("what has an owner is its owner's until it has gone", async () => {
      const { clock, store, changes, addresses } = await setUp();
      await store.put(a, 5_000, "ann");
      await store.put(b, 5_000);
      const refused = [
        store.put(a, 5_000, "bob"),
        store.put({ ...a, services: ["Foo"] }, 0, "bob"),
        store.remove(a.address, "bob"),
      ];
      for (const one of refused) {
        await expect(one).rejects.toMatchObject({ code: "permission_denied" });
      }
      expect(changes).toHaveLength(2);
      // Who is nobody's becomes somebody's.
      await store.put(b, 5_000, "bob");
      await expect(store.put(b, 0, "ann")).rejects.toMatchObject({
        code: "permission_denied",
      });
      await store.put({ ...a, services: ["Foo"] }, 5_000, "ann");
      expect(await store.remove(a.address, "ann")).toBe(true);
      await store.put(a, 5_000, "bob");
      await clock.advance(6_000);
      await store.put(b, 0, "ann");
      expect(await addresses()).toEqual([b.address]);
    });

    test("who names no owner may do all", async () => {
      const { store, addresses } = await setUp();
      await store.put(a, 0, "ann");
      await store.put(a, 0);
      await store.put(a, 0, "bob");
      expect(await store.remove(a.address)).toBe(true);
      expect(await addresses()).toEqual([]);
    });

    test("an owner is not listed, nor told to watchers", async () => {
      const { store, changes } = await setUp();
      await store.put(a, 0, "ann");
      expect(JSON.stringify([await store.list(), changes])).not.toContain(
        "ann",
      );
    });

    test("a closed store is unavailable and leaves nothing behind", async () => {
      const { clock, store, changes } = await setUp();
      await store.put(a, 5_000);
      await store.close();
      await store.close();
      const failures = [store.put(a, 0), store.remove(a.address), store.list()];
      for (const failed of failures) {
        await expect(failed).rejects.toMatchObject({ code: "unavailable" });
      }
      await clock.advance(10_000);
      expect(changes).toHaveLength(1);
      expect(clock.timers).toBe(0);
    });
  });
}

describeStore(
  "memory",
  async (clock, limits) => new MemoryStore(clock, limits),
);

const folder = await mkdtemp(join(tmpdir(), "geerpc-store-"));
let storeCount = 0;
afterAll(() => rm(folder, { recursive: true }));

describeStore("SQLite", async (clock, limits) => {
  const own = join(folder, String(storeCount++));
  return new SqliteStore(own, { clock, ...(limits && { limits }) });
});

const etcdStores: EtcdStore[] = [];
let etcd: Promise<Etcd> | undefined;
afterAll(async () => {
  await Promise.all(etcdStores.map((store) => store.close()));
  await (await etcd)?.[Symbol.asyncDispose]();
});

describeStore(
  "etcd",
  async (clock, limits) => {
    etcd ??= startEtcd(1);
    const { endpoints } = await etcd;
    const prefix = `/store/${storeCount++}`;
    const options = { clock, ...(limits && { limits }) };
    const store = new EtcdStore({ endpoints, prefix }, options);
    etcdStores.push(store);
    return store;
  },
  // A lease that has ended leaves etcd before the list is given.
  (store) => store.list().catch(() => {}),
  isEtcdMissing,
);
