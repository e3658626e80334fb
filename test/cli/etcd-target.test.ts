import { expect, test } from "bun:test";
import { isEtcdMissing, startEtcd } from "../support/etcd.ts";
import { client, start } from "./in-process.ts";

test.skipIf(isEtcdMissing)(
  "--server etcd://… asks the etcd of registries, which may all be away",
  async () => {
    await using etcd = await startEtcd(1);
    const hosts = etcd.endpoints.map((endpoint) => new URL(endpoint).host);
    const url = `etcd://${hosts.join(",")},127.0.0.1:1/cli`;
    await using registry = await start(
      "registry",
      ...["--listen=127.0.0.1:0", "--store", url],
    );
    await using server = await start(
      "server",
      ...["--registry", registry.listening, "--zone=near"],
    );
    const at = ["--server", url];
    const [listed] = (await client(["--list", ...at])).out;
    expect(listed).toMatchObject({
      servers: [{ address: server.listening, services: ["Foo"], zone: "near" }],
    });
    registry.io.signal("SIGTERM");
    expect(await registry.ended).toBe(0);
    const called = await client(["Foo.Whoami", ...at]);
    expect(called).toMatchObject({ code: 0, out: [{ pid: process.pid }] });
  },
  30_000,
);
