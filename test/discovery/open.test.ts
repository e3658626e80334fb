import { expect, test } from "bun:test";
import { openDiscovery } from "../../src/discovery/open.ts";
import { RegistryDiscovery } from "../../src/discovery/registry.ts";
import { StaticDiscovery } from "../../src/discovery/static.ts";
import { ManualClock } from "../support/manual-clock.ts";
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

test("nothing, both kinds and ill-formed ones are invalid arguments", () => {
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
  ];
  for (const target of targets) {
    expect(() => openDiscovery(target)).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  }
});
