import { describe, expect, test } from "bun:test";
import { systemClock } from "../../src/base/clock.ts";
import { EtcdEndpoints } from "../../src/registry/etcd-endpoints.ts";
import { EtcdGateway } from "../../src/registry/etcd-gateway.ts";
import { isEtcdMissing } from "../support/etcd.ts";
import { addressesIn, eventually, quickClock, useEtcd } from "./etcd-set-up.ts";

const setUp = useEtcd(1);
const a = { address: "tcp@10.0.0.1:1", services: ["Arith"] };
const b = { address: "tcp@10.0.0.2:1", services: undefined };
const unavailable = expect.objectContaining({ code: "unavailable" });
const failure = (promise: Promise<unknown>) => promise.catch((error) => error);

describe.skipIf(isEtcdMissing)("registries on one etcd", () => {
  test("are one list; the watch of one sees what the other took", async () => {
    const { open } = await setUp();
    const [left, right] = [open(), open()];
    await left.store.put(a, 5_000, "ann");
    await right.store.put(b, 0);
    for (const { changes } of [left, right]) {
      await eventually(() => changes.length === 2);
    }
    const { servers } = await right.store.list();
    // Of what the other one keeps it knows the TTL.
    expect(servers).toEqual([
      { ...a, expiresInMs: 5_000 },
      { ...b, expiresInMs: undefined },
    ]);
    expect((await left.store.list()).servers).toEqual(servers);
    expect(await failure(right.store.remove(a.address, "bob"))).toMatchObject({
      code: "permission_denied",
    });
    expect(await right.store.remove(a.address, "ann")).toBe(true);
    expect(await left.store.remove(a.address)).toBe(false);
    await eventually(() => left.changes.length === 3);
    expect(left.changes).toEqual(right.changes);
    expect(left.changes[2]).toEqual({
      kind: "removed",
      address: a.address,
      reason: "deregistered",
    });
  });

  test("a call knows what another registry did a moment before", async () => {
    const { open } = await setUp();
    const [left, right] = [open(), open()];
    await right.store.list();
    for (let i = 0; i < 20; i++) {
      await left.store.put(a, 5_000);
      expect(await right.store.remove(a.address)).toBe(true);
      await right.store.put(a, 5_000);
      await left.store.put({ ...a, zone: String(i) }, 5_000);
      expect(await left.store.remove(a.address)).toBe(true);
    }
    expect(await addressesIn(left.store)).toEqual([]);
  });

  test("a lease ends where its heartbeats go, and is told everywhere", async () => {
    const { open } = await setUp();
    const [left, right] = [open(), open()];
    await left.store.put(a, 5_000);
    await right.store.put(b, 5_000);
    await left.clock.advance(4_000);
    await right.store.put(a, 5_000);
    // The left one has nothing to do with it any more.
    await eventually(async () => {
      const { servers } = await left.store.list();
      return servers[0]?.expiresInMs === 5_000;
    });
    await left.clock.advance(60_000);
    expect(await addressesIn(left.store)).toEqual([a.address, b.address]);
    await right.clock.advance(4_999);
    expect(await addressesIn(right.store)).toHaveLength(2);
    await right.clock.advance(1_001);
    expect(await addressesIn(right.store)).toEqual([]);
    await eventually(() => left.changes.length === 4);
    expect(left.changes.slice(2)).toEqual([
      { kind: "removed", address: a.address, reason: "expired" },
      { kind: "removed", address: b.address, reason: "expired" },
    ]);
  });

  test("one that registers while its lease ends stays", async () => {
    const { open } = await setUp();
    const { store, clock, changes } = open();
    await store.put(a, 5_000);
    const changed = store.put({ ...a, zone: "z" }, 5_000);
    await clock.advance(5_500);
    await changed;
    expect(await addressesIn(store)).toEqual([a.address]);
    expect(changes.map(({ kind }) => kind)).toEqual(["added", "changed"]);
  });

  test("a watch that tells nothing any more is made anew", async () => {
    const { open } = await setUp();
    const silences = [1, 2];
    const fetch = async (url: string, init: RequestInit) => {
      if (!url.endsWith("/v3/watch") || silences.pop() === undefined) {
        return globalThis.fetch(url, init);
      }
      const created = {
        result: { header: { revision: "999999" }, created: true },
      };
      return new Response(
        new ReadableStream({
          start: (stream) =>
            stream.enqueue(Buffer.from(`${JSON.stringify(created)}\n`)),
        }),
      );
    };
    const left = open({ fetch, networkClock: quickClock });
    const right = open();
    // A call that waits for its own change notices,
    expect(await failure(left.store.put(a, 0))).toEqual(unavailable);
    expect(await failure(left.store.put(a, 0))).toEqual(unavailable);
    await eventually(() => left.changes.length === 1, 1_000);
    // else it is a matter of time.
    silences.push(3);
    await eventually(() => silences.length === 0);
    await right.store.put(b, 0);
    await eventually(() => left.changes.length === 2);
  });

  test("a renewal asks nothing of etcd, a load only when it has moved", async () => {
    const { open } = await setUp();
    const asked: string[] = [];
    const fetch = (url: string, init: RequestInit) => {
      asked.push(new URL(url).pathname);
      return globalThis.fetch(url, init);
    };
    const { store } = open({ fetch });
    await store.put({ ...a, load: 0.5 }, 5_000);
    const writes = () => asked.filter((path) => path === "/v3/kv/txn").length;
    expect(writes()).toBe(1);
    await store.put({ ...a, load: 0.55 }, 5_000);
    expect(writes()).toBe(1);
    expect((await store.list()).servers[0]?.load).toBe(0.55);
    await store.put({ ...a, load: 0.75 }, 5_000);
    expect(writes()).toBe(2);
  });

  test("what one that has gone kept is another's, with whole leases", async () => {
    const { open } = await setUp();
    const [left, right] = [open(), open()];
    await left.store.put(a, 5_000);
    await left.store.put(b, 0);
    await eventually(() => right.changes.length === 2);
    await right.clock.advance(60_000);
    await left.store.close();
    // It counts from when it has taken over.
    const isOver = async () => {
      await right.clock.advance(1);
      const { servers } = await right.store.list();
      return servers[0]?.expiresInMs !== 5_000;
    };
    await eventually(isOver);
    await right.clock.advance(4_900);
    expect(await addressesIn(right.store)).toEqual([a.address, b.address]);
    await right.clock.advance(1_100);
    expect(await addressesIn(right.store)).toEqual([b.address]);
    expect(right.changes).toHaveLength(3);
  });

  test("when all were away, the first finds the list as it was, with whole leases", async () => {
    const { open } = await setUp();
    const first = open();
    expect((await first.store.list()).fillingForMs).toBe(15_000);
    await first.store.put({ ...a, labels: new Map([["rack", "7"]]) }, 5_000);
    await first.store.close();
    const { store, clock, changes } = open();
    const { servers, fillingForMs } = await store.list();
    expect(fillingForMs).toBeUndefined();
    expect(servers[0]?.labels).toEqual(new Map([["rack", "7"]]));
    await eventually(async () => {
      await clock.advance(1);
      return (await store.list()).servers[0]?.expiresInMs !== 5_000;
    });
    await clock.advance(4_900);
    expect(await addressesIn(store)).toEqual([a.address]);
    await clock.advance(1_100);
    expect(await addressesIn(store)).toEqual([]);
    expect(changes.map(({ kind }) => kind)).toEqual(["added", "removed"]);
  });

  test("changes that a watch has missed for good come with the whole list", async () => {
    const { open, endpoints, prefix } = await setUp();
    let isCut = false;
    let cut = () => {};
    const fetch = (url: string, init: RequestInit): Promise<Response> => {
      if (!url.endsWith("/v3/watch")) return globalThis.fetch(url, init);
      if (isCut) return Promise.reject(new Error("cut"));
      const controller = new AbortController();
      cut = () => controller.abort();
      const signal = AbortSignal.any([
        controller.signal,
        init.signal as AbortSignal,
      ]);
      return globalThis.fetch(url, { ...init, signal });
    };
    const [left, right] = [open({ fetch }), open()];
    await right.store.put(a, 0);
    await right.store.put(b, 0);
    await eventually(() => left.changes.length === 2);
    isCut = true;
    cut();
    const c = { address: "tcp@10.0.0.3:1", services: [] };
    await right.store.remove(a.address);
    await right.store.put({ ...b, zone: "z" }, 0);
    await right.store.put(c, 0);
    const gateway = new EtcdGateway(
      new EtcdEndpoints({ endpoints, clock: systemClock }),
    );
    const { revision } = await gateway.range(prefix, systemClock.now() + 1_000);
    await globalThis.fetch(`${endpoints[0]}/v3/kv/compaction`, {
      method: "POST",
      body: JSON.stringify({ revision: String(revision) }),
    });
    expect(left.changes).toHaveLength(2);
    isCut = false;
    await eventually(() => left.changes.length === 5);
    expect(left.changes.slice(2)).toEqual([
      { kind: "removed", address: a.address, reason: "expired" },
      { kind: "changed", registration: { ...b, zone: "z" } },
      { kind: "added", registration: c },
    ]);
  });

  test("what no registry has written is not listed", async () => {
    const { open, endpoints, prefix } = await setUp();
    const { store } = open();
    await store.put(a, 0);
    const gateway = new EtcdGateway(
      new EtcdEndpoints({ endpoints, clock: systemClock }),
    );
    const until = systemClock.now() + 1_000;
    for (const value of ["", "{", '{"ttlMs":"5"}', '{"keeper":"x"}']) {
      const operation = { put: `${prefix}/servers/${b.address}`, value };
      await gateway.putIf("none", 0, [operation], until);
    }
    await store.put({ ...a, zone: "z" }, 0);
    expect(await addressesIn(store)).toEqual([a.address]);
    await store.put(b, 0);
    expect(await addressesIn(store)).toEqual([a.address, b.address]);
  });
});

