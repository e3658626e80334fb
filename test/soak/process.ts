import { join } from "node:path";
import { Program } from "../support/geerpc.ts";

const main = join(import.meta.dir, "../../src/main.ts");

/** A server of the files, of Foo without one, as a process of its own. */
export function startServer(...args: string[]): Program {
  return new Program([process.execPath, main, "server", ...args], {
    cwd: import.meta.dir,
  });
}

/** Memory of a process that is its own. From /proc, so Linux only. */
export async function rssBytes(pid: number): Promise<number> {
  const status = await Bun.file(`/proc/${pid}/status`).text();
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}

/** What a process has taken of the processors, in itself and for it. From /proc, so Linux only, in steps of 10 ms. */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await Bun.file(`/proc/${pid}/stat`).text();
  // The name, in parentheses, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [user = NaN, system = NaN] = fields.slice(11, 13).map(Number);
  return (user + system) / 100;
}

/** Lets memory that only waits to be freed go, here and in the other processes. */
export async function settle(): Promise<void> {
  Bun.gc(true);
  await Bun.sleep(3_000);
}
