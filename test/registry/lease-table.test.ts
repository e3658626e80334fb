import { describe, expect, test } from "bun:test";
import { randomIndex } from "../../src/base/random.ts";
import {
  type Change,
  defaultLeaseLimits,
  LeaseTable,
  type Registration,
} from "../../src/registry/lease-table.ts";
import { testRandom } from "../support/seed.ts";

const server = (name: string, services?: readonly string[]): Registration => ({
  address: `tcp@${name}:1`,
  services,
});

function addressesOf(table: LeaseTable, now: number): string[] {
  return table.live(now).map(({ address }) => address);
}

test("a lease is live before its instant and gone at it", () => {
  const table = new LeaseTable();
  table.register(server("a"), 100, 1_000);
  expect(table.live(1_099.9)).toEqual([
    { address: "tcp@a:1", services: undefined, expiresAt: 1_100 },
  ]);
  expect(addressesOf(table, 1_100)).toEqual([]);
});

test("TTL 0 never ends", () => {
  const table = new LeaseTable();
  table.register(server("a"), 0, 0);
  expect(table.nextExpiry).toBe(Infinity);
  expect(addressesOf(table, Number.MAX_VALUE)).toEqual(["tcp@a:1"]);
});

test("nextExpiry is never after the earliest end", () => {
  const table = new LeaseTable();
  expect(table.nextExpiry).toBe(Infinity);
  table.register(server("a"), 500, 0);
  table.register(server("b"), 100, 0);
  expect(table.nextExpiry).toBe(100);
  table.register(server("b"), 400, 50);
  table.expire(100);
  expect(table.nextExpiry).toBe(450);
  table.expire(450);
  expect(table.nextExpiry).toBe(500);
  table.expire(500);
  expect(table.nextExpiry).toBe(Infinity);
});

test("what time brought is told before what the call brings", () => {
  const changes: Change[] = [];
  const table = new LeaseTable(defaultLeaseLimits, (change) => {
    changes.push(change);
  });
  table.register(server("b"), 100, 0);
  table.register(server("a"), 100, 0);
  table.register(server("c"), 0, 200);
  expect(changes.slice(2)).toEqual([
    { kind: "removed", address: "tcp@a:1", reason: "expired" },
    { kind: "removed", address: "tcp@b:1", reason: "expired" },
    { kind: "added", registration: server("c") },
  ]);
  expect(table.revision).toBe(5);
});

test("the revision counts changes, not renewals", () => {
  const table = new LeaseTable();
  table.register(server("a", ["Foo"]), 100, 0);
  table.register(server("a", ["Foo"]), 100, 10);
  expect(table.revision).toBe(1);
  table.register(server("a", ["Foo", "Bar"]), 100, 20);
  expect(table.revision).toBe(2);
  table.register(server("a", ["Foo", "Baz"]), 100, 20);
  expect(table.revision).toBe(3);
  table.register(server("a"), 100, 20);
  expect(table.revision).toBe(4);
  table.register(server("a", []), 100, 20);
  expect(table.revision).toBe(5);
  expect(table.remove("tcp@b:1", 30)).toBe(false);
  expect(table.revision).toBe(5);
  expect(table.remove("tcp@a:1", 30)).toBe(true);
  expect(table.revision).toBe(6);
});

describe("limits", () => {
  const full = expect.objectContaining({ code: "resource_exhausted" });

  test("the bytes of the list are counted as they come and go", () => {
    const table = new LeaseTable({ maxServers: 100, maxListBytes: 1_000 });
    const long = (name: string) => server(name, ["x".repeat(350)]);
    table.register(long("a"), 100, 0);
    table.register(long("b"), 0, 0);
    expect(() => table.register(long("c"), 0, 0)).toThrow(full);
    expect(() => table.register(server("a", ["x".repeat(600)]), 0, 0)).toThrow(
      full,
    );
    expect(table.revision).toBe(2);
    // Renewing is not adding.
    for (let i = 0; i < 10; i++) table.register(long("a"), 100, 0);
    table.register(server("b"), 0, 0);
    table.register(long("c"), 0, 0);
    table.remove("tcp@c:1", 0);
    table.register(long("d"), 0, 0);
    // The lease of a has ended by now.
    table.register(long("e"), 0, 100);
    expect(addressesOf(table, 100)).toEqual(["tcp@b:1", "tcp@d:1", "tcp@e:1"]);
  });

  test("the JSON form of a full table keeps to its limit", () => {
    const limits = { maxServers: 10_000, maxListBytes: 100_000 };
    const table = new LeaseTable(limits);
    let count = 0;
    try {
      for (; ; count++) table.register(server(`h${count}`, ["\t\u20ac"]), 0, 0);
    } catch (thrown) {
      expect(thrown).toMatchObject({ code: "resource_exhausted" });
    }
    const servers = table.live(0).map(({ address, services }) => ({
      address,
      services,
      expiresInMs: 30 * 24 * 60 * 60 * 1000,
    }));
    expect(servers).toHaveLength(count);
    const bytes = Buffer.byteLength(JSON.stringify({ servers }));
    expect(bytes).toBeLessThanOrEqual(limits.maxListBytes);
    expect(bytes).toBeGreaterThan(limits.maxListBytes / 2);
  });
});

test("does as a plain map does, through thousands of steps", () => {
  const random = testRandom();
  const table = new LeaseTable();
  const model = new Map<string, number>();
  let now = 0;
  for (let step = 0; step < 5_000; step++) {
    now += randomIndex(20, random);
    const name = `h${randomIndex(30, random)}`;
    for (const [key, expiresAt] of model) {
      if (expiresAt <= now) model.delete(key);
    }
    if (random() < 0.7) {
      const ttlMs = randomIndex(300, random);
      table.register(server(name), ttlMs, now);
      model.set(`tcp@${name}:1`, ttlMs === 0 ? Infinity : now + ttlMs);
    } else {
      const wasThere = table.remove(`tcp@${name}:1`, now);
      expect(wasThere).toBe(model.delete(`tcp@${name}:1`));
    }
    expect(addressesOf(table, now)).toEqual([...model.keys()].sort());
    expect(table.nextExpiry).toBeLessThanOrEqual(
      Math.min(Infinity, ...model.values()),
    );
  }
});
