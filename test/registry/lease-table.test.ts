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
  return table.live(now).map(({ registration }) => registration.address);
}

test("a lease is live before its instant and gone at it", () => {
  const table = new LeaseTable();
  table.register(server("a"), 100, 1_000);
  expect(table.live(1_099.9)).toEqual([
    {
      registration: server("a"),
      owner: undefined,
      ttlMs: 100,
      expiresAt: 1_100,
      toldLoad: undefined,
      isRespited: false,
    },
  ]);
  expect(addressesOf(table, 1_100)).toEqual([]);
});

test("a load is told when it is a tenth off the last one that was, and is no other list", () => {
  const told: unknown[] = [];
  const table = new LeaseTable(undefined, (change) => {
    if (change.kind === "removed") return;
    told.push(`${change.kind} ${change.registration.load}`);
  });
  const loads = [0.3, 0.39, 0.21, 0.3, 0.4, 0.31, 0.49, 0.5, undefined, 0];
  for (const load of loads) {
    const said = load === undefined ? {} : { load };
    table.register({ ...server("a"), ...said }, 0, 0);
    expect(table.live(0)[0]?.registration.load).toBe(load);
  }
  expect(told).toEqual([
    "added 0.3",
    "loaded 0.4",
    "loaded 0.5",
    "loaded undefined",
    "loaded 0",
  ]);
  expect(table.revision).toBe(1);
  table.register({ ...server("a"), zone: "z", load: 0.09 }, 0, 0);
  table.register({ ...server("a"), zone: "z", load: 0.1 }, 0, 0);
  expect(told.slice(5)).toEqual(["changed 0.09"]);
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

test("one lease is given while it is live", () => {
  const table = new LeaseTable();
  table.register(server("a", ["Foo"]), 100, 0);
  expect(table.get("tcp@a:1", 99)).toMatchObject({
    registration: { services: ["Foo"] },
  });
  expect(table.get("tcp@b:1", 99)).toBeUndefined();
  expect(table.get("tcp@a:1", 100)).toBeUndefined();
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

  test("what would be refused can be known before, and changes nothing", () => {
    const table = new LeaseTable({ maxServers: 1, maxListBytes: 1_000 });
    table.register(server("a"), 100, 0);
    expect(() => table.admit(server("b"), 99)).toThrow(full);
    expect(() => table.admit(server("a", ["x".repeat(1_000)]), 99)).toThrow(
      full,
    );
    table.admit(server("a", ["Foo"]), 99);
    expect(table.revision).toBe(1);
    table.admit(server("b"), 100);
    expect(addressesOf(table, 100)).toEqual([]);
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
    const servers = table.live(0).map(({ registration }) => ({
      ...registration,
      load: 0.99,
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
    // Fewer than those of whom too many could end at once.
    const name = `h${randomIndex(9, random)}`;
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

test("every lease can be made whole again", () => {
  const table = new LeaseTable();
  table.register(server("a"), 0, 0);
  table.register(server("b"), 100, 0);
  table.register(server("c"), 200, 50);
  expect(table.extendAll(99)).toBe(2);
  expect(addressesOf(table, 198)).toHaveLength(3);
  expect(addressesOf(table, 199)).toEqual(["tcp@a:1", "tcp@c:1"]);
  expect(addressesOf(table, 299)).toEqual(["tcp@a:1"]);
});

describe("when many would end at once", () => {
  /** `count` servers with a TTL of 15 s that all registered within the 5 s from 0 on. */
  function setUp(count: number) {
    const respites: number[] = [];
    const table = new LeaseTable(
      defaultLeaseLimits,
      () => {},
      (respited) => void respites.push(respited),
    );
    for (let i = 0; i < count; i++) {
      table.register(server(`h${i}`), 15_000, (5_000 * i) / count);
    }
    const renew = (from: number, to: number, now: number) => {
      for (let i = from; i < to; i++) {
        table.register(server(`h${i}`), 15_000, now);
      }
    };
    const countAt = (now: number) => table.live(now).length;
    return { table, respites, renew, countAt };
  }

  test("a network in two takes nobody away for another TTL, then all who stay silent", () => {
    const { respites, countAt } = setUp(100);
    for (let now = 5_000; now < 30_000; now += 500) {
      expect(countAt(now)).toBe(100);
    }
    expect(respites.reduce((sum, count) => sum + count, 0)).toBe(100);
    expect(countAt(35_500)).toBe(0);
  });

  test("who renews after it is there to stay, and may have another respite", () => {
    const { respites, renew, countAt } = setUp(12);
    countAt(15_000);
    countAt(19_900);
    renew(0, 12, 20_000);
    const before = respites.length;
    expect(countAt(35_000)).toBe(12);
    expect(respites).toHaveLength(before + 1);
    expect(countAt(50_000)).toBe(0);
  });

  test("a third is not too many, more is", () => {
    for (const [silent, left] of [
      [4, 8],
      [5, 12],
    ] as const) {
      const { renew, countAt } = setUp(12);
      renew(silent, 12, 14_999);
      expect(countAt(20_000)).toBe(left);
    }
  });

  test("those who had theirs before the last ones were late still count", () => {
    const { renew, countAt } = setUp(20);
    renew(0, 16, 5_000);
    renew(16, 20, 8_500);
    for (let now = 10_000; now < 35_000; now += 500) {
      expect(countAt(now)).toBe(20);
    }
  });

  test("nobody has it before one has ended", () => {
    const { table, respites, renew, countAt } = setUp(12);
    renew(0, 12, 5_000);
    table.register(server("x"), 1_000, 17_500);
    table.remove("tcp@x:1", 17_500);
    expect(countAt(18_500)).toBe(12);
    expect(respites).toEqual([]);
    expect(countAt(20_000)).toBe(12);
    expect(respites).toEqual([12]);
  });

  test("among fewer than ten there is no too many", () => {
    for (const [count, left] of [
      [9, 0],
      [10, 10],
    ] as const) {
      const { countAt } = setUp(count);
      expect(countAt(20_000)).toBe(left);
    }
  });

  test("those that are listed for ever do not count", () => {
    const { table, countAt } = setUp(10);
    for (let i = 0; i < 90; i++) table.register(server(`e${i}`), 0, 0);
    expect(countAt(20_000)).toBe(100);
  });

  test("Go servers, which beat every 4 of their 5 min, are not late", () => {
    const table = new LeaseTable();
    // The first one is dead; all others renew within a second of its end.
    table.register(server("h0"), 300_000, 0);
    for (let i = 1; i < 30; i++) {
      table.register(server(`h${i}`), 300_000, 61_000);
    }
    expect(addressesOf(table, 300_000)).toHaveLength(29);
  });
});
