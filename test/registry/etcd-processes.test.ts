import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { isEtcdMissing, startEtcd } from "../support/etcd.ts";
import { Program } from "../support/geerpc.ts";
import { eventually } from "./etcd-set-up.ts";

const root = join(import.meta.dir, "../..");

function startRegistry(...flags: string[]): Program {
  const command = ["src/main.ts", "registry", "--listen=127.0.0.1:0", ...flags];
  return new Program([process.execPath, ...command], { cwd: root });
}

async function register(url: string, address: string): Promise<number> {
  const headers = { "X-Geerpc-Server": address };
  return (await fetch(url, { method: "POST", headers })).status;
}

async function listedAt(url: string): Promise<string> {
  return (await fetch(url)).headers.get("X-Geerpc-Servers") ?? "";
}

describe.skipIf(isEtcdMissing)("geerpc registry --store", () => {
  test("any of several may die, and come back", async () => {
    await using etcd = await startEtcd(1);
    const hosts = etcd.endpoints.map((endpoint) => new URL(endpoint).host);
    const store = `--store=etcd://${hosts.join(",")}/processes`;
    await using first = startRegistry(store);
    await using second = startRegistry(store);
    const urls = [await first.listening(), await second.listening()] as const;
    expect(await register(urls[0], "tcp@10.0.0.1:1")).toBe(200);
    expect(await register(urls[1], "tcp@10.0.0.2:1")).toBe(200);
    const both = "tcp@10.0.0.1:1,tcp@10.0.0.2:1";
    for (const url of urls) {
      await eventually(async () => (await listedAt(url)) === both);
    }
    first.signal("SIGKILL");
    await first.ended();
    expect(await listedAt(urls[1])).toBe(both);
    // It renews what the dead one took.
    expect(await register(urls[1], "tcp@10.0.0.1:1")).toBe(200);
    await using third = startRegistry(store);
    const url = await third.listening();
    expect(await listedAt(url)).toBe(both);
    await etcd.nodes[0]?.kill();
    expect(await register(url, "tcp@10.0.0.3:1")).toBe(503);
    expect(await listedAt(url)).toBe(both);
    third.signal("SIGTERM");
    const { code, stderr } = await third.ended();
    expect(code).toBe(0);
    expect(stderr).toContain("10.0.0.2");
  }, 30_000);
});

test("a store that is none, or a folder besides, is wrong usage", async () => {
  const wrong = [
    ["--store=http://127.0.0.1:2379"],
    ["--store=etcd://127.0.0.1:2379", "--data=/tmp/nowhere"],
  ];
  for (const flags of wrong) {
    await using registry = startRegistry(...flags);
    expect((await registry.ended()).code).toBe(2);
  }
});
