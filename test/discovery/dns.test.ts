import { describe, expect, test } from "bun:test";
import { DnsDiscovery, type SrvRecord } from "../../src/discovery/dns.ts";
import type { RpcEvent } from "../../src/events.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import { FakeResolver, noSuchName } from "./fake-resolver.ts";

/** No jitter, so that a list is stale after 10 s sharp. */
function setUp(target: string) {
  const clock = new ManualClock();
  const resolver = new FakeResolver();
  const events: RpcEvent[] = [];
  const discovery = new DnsDiscovery(target, {
    clock,
    resolver,
    random: () => 0.5,
    onEvent: (event) => void events.push(event),
  });
  const addresses = async () =>
    (await discovery.all()).map(({ address }) => address);
  return { clock, resolver, events, discovery, addresses };
}

function record(name: string, told: Partial<SrvRecord> = {}): SrvRecord {
  return { name, port: 4000, priority: 10, weight: 0, ...told };
}

describe("a host with a port", () => {
  test("each of its addresses is an endpoint", async () => {
    const { resolver, discovery } = setUp("dns://foo.test:4000");
    resolver.addressesOf = async () => [
      "10.0.0.2",
      "fd00::1",
      "10.0.0.1",
      "10.0.0.2",
      "fe80::1%eth0",
    ];
    expect(await discovery.all()).toEqual([
      { address: "tcp@10.0.0.1:4000", services: undefined },
      { address: "tcp@10.0.0.2:4000", services: undefined },
      { address: "tcp@[fd00::1]:4000", services: undefined },
    ]);
    expect(resolver.asked).toEqual(["foo.test"]);
  });

  test("may be written as gRPC does, in capitals, or be an address", async () => {
    for (const [target, host] of [
      ["dns:///foo.test:4000", "foo.test"],
      ["DNS://foo:4000", "foo"],
      ["dns:foo:4000", "foo"],
      ["dns://10.0.0.1:4000", "10.0.0.1"],
      ["dns://[::1]:4000", "::1"],
    ] as const) {
      const { resolver, addresses } = setUp(target);
      await addresses();
      expect(resolver.asked).toEqual([host]);
    }
  });

  test("is asked again when the list is 10 s old, behind what is given", async () => {
    const { clock, resolver, addresses } = setUp("dns://foo.test:4000");
    resolver.addressesOf = async () => ["10.0.0.1"];
    await addresses();
    resolver.addressesOf = async () => ["10.0.0.2"];
    await clock.advance(9_999);
    await addresses();
    expect(resolver.asked).toHaveLength(1);
    await clock.advance(1);
    expect(await addresses()).toEqual(["tcp@10.0.0.1:4000"]);
    await settle();
    expect(await addresses()).toEqual(["tcp@10.0.0.2:4000"]);
    expect(clock.timers).toBe(0);
  });
});

describe("a name without a port", () => {
  test("is asked for its geerpc service, or as it is", async () => {
    for (const [target, name] of [
      ["dns://foo.test", "SRV _geerpc._tcp.foo.test"],
      ["dns://_rpc._tcp.foo.test", "SRV _rpc._tcp.foo.test"],
    ] as const) {
      const { resolver, addresses } = setUp(target);
      await addresses();
      expect(resolver.asked).toEqual([name]);
    }
  });

  test("each record is an endpoint, with its weight where it has one", async () => {
    const { resolver, discovery } = setUp("dns://foo.test");
    resolver.servicesOf = async () => [
      record("b.foo.test.", { port: 4001, weight: 3 }),
      record("a.foo.test"),
    ];
    expect(await discovery.all()).toStrictEqual([
      { address: "tcp@a.foo.test:4000", services: undefined },
      { address: "tcp@b.foo.test:4001", services: undefined, weight: 3 },
    ]);
  });

  test("of several priorities the lowest number counts", async () => {
    const { resolver, addresses } = setUp("dns://foo.test");
    resolver.servicesOf = async () => [
      record("c", { priority: 20 }),
      record("b"),
      record("a"),
    ];
    expect(await addresses()).toEqual(["tcp@a:4000", "tcp@b:4000"]);
  });

  test("a record for the root says that nobody serves", async () => {
    for (const name of [".", ""]) {
      const { resolver, addresses } = setUp("dns://foo.test");
      resolver.servicesOf = async () => [record(name, { port: 1 })];
      expect(await addresses()).toEqual([]);
    }
  });
});

