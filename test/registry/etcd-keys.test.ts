import { expect, test } from "bun:test";
import {
  EtcdKeys,
  formatEntry,
  parseEtcdUrl,
  readEntry,
} from "../../src/registry/etcd-keys.ts";

test.each([
  ["etcd://h1", ["http://h1:2379"], "/geerpc"],
  ["etcd://h1/", ["http://h1:2379"], "/geerpc"],
  ["etcd://h1:1,h2/p", ["http://h1:1", "http://h2:2379"], "/p"],
  ["etcd://h1,h1:2379,/p/q/", ["http://h1:2379"], "/p/q"],
  ["etcd://[::1],[::1]:1", ["http://[::1]:2379", "http://[::1]:1"], "/geerpc"],
])("%s", (text, endpoints, prefix) => {
  expect(parseEtcdUrl(text)).toEqual({ endpoints, prefix });
});

test.each([
  "",
  "etcd://",
  "etcd:///p",
  "etcd://,/p",
  "http://h1:2379",
  "etcd://h1:x",
  "etcd://:2379",
  "etcd://h1:99999",
  "etcd://::1",
  "etcd://user:secret@h1",
  "etcd://h1//p",
  "etcd://h1/p?q",
  "etcd://h 1",
])("%j is no store", (text) => {
  expect(() => parseEtcdUrl(text)).toThrow(
    expect.objectContaining({ code: "invalid_argument" }),
  );
});

test("keys are told apart, also those of another prefix", () => {
  const keys = new EtcdKeys("/p");
  const address = "unix@/run/a";
  expect(keys.addressOf(keys.server(address))).toBe(address);
  expect(keys.registryOf(keys.registry("1"))).toBe("1");
  expect(keys.addressOf(keys.registry("1"))).toBeUndefined();
  expect(keys.registryOf(keys.server(address))).toBeUndefined();
  expect(keys.addressOf("/pp/servers/a")).toBeUndefined();
  expect(keys.gone.startsWith(keys.all)).toBe(true);
});

test("an entry is read as it was written", () => {
  const registration = {
    address: "tcp@10.0.0.1:1",
    services: ["Arith"],
    load: 0.5,
    labels: new Map([["rack", "7"]]),
  };
  const entry = { registration, ttlMs: 5_000, owner: "ann", keeper: "1" };
  for (const one of [entry, { ...entry, owner: undefined, ttlMs: 0 }]) {
    expect(readEntry(registration.address, formatEntry(one))).toEqual(one);
  }
});

test.each([
  "",
  "[]",
  "{}",
  '{"ttlMs":5,"keeper":1}',
  '{"ttlMs":-1,"keeper":"1"}',
  '{"ttlMs":"5","keeper":"1"}',
  '{"ttlMs":5}',
  '{"ttlMs":5,"keeper":"1","owner":7}',
  '{"ttlMs":5,"keeper":"1","services":7}',
])("%j is no entry", (value) => {
  expect(readEntry("tcp@10.0.0.1:1", value)).toBeUndefined();
});
