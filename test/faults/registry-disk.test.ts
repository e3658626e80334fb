import { afterAll, expect, test } from "bun:test";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Program } from "../support/geerpc.ts";
import { eventually, RegistryFleet } from "./registry-fleet.ts";
import { RegistryProcess } from "./registry-process.ts";
import { quickPace } from "./registry-servers.ts";

const root = await mkdtemp(join(tmpdir(), "geerpc-disk-"));
afterAll(() => rm(root, { recursive: true }));

test("a damaged file is set aside with an error, and fills again by heartbeats", async () => {
  const folder = join(root, "damaged");
  const path = join(folder, "registry.sqlite");
  await using registry = await RegistryProcess.start(["--data", folder]);
  expect(await registry.register("tcp@10.0.0.1:1")).toBe(200);
  await using fleet = await RegistryFleet.open([registry], quickPace);
  await registry.kill();
  // The log beside it alone would mend it.
  for (const file of [path, `${path}-wal`]) {
    await Bun.write(file, new Uint8Array(8_192).fill(0xa5));
  }
  await registry.restart();
  await fleet.listedBy(registry);
  await fleet.load.answeredBy(fleet.addresses);
  // Not the one that has no heartbeat.
  expect(await registry.listed()).toEqual(fleet.addresses);
  expect(registry.events).toContainEqual(
    expect.objectContaining({
      event: "store-damaged",
      level: "error",
      path: `${path}.damaged`,
    }),
  );
  expect((await Bun.file(`${path}.damaged`).bytes()).at(-1)).toBe(0xa5);
  expect(fleet.load.failures).toEqual([]);
  // What it has begun anew outlives it.
  await registry.kill();
  await registry.restart();
  expect(await registry.listed()).toEqual(fleet.addresses);
}, 30_000);

const isLimitMissing =
  Bun.which("prlimit") === null && process.env["CI"] !== "true";
if (isLimitMissing) {
  console.error("skipped: a full disk: util-linux's prlimit is not installed");
}

/** Its writes fail rather than end it, once its files may not grow. */
const unkilled = ["sh", "-c", 'trap "" XFSZ; exec "$@"', "sh"];

async function limitFiles(pid: number, bytes: number | "unlimited") {
  const limit = `--fsize=${bytes}:`;
  const { code } = await Program.run(["prlimit", "--pid", String(pid), limit], {
    cwd: root,
  });
  expect(code).toBe(0);
}

test.skipIf(isLimitMissing)(
  "where the disk takes no more, who is new is refused with 503, who is listed stays, and it recovers",
  async () => {
    const folder = join(root, "full");
    await using registry = await RegistryProcess.start(
      ["--data", folder],
      unkilled,
    );
    await using fleet = await RegistryFleet.open([registry], quickPace);
    await fleet.load.answeredBy(fleet.addresses);
    const { size } = await stat(join(folder, "registry.sqlite-wal"));
    await limitFiles(registry.pid, size);
    expect(await registry.register("tcp@10.0.0.1:1")).toBe(503);
    // The heartbeats have nothing to write.
    const missed = fleet.count("heartbeat-missed");
    const startedAt = performance.now();
    await eventually(() => performance.now() - startedAt > 2 * quickPace.ttlMs);
    expect(fleet.count("heartbeat-missed")).toBe(missed);
    expect(await registry.register("tcp@10.0.0.1:1")).toBe(503);
    expect(await registry.listed()).toEqual(fleet.addresses);
    await limitFiles(registry.pid, "unlimited");
    expect(await registry.register("tcp@10.0.0.1:1")).toBe(200);
    expect(registry.removedCount).toBe(0);
    expect(fleet.load.failures).toEqual([]);
    // What it said was written.
    await registry.kill();
    await registry.restart();
    expect(await registry.listed()).toEqual(
      ["tcp@10.0.0.1:1", ...fleet.addresses].sort(),
    );
  },
  30_000,
);
