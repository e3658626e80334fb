import { afterAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Program } from "../support/geerpc.ts";

const root = join(import.meta.dir, "../..");
const folder = await mkdtemp(join(tmpdir(), "geerpc-kill-"));
afterAll(() => rm(folder, { recursive: true }));

test("what was acknowledged is there after a kill -9, in whichever moment", async () => {
  const start = () =>
    new Program(
      [
        process.execPath,
        "src/main.ts",
        "registry",
        "--listen=127.0.0.1:0",
        "--data",
        folder,
      ],
      { cwd: root },
    );
  const acknowledged = new Set<string>();
  const removed = new Set<string>();
  for (let round = 0; round < 4; round++) {
    await using registry = start();
    const url = await registry.listening();
    const listed = await listedAt(url);
    expect([...acknowledged].filter((one) => !listed.has(one))).toEqual([]);
    expect([...removed].filter((one) => listed.has(one))).toEqual([]);
    // Sixteen in flight; the process goes while some are being answered.
    const killAfter = 20 + 30 * round;
    let answers = 0;
    const killed = Promise.withResolvers<void>();
    const ask = async (lane: number) => {
      for (let i = 0; ; i++) {
        const address = `tcp@10.${round}.${lane}.${i}:1`;
        if (!(await isDone(url, "POST", address))) return;
        acknowledged.add(address);
        if (i % 3 === 0) {
          // Whether one that is not answered was taken out is not known.
          acknowledged.delete(address);
          if (!(await isDone(url, "DELETE", address))) return;
          removed.add(address);
        }
        if (++answers === killAfter) {
          registry.signal("SIGKILL");
          killed.resolve();
        }
      }
    };
    await Promise.all([
      killed.promise,
      ...Array.from({ length: 16 }, (_, lane) => ask(lane)),
    ]);
    await registry.ended();
  }
  expect(acknowledged.size).toBeGreaterThan(100);
  await using registry = start();
  const listed = await listedAt(await registry.listening());
  expect([...acknowledged].filter((one) => !listed.has(one))).toEqual([]);
}, 30_000);

/** Whether it was answered, with 200. */
async function isDone(
  url: string,
  method: string,
  address: string,
): Promise<boolean> {
  try {
    const headers = { "X-Geerpc-Server": address };
    const { status } = await fetch(url, { method, headers, keepalive: false });
    expect(status).toBe(200);
    return true;
  } catch (thrown) {
    if (thrown instanceof TypeError || "code" in (thrown as object)) {
      return false;
    }
    throw thrown;
  }
}

async function listedAt(url: string): Promise<Set<string>> {
  const answer = await fetch(url, { keepalive: false });
  return new Set(answer.headers.get("X-Geerpc-Servers")?.split(","));
}
