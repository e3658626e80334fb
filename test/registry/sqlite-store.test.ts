import { Database } from "bun:sqlite";
import { afterAll, afterEach, describe, expect, spyOn, test } from "bun:test";
import { mkdtemp, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RpcEvent } from "../../src/events.ts";
import { Registry } from "../../src/registry/registry.ts";
import {
  SqliteStore,
  type SqliteStoreOptions,
} from "../../src/registry/sqlite-store.ts";
import { ManualClock } from "../support/manual-clock.ts";

const root = await mkdtemp(join(tmpdir(), "geerpc-sqlite-"));
let folderCount = 0;
const stores: SqliteStore[] = [];
const run = spyOn(Database.prototype, "run");

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});
afterAll(async () => {
  run.mockRestore();
  await rm(root, { recursive: true });
});

const a = { address: "tcp@10.0.0.1:1", services: ["Arith", "Foo"] };
const b = { address: "tcp@10.0.0.2:1", services: undefined };
const c = { address: "tcp@10.0.0.3:1", services: [] };

/** Stores that follow each other in one folder, on one clock. */
function setUp() {
  const folder = join(root, String(folderCount++), "made");
  const path = join(folder, "registry.sqlite");
  const clock = new ManualClock();
  const events: RpcEvent[] = [];
  const open = (options: SqliteStoreOptions = {}) => {
    run.mockClear();
    const store = new SqliteStore(folder, {
      clock,
      onEvent: (event) => void events.push(event),
      ...options,
    });
    stores.push(store);
    // The open file, for tests that take its room or its rights.
    const database = run.mock.contexts.at(-1) as unknown as Database;
    return Object.assign(store, { database });
  };
  return { path, clock, events, open };
}

async function addressesIn(store: SqliteStore): Promise<string[]> {
  return (await store.list()).servers.map(({ address }) => address);
}

const unavailable = expect.objectContaining({ code: "unavailable" });
const failure = (promise: Promise<unknown>) => promise.catch((error) => error);

describe("the next one in a folder", () => {
  test("has what was there, with whole leases, and nothing that had gone", async () => {
    const { clock, open } = setUp();
    const first = open();
    await first.put(a, 15_000);
    await first.put(b, 0);
    await first.put(c, 15_000);
    await first.put({ ...c, address: "tcp@10.0.0.4:1" }, 1_000);
    await first.put({ ...c, address: "tcp@10.0.0.5:1" }, 1_000);
    await first.remove("tcp@10.0.0.5:1");
    await first.put({ ...c, services: ["Bar"] }, 20_000);
    await clock.advance(10_000);
    await first.close();
    await clock.advance(60_000);
    expect((await open().list()).servers).toEqual([
      { ...a, expiresInMs: 15_000 },
      { ...b, expiresInMs: undefined },
      { ...c, services: ["Bar"], expiresInMs: 20_000 },
    ]);
  });

  test("knows all that was told", async () => {
    const { open } = setUp();
    const first = open();
    const told = {
      ...a,
      version: "1",
      weight: 2,
      zone: "z",
      load: 0.5,
      labels: new Map([["rack", "7"]]),
    };
    await first.put(told, 0);
    await first.close();
    expect((await open().list()).servers).toEqual([
      { ...told, expiresInMs: undefined },
    ]);
  });

  test("misses nobody, but a first one may", async () => {
    const { open } = setUp();
    const first = open();
    expect(await first.list()).toMatchObject({ fillingForMs: 15_000 });
    await first.put(a, 0);
    await first.close();
    expect(await open().list()).not.toHaveProperty("fillingForMs");
  });

  test("lets go of what nobody renews, and the one after does not have it", async () => {
    const { clock, open } = setUp();
    const first = open();
    await first.put(a, 15_000);
    await first.close();
    const second = open();
    await clock.advance(16_000);
    expect(await addressesIn(second)).toEqual([]);
    await second.close();
    expect(await addressesIn(open())).toEqual([]);
  });

  test("keeps to limits that are lower now", async () => {
    const { open } = setUp();
    const first = open();
    await first.put(a, 0);
    await first.put(b, 0);
    await first.close();
    const limits = { maxServers: 1, maxListBytes: 10_000 };
    const second = open({ limits });
    expect(await addressesIn(second)).toEqual([a.address]);
    await second.close();
    expect(await addressesIn(open())).toEqual([a.address]);
  });

  test("has nobody who was refused for want of room", async () => {
    const { open } = setUp();
    const limits = { maxServers: 1, maxListBytes: 10_000 };
    const first = open({ limits });
    await first.put(a, 0);
    expect(await failure(first.put(b, 0))).toMatchObject({
      code: "resource_exhausted",
    });
    await first.close();
    expect(await addressesIn(open())).toEqual([a.address]);
  });

  test("knows whose each one is", async () => {
    const { open } = setUp();
    const first = open();
    await first.put(a, 0);
    await first.put(a, 0, "ann");
    expect(await failure(first.put(a, 0, "bob"))).toMatchObject({
      code: "permission_denied",
    });
    await first.put(b, 0, "ann");
    await first.put(b, 0);
    await first.close();
    const second = open();
    expect(await failure(second.remove(a.address, "bob"))).toMatchObject({
      code: "permission_denied",
    });
    expect(await second.remove(b.address, "bob")).toBe(true);
  });

  test("waits for its turn: two at a time are refused", async () => {
    const { open } = setUp();
    await open().put(a, 0);
    expect(() => open()).toThrow(unavailable);
  });

  test("finds nothing written by a renewal", async () => {
    const { open } = setUp();
    const store = open();
    await store.put(a, 15_000);
    const before = store.database.query("SELECT total_changes()").values();
    await store.put({ ...a }, 15_000);
    expect(store.database.query("SELECT total_changes()").values()).toEqual(
      before,
    );
    await store.put({ ...a }, 16_000);
    await store.close();
    expect((await open().list()).servers[0]?.expiresInMs).toBe(16_000);
  });
});

