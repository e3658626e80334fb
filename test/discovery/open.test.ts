import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { EtcdDiscovery } from "../../src/discovery/etcd.ts";
import { DnsDiscovery } from "../../src/discovery/dns.ts";
import { FileDiscovery } from "../../src/discovery/file.ts";
import { openDiscovery } from "../../src/discovery/open.ts";
import { RegistryDiscovery } from "../../src/discovery/registry.ts";
import { StaticDiscovery } from "../../src/discovery/static.ts";
import { Server } from "../../src/server/server.ts";
import { connect } from "../../src/xclient/connect.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { FakeEtcd, prefix } from "./fake-etcd.ts";
import { FakeResolver } from "./fake-resolver.ts";
import { listing, refused } from "./fake-registry.ts";

test("addresses, in a string or an array, are a static list", async () => {
  for (const target of [
    "tcp@h:1, unix@/run/s.sock,",
    ["tcp@h:1", "unix@/run/s.sock"],
    ["tcp@h:1,unix@/run/s.sock"],
  ]) {
    const discovery = openDiscovery(target);
    expect(discovery).toBeInstanceOf(StaticDiscovery);
    expect(await discovery.all()).toMatchObject([
      { address: "tcp@h:1" },
      { address: "unix@/run/s.sock" },
    ]);
  }
});

test("URLs are registries, all of them in one discovery", async () => {
  const asked: string[] = [];
  const discovery = openDiscovery(
    "http://one.test:9999/_geerpc_/registry , HTTPS://two.test",
    {
      clock: new ManualClock(),
      fetch: async (url) => {
        asked.push(url);
        return asked.length === 1 ? refused() : listing("tcp@h:1");
      },
    },
  );
  expect(discovery).toBeInstanceOf(RegistryDiscovery);
  expect(await discovery.all()).toMatchObject([{ address: "tcp@h:1" }]);
  expect(asked).toEqual([
    "http://one.test:9999/_geerpc_/registry",
    "https://two.test/_geerpc_/registry",
  ]);
});

test("an http@ address is a server, not a registry", () => {
  expect(openDiscovery("http@h:1")).toBeInstanceOf(StaticDiscovery);
});

test("a name in DNS and a file are discoveries of their own, with the options", async () => {
  const resolver = new FakeResolver();
  resolver.addressesOf = async () => ["10.0.0.1"];
  const options = { clock: new ManualClock(), resolver };
  const name = openDiscovery("dns://foo.test:4000", options);
  expect(name).toBeInstanceOf(DnsDiscovery);
  expect(await name.all()).toMatchObject([{ address: "tcp@10.0.0.1:4000" }]);
  for (const target of ["file:servers", ["FILE:///etc/servers"]]) {
    expect(openDiscovery(target)).toBeInstanceOf(FileDiscovery);
  }
});

test("an etcd is one target with all of its members, however its commas are taken", async () => {
  for (const target of [
    ` etcd://x:1,y:2${prefix}`,
    [`ETCD://x:1,y:2${prefix}`],
    ["etcd://x:1", `y:2${prefix}`],
  ]) {
    const etcd = new FakeEtcd();
    etcd.register("tcp@h:1");
    etcd.down.add("x:1");
    const { fetch } = etcd;
    const options = { clock: new ManualClock(), watch: false, fetch };
    const discovery = openDiscovery(target, options);
    expect(discovery).toBeInstanceOf(EtcdDiscovery);
    expect(await discovery.all()).toMatchObject([{ address: "tcp@h:1" }]);
    expect(etcd.asked).toEqual(["x:1 range", "y:2 range"]);
  }
});

test("who connects loads nothing of a registry but its words", async () => {
  const folder = join(import.meta.dir, "..", "..", "src");
  const seen = new Set<string>();
  const visit = async (path: string): Promise<void> => {
    if (seen.has(path)) return;
    seen.add(path);
    const text = await readFile(path, "utf8");
    const { imports } = new Bun.Transpiler({ loader: "ts" }).scan(text);
    for (const { path: to } of imports) {
      if (to.startsWith(".")) await visit(join(dirname(path), to));
    }
  };
  await visit(join(folder, "discovery", "open.ts"));
  const ofRegistry = [...seen]
    .filter((path) => path.startsWith(join(folder, "registry/")))
    .map((path) => basename(path, ".ts"));
  expect(ofRegistry.sort()).toEqual([
    "description",
    "etcd-endpoints",
    "etcd-gateway",
    "etcd-keys",
    "headers",
    "request",
    "tokens",
    "url",
  ]);
});

describe("connect", () => {
  let folder: string;
  let server: Server;
  let address: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "geerpc-open-"));
    server = new Server().register({ same: (value: unknown) => value }, "Foo");
    address = await server.listen();
  });
  afterEach(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  test("calls the servers of a file, and those of a name", async () => {
    const path = join(folder, "servers");
    await writeFile(path, `${address}\n`);
    const port = address.slice(address.lastIndexOf(":") + 1);
    for (const target of [`file:${path}`, `dns://localhost:${port}`]) {
      await using xc = await connect(target);
      expect(await xc.call("Foo.same", 1)).toBe(1);
    }
  });

  test("starts from the kept list while no registry can be asked", async () => {
    const keepIn = join(folder, "kept.json");
    const target = "http://registry.test";
    for (const fetch of [async () => listing(address), async () => refused()]) {
      const discovery = { keepIn, fetch };
      await using xc = await connect(target, { discovery });
      expect(await xc.call("Foo.same", 1)).toBe(1);
    }
  });
});

test("nothing, several kinds and ill-formed ones are invalid arguments", () => {
  const targets = [
    "",
    " , ",
    [],
    "http://h:1,tcp@h:1",
    ["tcp@h:1", "https://h"],
    "tcp@h",
    "tcp@h:0",
    "quic@h:1",
    "http://h:port",
    "dns://a:1,dns://b:1",
    "dns://a:1,tcp@h:1",
    "file:a,file:b",
    ["http://h", "file:a"],
    "dns://",
    "file:",
    "etcd:",
    "etcd://h:1,tcp@h:1",
    "etcd://a/p,etcd://b/p",
    ["http://h", "etcd://h"],
  ];
  for (const target of targets) {
    expect(() => openDiscovery(target)).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  }
});
