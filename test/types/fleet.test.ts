import { expect, expectTypeOf, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CallError,
  type ConnectOptions,
  ConsistentHashPicker,
  connect,
  createPicker,
  type Description,
  defaultLeaseLimits,
  DnsDiscovery,
  type DnsResolver,
  EtcdDiscovery,
  EtcdStore,
  type EtcdTarget,
  FileDiscovery,
  type HedgeOptions,
  heartbeat,
  LeastLoadedPicker,
  type OnEvent,
  openDiscovery,
  parseEtcdUrl,
  type PickerFactory,
  type PollOptions,
  RandomPicker,
  type Registrant,
  Registry,
  registerPicker,
  RoundRobinPicker,
  type RpcEvent,
  Server,
  SqliteStore,
  type SrvRecord,
  type Store,
  selectModes,
  type WatchFolder,
  WeightedPicker,
  type XCallOptions,
  XClient,
  ZonePicker,
} from "../../src/index.ts";

// What a program needs for servers that come and go comes from the index.

class Arith {
  sum({ a, b }: { a: number; b: number }): number {
    return a + b;
  }
}

test("a registry with a store that lasts, and a server that describes itself", async () => {
  const folder = await mkdtemp(join(tmpdir(), "geerpc-types-"));
  const onEvent: OnEvent = () => {};
  const store: Store = new SqliteStore(folder, {
    limits: { ...defaultLeaseLimits, maxServers: 10 },
    onEvent,
  });
  await using registry = new Registry({ store, onEvent });
  const url = await registry.listen("127.0.0.1:0");
  await using server = new Server();
  server.register(new Arith());
  const registrant: Registrant = {
    address: await server.listen(),
    services: server.services,
    version: "1.2",
    weight: 2,
    zone: "a",
    labels: { rack: "7" },
  };
  const beat = heartbeat(url, registrant);
  await beat.firstAttempt;
  const [listed] = (await store.list()).servers;
  const described: Description | undefined = listed;
  expect(described).toMatchObject({ version: "1.2", weight: 2, zone: "a" });
  expect(described?.labels).toEqual(new Map([["rack", "7"]]));

  const options: ConnectOptions = {
    mode: "zone",
    zone: "a",
    hedge: { afterMs: 50, maxFraction: 0.2 },
    discovery: { keepIn: join(folder, "list.json") },
  };
  await using xc = await connect<{ Arith: Arith }>(url, options);
  const own: XCallOptions = { idempotent: true, key: "a", hedge: false };
  expect(await xc.Arith.sum({ a: 1, b: 2 }, own)).toBe(3);
  const args = { a: 1, b: 2 };
  const replies = await xc.quorum<number>(1, "Arith.sum", args);
  expectTypeOf(replies).toEqualTypeOf<Map<string, number>>();
  expect([...replies.values()]).toEqual([3]);
  expect(await xc.fork<number>("Arith.sum", args)).toBe(3);
  await beat.close();
  await store.close();
  await rm(folder, { recursive: true });
});

test("how a call failed", async () => {
  const addresses = ["tcp@127.0.0.1:1", "tcp@127.0.0.1:2"];
  await using xc = new XClient(openDiscovery(addresses));
  const error = await xc.call("Arith.sum").catch((thrown: unknown) => thrown);
  if (!(error instanceof CallError)) throw error;
  expect(error.attempts.map(({ code }) => code)).toHaveLength(2);
  expect(error.sent).toBe(false);
});

test("etcd, for a registry and without one", async () => {
  const target: EtcdTarget = parseEtcdUrl("etcd://a:2379,b:2379/geerpc");
  expect(target.endpoints).toHaveLength(2);
  const refuse = () => Promise.reject(new Error("away"));
  const store: Store = new EtcdStore(target, { fetch: refuse });
  await store.close();
  const discovery = new EtcdDiscovery("etcd://a:2379", { fetch: refuse });
  discovery.close();
});

test("names in DNS, and files, with what they ask", async () => {
  const records: SrvRecord[] = [
    { name: "a.example.", port: 7_000, priority: 1, weight: 2 },
  ];
  const resolver: DnsResolver = {
    addresses: async () => ["10.0.0.1"],
    services: async () => records,
  };
  const poll: PollOptions = { refreshAfterMs: 1_000 };
  const dns = new DnsDiscovery("dns://example", { ...poll, resolver });
  expect(await dns.all()).toMatchObject([{ address: "tcp@a.example:7000" }]);
  dns.close();
  const watchFolder: WatchFolder = () => ({ close() {} });
  const file = new FileDiscovery("file:servers", { ...poll, watchFolder });
  file.close();
});

test("a mode made of those that there are", () => {
  const near: PickerFactory = (random, zone) =>
    new ZonePicker(random, zone, () => new LeastLoadedPicker(random));
  registerPicker("near-least-loaded", near);
  expect(selectModes()).toContain("near-least-loaded");
  const endpoints = [{ address: "tcp@a:1", services: undefined, zone: "a" }];
  const call = { serviceMethod: "Arith.sum", key: "k" };
  for (const picker of [
    createPicker("near-least-loaded", Math.random, "a"),
    new ConsistentHashPicker(Math.random),
    new RandomPicker(Math.random),
    new RoundRobinPicker(Math.random),
    new WeightedPicker(Math.random),
  ]) {
    expect(picker.pick(endpoints, call)).toBe(endpoints[0] as never);
  }
});

test("events tell of servers that are left out", () => {
  type Ejected = Extract<RpcEvent, { kind: "server-ejected" }>;
  expectTypeOf<Ejected["forMs"]>().toEqualTypeOf<number>();
  const seen: string[] = [];
  const onEvent: OnEvent = (event) => {
    if (event.kind === "server-ejected") seen.push(event.reason);
    if (event.kind === "server-returned") seen.push(event.address);
  };
  onEvent({ kind: "server-returned", address: "tcp@a:1" });
  expect(seen).toEqual(["tcp@a:1"]);
});

test("a part of the calls is from 0 to 1", () => {
  const hedge: HedgeOptions = { maxFraction: 1.1 };
  const make = () => new XClient(openDiscovery("tcp@a:1"), { hedge });
  expect(make).toThrow(expect.objectContaining({ code: "invalid_argument" }));
});