test("a place that cannot be used is unavailable", () => {
  const place = () => new SqliteStore("/dev/null/geerpc");
  expect(place).toThrow(unavailable);
});

describe("a damaged file", () => {
  const damages: Record<string, (path: string) => Promise<unknown>> = {
    "of something else": (path) =>
      Bun.write(path, "nothing of ours ".repeat(500)),
    "cut short": (path) => truncate(path, 5_000),
    "with a page of noise": async (path) => {
      const bytes = await Bun.file(path).bytes();
      await Bun.write(path, bytes.fill(0xa5, 4_096, 8_192));
    },
    "with a wrong count of free pages": async (path) => {
      const bytes = await Bun.file(path).bytes();
      bytes[39] = 9;
      await Bun.write(path, bytes);
    },
    "of another layout": async (path) => {
      using database = new Database(path);
      database.run("PRAGMA user_version = 7");
    },
    "with a row that is none": async (path) => {
      using database = new Database(path);
      database.run("UPDATE leases SET said = '[]'");
    },
  };

  test.each(Object.entries(damages))(
    "%s is set aside, and told",
    async (_, damage) => {
      const { path, events, open } = setUp();
      const first = open();
      for (let i = 0; i < 200; i++) {
        await first.put({ ...a, address: `tcp@10.0.1.${i}:1` }, 0);
      }
      await first.close();
      await damage(path);
      const damaged = await Bun.file(path).bytes();
      const second = open();
      expect(events).toEqual([
        {
          kind: "store-damaged",
          path: `${path}.damaged`,
          error: expect.any(Error),
        },
      ]);
      expect(await Bun.file(`${path}.damaged`).bytes()).toEqual(damaged);
      expect(await addressesIn(second)).toEqual([]);
      await second.put(a, 15_000);
      await second.close();
      expect(await addressesIn(open())).toEqual([a.address]);
      expect(events).toHaveLength(1);
    },
  );

  test("is set aside with what had not been moved into it", async () => {
    const { path, open } = setUp();
    const store = open();
    for (let i = 0; i < 200; i++) {
      await store.put({ ...a, address: `tcp@10.0.1.${i}:1` }, 0);
    }
    store.database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    await store.put(a, 0);
    // As after a kill.
    const bytes = await Bun.file(path).bytes();
    const rest = await Bun.file(`${path}-wal`).bytes();
    await store.close();
    await Bun.write(path, bytes.fill(0xa5, 4_096));
    await Bun.write(`${path}-wal`, rest);
    const next = open();
    await next.put(b, 0);
    await next.close();
    expect(await addressesIn(open())).toEqual([b.address]);
  });

  test("is set aside while it is in use, and what is listed is written anew", async () => {
    const { path, events, open } = setUp();
    const first = open();
    // More than it keeps in memory of the file.
    const services = Array.from({ length: 100 }, (_, i) =>
      `S${i}`.padEnd(200, "x"),
    );
    const limits = { maxServers: 1_000, maxListBytes: 100_000_000 };
    await first.close();
    const store = open({ limits });
    for (let i = 0; i < 400; i++) {
      await store.put({ address: `tcp@10.0.1.${i}:1`, services }, 0);
    }
    await store.remove("tcp@10.0.1.7:1");
    for (const file of [path, `${path}-wal`]) {
      const { size } = Bun.file(file);
      await Bun.write(file, new Uint8Array(size).fill(0xa5));
    }
    for (let i = 399; events.length === 0; i--) {
      await store.put({ ...a, address: `tcp@10.0.1.${i}:1` }, 0);
    }
    expect(events).toMatchObject([{ kind: "store-damaged" }]);
    await store.put(b, 0);
    const listed = await addressesIn(store);
    expect(listed).toHaveLength(400);
    await store.close();
    expect(await addressesIn(open({ limits }))).toEqual(listed);
    expect(events).toHaveLength(1);
  });
});

