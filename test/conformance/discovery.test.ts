import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  test,
} from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Discovery, Endpoint } from "../../src/discovery/discovery.ts";
import { EtcdDiscovery } from "../../src/discovery/etcd.ts";
import { DnsDiscovery, type SrvRecord } from "../../src/discovery/dns.ts";
import { FileDiscovery } from "../../src/discovery/file.ts";
import { RegistryDiscovery } from "../../src/discovery/registry.ts";
import { StaticDiscovery } from "../../src/discovery/static.ts";
import { FakeEtcd, prefix } from "../discovery/fake-etcd.ts";
import { FakeResolver } from "../discovery/fake-resolver.ts";
import { FakeRegistry, listing } from "../discovery/fake-registry.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";

/** Makes a discovery to which `addresses` are known, or will be once it has asked. */
type DiscoveryFactory = (
  addresses: readonly string[],
  clock: ManualClock,
) => Discovery;

const implementations: Record<string, DiscoveryFactory> = {
  static: (addresses) => new StaticDiscovery(addresses),
  registry: (addresses, clock) =>
    new RegistryDiscovery("http://registry.test", {
      fetch: new FakeRegistry(() => listing(...addresses)).fetch,
      clock,
    }),
  etcd: (addresses, clock) => {
    const etcd = new FakeEtcd();
    for (const address of addresses) etcd.register(address);
    const { fetch } = etcd;
    return new EtcdDiscovery(`etcd://x${prefix}`, { fetch, clock });
  },
  dns: (addresses, clock) => {
    const resolver = new FakeResolver();
    resolver.servicesOf = async () => addresses.map(recordOf);
    return new DnsDiscovery("dns://foo.test", { resolver, clock });
  },
  file: (addresses, clock) => {
    // One folder each: a watch tells of all that is written there.
    const path = join(mkdtempSync(join(folder, "list-")), "servers");
    writeFileSync(path, addresses.join("\n"));
    return new FileDiscovery(`file:${path}`, { clock });
  },
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "geerpc-discovery-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function recordOf(address: string): SrvRecord {
  const [name = "", port] = address.replace("tcp@", "").split(":");
  return { name, port: Number(port), priority: 0, weight: 0 };
}

const a = "tcp@10.0.0.1:4000";
const b = "tcp@10.0.0.2:4000";
const c = "tcp@10.0.0.3:4000";
const path = "unix@/run/geerpc.sock";

for (const [name, make] of Object.entries(implementations)) {
  describe(`every discovery: ${name}`, () => {
    const clock = new ManualClock();
    const opened: Discovery[] = [];
    const open = (...addresses: string[]) => {
      const discovery = make(addresses, clock);
      opened.push(discovery);
      return discovery;
    };
    afterEach(() => {
      for (const discovery of opened.splice(0)) discovery.close();
    });

    test("all gives every endpoint once, sorted by address", async () => {
      const discovery = open(c, b, a, b);
      expect(await discovery.all()).toEqual([
        { address: a, services: undefined },
        { address: b, services: undefined },
        { address: c, services: undefined },
      ]);
    });

    test("addresses have their one form", async () => {
      const endpoints = await open("10.0.0.1:04000").all();
      expect(endpoints.map(({ address }) => address)).toEqual([a]);
    });

    test("update replaces the list, checked, copied and sorted", async () => {
      const discovery = open(a);
      await discovery.all();
      const services = ["Arith"];
      const given: Endpoint[] = [
        { address: path, services: undefined },
        { address: b, services },
        { address: b, services: ["Later"] },
        { address: a, services: undefined },
      ];
      discovery.update(given);
      given.pop();
      services.push("Foo");
      expect(await discovery.all()).toEqual([
        { address: a, services: undefined },
        { address: b, services: ["Arith"] },
        { address: path, services: undefined },
      ]);
    });

    test("an update with an ill-formed address changes nothing", async () => {
      const discovery = open(a);
      const before = await discovery.all();
      for (const address of ["nowhere", "tcp@10.0.0.9:0", "tls@", "a@b@c"]) {
        expect(() =>
          discovery.update([{ address, services: undefined }]),
        ).toThrow(expect.objectContaining({ code: "invalid_argument" }));
      }
      expect(await discovery.all()).toEqual(before);
    });

    test("a list that was given stays as it is", async () => {
      const discovery = open(a, b);
      const before = await discovery.all();
      expect(Object.isFrozen(before)).toBe(true);
      discovery.update([{ address: c, services: undefined }]);
      expect(before).toHaveLength(2);
      expect(await discovery.all()).not.toBe(before);
    });

    test("refresh resolves, and the list is there", async () => {
      const discovery = open(a);
      await discovery.refresh();
      expect(await discovery.all()).toHaveLength(1);
    });

    test("closed, it is unavailable, and nothing is left behind", async () => {
      const discovery = open(a);
      await discovery.all();
      discovery.close();
      discovery.close();
      for (const failed of [discovery.all(), discovery.refresh()]) {
        await expect(failed).rejects.toMatchObject({
          code: "unavailable",
          sent: false,
        });
      }
      await settle();
      expect(clock.timers).toBe(0);
    });
  });
}
