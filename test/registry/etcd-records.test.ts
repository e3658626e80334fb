import { expect, test } from "bun:test";
import { EtcdKeys, formatEntry } from "../../src/registry/etcd-keys.ts";
import { EtcdRecords } from "../../src/registry/etcd-records.ts";
import {
  type Change,
  defaultLeaseLimits,
} from "../../src/registry/lease-table.ts";

const keys = new EtcdKeys("/p");
const [a, b] = ["tcp@10.0.0.1:1", "tcp@10.0.0.2:1"] as const;

function setUp(maxServers = 10) {
  const changes: Change[] = [];
  const entries: [string, string | undefined][] = [];
  const records = new EtcdRecords({
    keys,
    limits: { ...defaultLeaseLimits, maxServers },
    onChange: (change) => void changes.push(change),
    onEntry: (address, entry) => void entries.push([address, entry?.keeper]),
  });
  const addresses = () =>
    records.leases.map(({ registration }) => registration.address);
  return { records, changes, entries, addresses };
}

function server(
  address: string,
  modRevision: number,
  keeper = "1",
  owner?: string,
) {
  const registration = { address, services: undefined };
  const value = formatEntry({ registration, ttlMs: 5_000, owner, keeper });
  return { key: keys.server(address), value, modRevision };
}

const registry = (id: string) => ({
  key: keys.registry(id),
  value: "",
  modRevision: 1,
});

test("the whole list tells only what is new, so that no lease begins anew", () => {
  const { records, changes, entries } = setUp();
  records.replace([registry("1"), server(a, 2), server(b, 3)]);
  records.replace([registry("1"), server(a, 2), server(b, 4)]);
  expect(entries).toEqual([
    [a, "1"],
    [b, "1"],
    [b, "1"],
  ]);
  expect(changes.map(({ kind }) => kind)).toEqual(["added", "added"]);
});

test("the whole list takes out what is not in it, registries too", () => {
  const { records, changes, addresses } = setUp();
  records.replace([registry("1"), server(a, 2), server(b, 3)]);
  expect(records.orphans(9)).toEqual([]);
  records.replace([registry("2"), server(b, 3)]);
  expect(addresses()).toEqual([b]);
  expect(changes.at(-1)).toMatchObject({ kind: "removed", address: a });
  expect(records.modRevision(a)).toBe(0);
  expect([records.isThere("1"), records.isFirst("2")]).toEqual([false, true]);
});

test("orphans are those whose keeper has gone, or was never there", () => {
  const { records } = setUp();
  records.replace([registry("1"), registry("2"), server(a, 2, "2")]);
  expect(records.orphans(9)).toEqual([]);
  records.apply([{ kind: "put", ...server(b, 3, "3") }]);
  expect(records.orphans(9)).toEqual([b]);
  records.apply([{ kind: "delete", ...registry("2") }]);
  expect(records.orphans(9)).toEqual([a, b]);
  expect(records.orphans(1)).toEqual([a]);
  records.apply([
    { kind: "put", ...server(a, 4, "1") },
    { kind: "put", ...server(b, 5, "1") },
  ]);
  expect(records.orphans(9)).toEqual([]);
});

test("another owner's, whose removal was missed, is another server", () => {
  const { records, changes } = setUp();
  records.replace([server(a, 2, "1", "ann")]);
  records.replace([server(a, 5, "1", "bob")]);
  expect(records.get(a)?.owner).toBe("bob");
  expect(changes.map(({ kind }) => kind)).toEqual([
    "added",
    "removed",
    "added",
  ]);
});

test("what is overwritten by something else is not listed", () => {
  const { records, addresses } = setUp();
  records.replace([server(a, 2)]);
  records.apply([{ kind: "put", ...server(a, 3), value: "{" }]);
  expect(addresses()).toEqual([]);
  expect(records.get(a)).toBeUndefined();
  expect(records.modRevision(a)).toBe(3);
});

test("what another registry has room for is known, if not listed", () => {
  const { records, addresses } = setUp(1);
  records.replace([server(a, 2), server(b, 3)]);
  expect(addresses()).toEqual([a]);
  expect(records.get(b)).toBeDefined();
});
