import { describe, expect, test } from "bun:test";
import { EtcdDiscovery } from "../../src/discovery/etcd.ts";
import type { RpcEvent } from "../../src/events.ts";
import { EtcdKeys } from "../../src/registry/etcd-keys.ts";
import { Server } from "../../src/server/server.ts";
import { connect } from "../../src/xclient/connect.ts";
import { eventually, useEtcd } from "../registry/etcd-set-up.ts";
import { isEtcdMissing } from "../support/etcd.ts";

const a = "tcp@10.0.0.1:4000";
const b = "tcp@10.0.0.2:4000";
const c = "tcp@10.0.0.3:4000";
/** An election on a machine that is busy with other tests. */
const patienceMs = 15_000;

describe.skipIf(isEtcdMissing)("real etcd, read directly", () => {
  const setUp = useEtcd(3);

  async function discover() {
    const { prefix, endpoints, open, nodes } = await setUp();
    const hosts = endpoints.map((endpoint) => new URL(endpoint).host).join(",");
    const target = `etcd://${hosts}${prefix}`;
    const events: RpcEvent[] = [];
    const discovery = new EtcdDiscovery(target, {
      onEvent: (event) => void events.push(event),
    });
    const cleanup = new DisposableStack();
    cleanup.defer(() => discovery.close());
    const addresses = async () =>
      (await discovery.all()).map(({ address }) => address);
    const { store } = open();
    const put = (address: string, said: object = {}) =>
      store.put({ address, services: undefined, ...said }, 0);
    const isKnown = (...expected: string[]) =>
      eventually(
        async () => `${await addresses()}` === `${expected}`,
        patienceMs,
      );
    return {
      ...{ prefix, endpoints, nodes, target, events, discovery, addresses },
      ...{ store, put, isKnown },
      [Symbol.dispose]: () => cleanup.dispose(),
    };
  }

  test("what a registry lists is known, and each change without a poll", async () => {
    using fleet = await discover();
    const { put, store, discovery, addresses, isKnown } = fleet;
    await put(a, { services: ["Arith"], weight: 2, zone: "z", load: 0.5 });
    expect(await discovery.all()).toEqual([
      { address: a, services: ["Arith"], weight: 2, zone: "z", load: 0.5 },
    ]);
    await put(b);
    await isKnown(a, b);
    await put(c);
    await store.remove(a);
    await isKnown(b, c);
    expect(await addresses()).toEqual([b, c]);
  }, 30_000);

  test("a member that dies or hangs costs nothing that is known, and no change", async () => {
    using fleet = await discover();
    const { put, store, nodes, isKnown, events, discovery } = fleet;
    await put(a);
    await isKnown(a);
    // All ask the first member first.
    const [first, second] = nodes;
    await first?.kill();
    await eventually(() => put(b).then(...yes), patienceMs);
    await isKnown(a, b);
    first?.start();
    second?.stop();
    try {
      await eventually(() => store.remove(a).then(...yes), patienceMs);
      await eventually(() => put(c).then(...yes), patienceMs);
      await eventually(async () => {
        await discovery.refresh().catch(() => {});
        return (await discovery.all()).length === 2;
      }, 10_000);
    } finally {
      second?.continue();
    }
    await isKnown(b, c);
    const kinds = new Set(events.map(({ kind }) => kind));
    kinds.delete("discovery-failed");
    kinds.delete("list-restored");
    expect(kinds.size).toBe(0);
  }, 60_000);

  test("compaction behind its back is a list read anew", async () => {
    using fleet = await discover();
    const { prefix, endpoints, put, isKnown, discovery } = fleet;
    await put(a);
    await isKnown(a);
    const asked: string[] = [];
    const hosts = endpoints.map((endpoint) => new URL(endpoint).host);
    // It stands at a revision that etcd forgets before it asks for more.
    const mayWatch = Promise.withResolvers<void>();
    const held = new EtcdDiscovery(`etcd://${hosts.join(",")}${prefix}`, {
      fetch: async (url, init) => {
        const { pathname } = new URL(url);
        asked.push(pathname);
        if (pathname === "/v3/watch") await mayWatch.promise;
        return fetch(url, init);
      },
    });
    try {
      expect((await held.all()).length).toBe(1);
      await put(b);
      await put(c);
      await isKnown(a, b, c);
      const key = new EtcdKeys(prefix).server(a);
      const range = { key: Buffer.from(key).toString("base64") };
      const endpoint = endpoints[0] as string;
      const post = async (path: string, body: object) =>
        (
          await fetch(endpoint + path, {
            method: "POST",
            body: JSON.stringify(body),
          })
        ).json() as Promise<{ header: { revision: string } }>;
      const { header } = await post("/v3/kv/range", range);
      await post("/v3/kv/compaction", { revision: header.revision });
      asked.length = 0;
      mayWatch.resolve();
      await eventually(async () => (await held.all()).length === 3);
      expect(asked).toContain("/v3/kv/range");
    } finally {
      mayWatch.resolve();
      held.close();
      discovery.close();
    }
  }, 30_000);

  test("connect() calls a server that only etcd and its registry know", async () => {
    using fleet = await discover();
    await using server = new Server();
    server.register({ same: (value: unknown) => value }, "Foo");
    await fleet.put(await server.listen(), { services: ["Foo"] });
    await using xc = await connect(fleet.target);
    expect(await xc.call("Foo.same", 7)).toBe(7);
  }, 30_000);
});

const yes = [() => true, () => false] as const;
