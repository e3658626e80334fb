import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { Program } from "../support/geerpc.ts";
import { endLeases } from "./server-lease.ts";

setDefaultTimeout(60_000);

const file = join(import.meta.dir, "lease-server.ts");

test("a server that dies stays listed until its lease is over, and no longer", async () => {
  const ttlMs = "600";
  const { goneAfterMs, missed } = await endLeases(
    (registry) =>
      new Program([process.execPath, file, registry, ttlMs], {
        cwd: import.meta.dir,
      }),
    3,
  );
  expect(goneAfterMs).toHaveLength(3);
  expect(Math.min(...goneAfterMs)).toBeGreaterThanOrEqual(0);
  expect(missed).toBe(0);
});
