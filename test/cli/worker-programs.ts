import { join } from "node:path";
import { Client } from "../../src/client/client.ts";
import type { DebugReport } from "../../src/server/debug/report.ts";
import { Program } from "../support/geerpc.ts";

// What tests of `geerpc server --workers` with real processes have in common.

export const main = join(import.meta.dir, "../../src/main.ts");

/** `geerpc server`, with its log as JSON. */
export function serve(...args: string[]): Program {
  const command = [process.execPath, main, "server", "--log=json", ...args];
  return new Program(command, { cwd: import.meta.dir });
}

export type Line = Record<string, unknown>;

/** Its log lines of an event. */
export function logged(program: Program, event: string): Line[] {
  return program.stderr
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Line)
    .filter((line) => line["event"] === event);
}

/** A connection to each of so many workers, by their process ids. */
export async function connectionTo(
  address: string,
  count: number,
): Promise<Map<number, Client>> {
  const clients = new Map<number, Client>();
  while (clients.size < count) {
    const client = await Client.dial(address);
    const { pid } = (await client.call("Foo.Whoami")) as { pid: number };
    if (clients.has(pid)) await client.close();
    else clients.set(pid, client);
  }
  return clients;
}

export async function closeAll(clients: Map<number, Client>): Promise<void> {
  await Promise.all([...clients.values()].map((client) => client.close()));
}

export async function figures(address: string): Promise<DebugReport> {
  const url = `${address.replace("tcp@", "http://")}/debug/geerpc`;
  const headers = { Accept: "application/json" };
  return (await (await fetch(url, { headers })).json()) as DebugReport;
}

/** Resolves when so many calls of Foo.Sleep run. */
export async function untilAsleep(
  address: string,
  count: number,
): Promise<void> {
  for (;;) {
    const { services } = await figures(address);
    if (services["Foo"]?.["Sleep"]?.inFlight === count) return;
  }
}

/** Resolves when they have ended, whether or not somebody has noticed: init takes its time. */
export async function untilGone(pids: Iterable<number>): Promise<void> {
  for (const pid of pids) {
    while (await runs(pid)) await new Promise((done) => setImmediate(done));
  }
}

async function runs(pid: number): Promise<boolean> {
  const stat = await Bun.file(`/proc/${pid}/stat`)
    .text()
    .catch(() => ") Z");
  return !/\) [ZX][^)]*$/.test(stat);
}

/** On each connection a call that takes a second and answers 2, once all of them run. */
export async function callsOf(
  clients: Map<number, Client>,
  address: string,
): Promise<{ calls: Promise<unknown>[] }> {
  const calls = [...clients.values()].map((client) =>
    client.call("Foo.Sleep", { Num1: 1, Num2: 1 }),
  );
  await untilAsleep(address, calls.length);
  return { calls };
}
