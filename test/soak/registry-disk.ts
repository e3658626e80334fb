import { constants } from "node:fs";
import { mkdtemp, open, rm, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RegistryFleet } from "../faults/registry-fleet.ts";
import { RegistryProcess } from "../faults/registry-process.ts";
import { serveApart } from "../faults/registry-servers.ts";
import { mib, report } from "./figures.ts";

/** A disk of its own, which nobody else sees and which ends with the process. */
const mount = 'mount -t tmpfs -o size=8m tmpfs "$0" && exec "$@"';
const fullMs = 40_000;
/** The longest from one heartbeat to the next. */
const heartbeatSeconds = 5.5;

/** A registry on a disk of 8 MiB that something else fills, and frees. Needs root, for the disk. */
export async function registryDisk(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "geerpc-disk-"));
  try {
    await using registry = await RegistryProcess.start(
      ["--data", folder],
      ["unshare", "--mount", "sh", "-c", mount, folder],
    );
    await using fleet = await RegistryFleet.open([registry]);
    await fleet.load.answeredBy(fleet.addresses);
    const filler = join(`/proc/${registry.pid}/root${folder}`, "filler");
    await fill(filler);
    // A new one, which goes on asking.
    await using server = await serveApart([registry.url]);
    const statuses = new Set<number>();
    let missing = 0;
    const until = performance.now() + fullMs;
    while (performance.now() < until) {
      statuses.add(await registry.register("tcp@10.0.0.1:1"));
      const listed = await registry.listed();
      const there = fleet.addresses.filter((one) => listed.includes(one));
      missing = Math.max(missing, fleet.addresses.length - there.length);
      await Bun.sleep(100);
    }
    await rm(filler);
    const startedAt = performance.now();
    while (!(await registry.listed()).includes(server.address)) {
      await Bun.sleep(20);
    }
    const backMs = performance.now() - startedAt;
    const what = `a disk full for ${fullMs / 1000} s`;
    report(
      `${what}: answers to who is new other than 503`,
      [...statuses].filter((status) => status !== 503).length,
      { atMost: 0 },
      "statuses",
    );
    report(
      `${what}: servers dropped`,
      Math.max(missing, registry.removedCount),
      { atMost: 0 },
      "servers",
    );
    report(
      `${what}: a new server is listed after`,
      backMs / 1000,
      { atMost: heartbeatSeconds + 2 },
      "s",
    );
    const { answeredCount, failures } = fleet.load;
    report(
      `${what}: of ${answeredCount} calls failed`,
      failures.length,
      { atMost: 0 },
      "calls",
    );
  } finally {
    await rmdir(folder);
  }
}

/** Writes a file until there is no room for another byte. */
async function fill(path: string): Promise<void> {
  const { O_WRONLY, O_CREAT } = constants;
  const file = await open(path, O_WRONLY | O_CREAT);
  try {
    for (let bytes = mib; bytes >= 1; bytes = Math.floor(bytes / 4)) {
      while (await writes(file, bytes));
    }
  } finally {
    await file.close();
  }
}

async function writes(
  file: Awaited<ReturnType<typeof open>>,
  bytes: number,
): Promise<boolean> {
  try {
    return (await file.write(new Uint8Array(bytes))).bytesWritten > 0;
  } catch (thrown) {
    if ((thrown as { code?: string }).code === "ENOSPC") return false;
    throw thrown;
  }
}