describe("a full disk", () => {
  function fill({ database }: { database: Database }): void {
    const [pages] = database.query("PRAGMA page_count").values()[0] as [number];
    database.run(`PRAGMA max_page_count = ${pages}`);
  }

  test("refuses who is new with 503, keeps who is there, and is found to have room again", async () => {
    const { events, clock, open } = setUp();
    const store = open();
    const registry = new Registry({ store, clock });
    const post = async (address: string, services: string[]) => {
      const request = new Request("http://r.test/_geerpc_/registry", {
        method: "POST",
        headers: { "X-Geerpc-Server": address, "X-Geerpc-TTL": "15" },
        body: JSON.stringify({ services }),
      });
      return (await registry.fetch(request)).status;
    };
    const names = Array.from({ length: 1_000 }, (_, i) =>
      `S${i}`.padEnd(200, "x"),
    );
    const half = names.slice(500);
    expect(await post(a.address, ["Arith"])).toBe(200);
    expect(await post(c.address, half)).toBe(200);
    fill(store);
    const { revision } = await store.list();
    for (let beat = 0; beat < 4; beat++) {
      await clock.advance(5_000);
      expect(await post(b.address, half)).toBe(503);
      expect(await post(a.address, ["Arith"])).toBe(200);
      // What it says anew is refused, and yet it lives.
      expect(await post(c.address, names)).toBe(503);
    }
    expect(await addressesIn(store)).toEqual([a.address, c.address]);
    expect((await store.list()).revision).toBe(revision);
    await store.remove(c.address);
    expect(await post(b.address, half)).toBe(200);
    await store.close();
    expect(await addressesIn(open())).toEqual([a.address, b.address]);
    expect(events).toMatchObject([
      { kind: "leases-extended", reason: "store-failed" },
    ]);
  });
});

describe("a disk that cannot be written", () => {
  test("gives every lease one more TTL, once until it can be", async () => {
    const { open, clock, events } = setUp();
    const store = open();
    for (let times = 0; times < 2; times++) {
      await store.put(a, 15_000);
      await clock.advance(10_000);
      store.database.run("PRAGMA query_only = 1");
      for (let tries = 0; tries < 10; tries++) {
        expect(await failure(store.put(b, 15_000))).toEqual(unavailable);
        await clock.advance(1_000);
      }
      expect(await addressesIn(store)).toEqual([a.address]);
      store.database.run("PRAGMA query_only = 0");
      await store.put(c, 1);
    }
    expect(events).toHaveLength(2);
    await clock.advance(6_000);
    expect(await addressesIn(store)).toEqual([]);
  });

  test("a server that leaves is gone from the list, without success until it is from the disk", async () => {
    const { open, clock, events } = setUp();
    const store = open();
    await store.put(a, 0);
    store.database.run("PRAGMA query_only = 1");
    for (let i = 0; i < 2; i++) {
      expect(await failure(store.remove(a.address))).toEqual(unavailable);
      expect(await addressesIn(store)).toEqual([]);
    }
    await clock.advance(10_000);
    expect(events).toMatchObject([
      { kind: "store-failed", operation: "remove" },
    ]);
    store.database.run("PRAGMA query_only = 0");
    expect(await store.remove(a.address)).toBe(false);
    await store.close();
    expect(await addressesIn(open())).toEqual([]);
  });

  test("who ran out meanwhile leaves the disk by itself", async () => {
    const { open, clock, events } = setUp();
    const store = open();
    await store.put(a, 5_000);
    store.database.run("PRAGMA query_only = 1");
    await clock.advance(6_000);
    expect(events).toHaveLength(1);
    expect(clock.timers).toBeGreaterThan(0);
    store.database.run("PRAGMA query_only = 0");
    await clock.advance(1_000);
    expect(store.database.query("SELECT * FROM leases").values()).toEqual([]);
    expect(clock.timers).toBe(0);
    store.database.run("PRAGMA query_only = 1");
    expect(await store.remove(a.address)).toBe(false);
  });

  test("closing gives up", async () => {
    const { open, clock } = setUp();
    const store = open();
    await store.put(a, 5_000);
    store.database.run("PRAGMA query_only = 1");
    await clock.advance(6_000);
    await store.close();
    expect(clock.timers).toBe(0);
    expect(await addressesIn(open())).toEqual([a.address]);
  });

  test("who comes back after it left is not deleted later", async () => {
    const { open, clock } = setUp();
    const store = open();
    await store.put(a, 0);
    store.database.run("PRAGMA query_only = 1");
    await failure(store.remove(a.address));
    store.database.run("PRAGMA query_only = 0");
    await store.put(a, 0);
    await clock.advance(5_000);
    await store.close();
    expect(await addressesIn(open())).toEqual([a.address]);
  });
});