/** Gives what ends the leases that there are, as time does for registries that stand still. */
async function sessionsAt(endpoint = ""): Promise<() => Promise<void>> {
  const ask = async (path: string, body: object) => {
    const init = { method: "POST", body: JSON.stringify(body) };
    return (await globalThis.fetch(endpoint + path, init)).json();
  };
  const { leases } = (await ask("/v3/lease/leases", {})) as {
    leases: { ID: string }[];
  };
  return async () => {
    for (const { ID } of leases) await ask("/v3/lease/revoke", { ID });
  };
}

describe.skipIf(isEtcdMissing)("a registry whose session has ended", () => {
  test("alone, it comes back to its list, with whole leases", async () => {
    const { open, endpoints } = await setUp();
    const { store, clock, changes, events } = open({
      networkClock: quickClock,
    });
    await store.put(a, 5_000);
    await clock.advance(4_000);
    const endSession = await sessionsAt(endpoints[0]);
    await endSession();
    await eventually(() => events.length > 0);
    expect(events).toEqual([
      { kind: "leases-extended", reason: "store-failed", count: 1 },
    ]);
    expect((await store.list()).servers[0]?.expiresInMs).toBe(5_000);
    await store.put(a, 5_000);
    expect(changes).toHaveLength(1);
  });

  test("has lost what it kept to another one, until servers come to it again", async () => {
    const { open, endpoints, prefix } = await setUp();
    let isAway = false;
    const fetch = (url: string, init: RequestInit) =>
      isAway && url.includes("/v3/lease")
        ? Promise.reject(new Error("away"))
        : globalThis.fetch(url, init);
    const left = open({ fetch, networkClock: quickClock });
    await left.store.put(a, 5_000);
    await left.store.put(b, 5_000);
    const endSession = await sessionsAt(endpoints[0]);
    const right = open();
    await eventually(() => right.changes.length === 2);
    isAway = true;
    await endSession();
    await eventually(async () => {
      await right.clock.advance(1);
      const { servers } = await right.store.list();
      return servers.every(({ expiresInMs }) => expiresInMs !== 5_000);
    });
    isAway = false;
    const gateway = new EtcdGateway(
      new EtcdEndpoints({ endpoints, clock: systemClock }),
    );
    await eventually(async () => {
      const until = systemClock.now() + 1_000;
      const { keyValues } = await gateway.range(`${prefix}/registries/`, until);
      return keyValues.length === 2;
    });
    await left.store.put(a, 5_000);
    await eventually(async () => {
      const { servers } = await right.store.list();
      return servers[0]?.expiresInMs === 5_000;
    });
    await right.clock.advance(10_000);
    expect(await addressesIn(right.store)).toEqual([a.address]);
    await left.clock.advance(6_000);
    expect(await addressesIn(left.store)).toEqual([]);
  });
});