describe("failing", () => {
  test("a name that is not there is unavailable, told, and asked for again", async () => {
    const { clock, resolver, events, addresses } = setUp("dns://foo.test:1");
    resolver.addressesOf = noSuchName;
    const failed = await addresses().catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: "unavailable", sent: false });
    expect(events).toMatchObject([
      {
        kind: "discovery-failed",
        registry: "dns://foo.test:1",
        error: { code: "unavailable", sent: false },
      },
    ]);
    resolver.addressesOf = async () => ["10.0.0.1"];
    await clock.advance(250);
    expect(await addresses()).toEqual(["tcp@10.0.0.1:1"]);
  });

  test("the last good list is kept", async () => {
    const { clock, resolver, events, discovery, addresses } =
      setUp("dns://foo.test:1");
    resolver.addressesOf = async () => ["10.0.0.1"];
    await addresses();
    resolver.addressesOf = noSuchName;
    for (let count = 0; count < 5; count++) {
      await clock.advance(20_000);
      await discovery.refresh().catch(() => {});
    }
    expect(await addresses()).toEqual(["tcp@10.0.0.1:1"]);
    expect(events).toHaveLength(5);
  });

  test("an empty answer is believed at the second one, after 30 s", async () => {
    const { clock, resolver, discovery, addresses } = setUp("dns://foo.test:1");
    resolver.addressesOf = async () => ["10.0.0.1"];
    await addresses();
    resolver.addressesOf = async () => [];
    await discovery.refresh();
    expect(await addresses()).toHaveLength(1);
    await clock.advance(30_000);
    await discovery.refresh();
    expect(await addresses()).toEqual([]);
  });

  test("a list set by hand outlives the answer to a request made before", async () => {
    const { resolver, discovery, addresses } = setUp("dns://foo.test:1");
    resolver.addressesOf = async () => ["10.0.0.1"];
    const refreshed = discovery.refresh();
    discovery.update([{ address: "tcp@h:1", services: undefined }]);
    await refreshed;
    expect(await addresses()).toEqual(["tcp@h:1"]);
  });

  test("a resolver that hangs is given up after 3 s", async () => {
    const { clock, resolver, addresses } = setUp("dns://foo.test:1");
    resolver.addressesOf = () => new Promise(() => {});
    const failed = addresses().catch((error: unknown) => error);
    await clock.advance(2_999);
    expect(clock.timers).toBe(1);
    await clock.advance(1);
    expect(await failed).toMatchObject({ code: "unavailable", sent: false });
    expect(clock.timers).toBe(0);
  });

  test("closing ends those who wait, and tells nothing", async () => {
    const { clock, resolver, events, discovery, addresses } =
      setUp("dns://foo.test:1");
    resolver.addressesOf = () => new Promise(() => {});
    const failed = addresses().catch((error: unknown) => error);
    await settle();
    discovery.close();
    expect(await failed).toMatchObject({ code: "unavailable", sent: false });
    expect(clock.timers).toBe(0);
    expect(events).toEqual([]);
  });
});

test("what cannot be asked for is refused", () => {
  for (const target of [
    "dns://",
    "dns://:4000",
    "dns://foo:0",
    "dns://foo:http",
    "dns://foo bar",
    "dns://foo/",
    "dns://8.8.8.8/foo:4000",
    "dns://foo..test",
  ]) {
    expect(() => new DnsDiscovery(target)).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  }
});

test("the machine's own resolver knows this machine", async () => {
  const discovery = new DnsDiscovery("dns://localhost:4000");
  const addresses = (await discovery.all()).map(({ address }) => address);
  expect(addresses).toContain("tcp@127.0.0.1:4000");
  discovery.close();
});
