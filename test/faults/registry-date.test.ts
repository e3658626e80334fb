import { afterEach, expect, setSystemTime, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import type { OnEvent, RpcEvent } from "../../src/events.ts";
import { defaultLeaseLimits } from "../../src/registry/lease-table.ts";
import { SqliteStore } from "../../src/registry/sqlite-store.ts";
import { MemoryStore, type Store } from "../../src/registry/store.ts";

const dayMs = 86_400_000;
const ttlMs = 15_000;

afterEach(() => void setSystemTime());

const stores: Record<string, (folder: string, onEvent: OnEvent) => Store> = {
  "in memory": (_, onEvent) =>
    new MemoryStore(systemClock, defaultLeaseLimits, onEvent),
  "in a folder": (folder, onEvent) => new SqliteStore(folder, { onEvent }),
};

for (const [place, open] of Object.entries(stores)) {
  for (const days of [1, -1]) {
    test(`${place}: a date that jumps by ${days} day ends no lease and lengthens none`, async () => {
      const folder = await mkdtemp(join(tmpdir(), "geerpc-date-"));
      await using cleanup = new AsyncDisposableStack();
      cleanup.defer(() => rm(folder, { recursive: true }));
      const events: RpcEvent[] = [];
      const store = open(folder, (event) => void events.push(event));
      cleanup.defer(() => store.close());
      const address = "tcp@10.0.0.1:1";
      await store.put({ address, services: [] }, ttlMs);
      setSystemTime(Date.now() + days * dayMs);
      const { servers } = await store.list();
      expect(servers).toHaveLength(1);
      expect(servers[0]?.expiresInMs).toBeGreaterThan(0);
      expect(servers[0]?.expiresInMs).toBeLessThanOrEqual(ttlMs);
      // It did not seem to have stood still.
      expect(events).toEqual([]);
    });
  }
}