describe.skipIf(isEtcdMissing)("without etcd", () => {
  test("reads have the last list, what is new is refused, and leases begin anew after it", async () => {
    const { open, nodes } = await setUp();
    const [node] = nodes;
    const { store, clock, events } = open({ networkClock: quickClock });
    await store.put(a, 5_000);
    await clock.advance(4_000);
    await node?.kill();
    expect(await failure(store.put(b, 5_000))).toEqual(unavailable);
    expect(await failure(store.remove(a.address))).toEqual(unavailable);
    // It lives, but what it says now is not taken.
    const changed = store.put({ ...a, zone: "z" }, 5_000);
    expect(await failure(changed)).toEqual(unavailable);
    expect((await store.list()).servers).toEqual([
      { ...a, expiresInMs: 5_000 },
    ]);
    // The session still holds: this registry is certainly the keeper.
    await store.put(a, 5_000);
    // Its TTL passes, but nobody can say that it has not gone elsewhere.
    await clock.advance(6_000);
    expect(await addressesIn(store)).toEqual([a.address]);
    await clock.advance(6_000);
    node?.start();
    await eventually(() =>
      store.put(b, 5_000).then(
        () => true,
        () => false,
      ),
    );
    await eventually(() =>
      events.some(({ kind }) => kind === "leases-extended"),
    );
    expect(await addressesIn(store)).toEqual([a.address, b.address]);
    await clock.advance(4_999);
    expect(await addressesIn(store)).toHaveLength(2);
    await clock.advance(1_001);
    expect(await addressesIn(store)).toEqual([]);
    // Once for an outage.
    expect(events.filter(({ kind }) => kind === "store-failed")).toHaveLength(
      1,
    );
  }, 20_000);

  test("a registry whose session is not confirmed refuses renewals", async () => {
    const { open } = await setUp();
    let skippedMs = 0;
    const networkClock = {
      ...quickClock,
      now: () => quickClock.now() + skippedMs,
    };
    let isAway = false;
    const fetch = (url: string, init: RequestInit) =>
      isAway ? Promise.reject(new Error("away")) : globalThis.fetch(url, init);
    const { store, changes } = open({ networkClock, fetch });
    await store.put(a, 5_000);
    isAway = true;
    await store.put(a, 5_000);
    skippedMs = 9_000;
    expect(await failure(store.put(a, 5_000))).toEqual(unavailable);
    expect(await addressesIn(store)).toEqual([a.address]);
    isAway = false;
    await eventually(() =>
      store.put(a, 5_000).then(
        () => true,
        () => false,
      ),
    );
    expect(changes).toHaveLength(1);
  });

  test("one that was never there fails calls, and close is quick", async () => {
    const { open } = await setUp();
    const fetch = () => Promise.reject(new Error("away"));
    const { store, events } = open({ fetch, networkClock: quickClock });
    const asked = [store.list(), store.put(a, 0), store.remove(a.address)];
    for (const error of await Promise.all(asked.map(failure))) {
      expect(error).toEqual(unavailable);
    }
    expect(events.map(({ kind }) => kind)).toEqual(["store-failed"]);
    await store.close();
    expect(await failure(store.list())).toEqual(unavailable);
  });
});
