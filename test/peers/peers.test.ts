import { beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Commands, describePeers, type Peer } from "./peers.ts";
import { RunningPeer } from "./running-peer.ts";
import { setUp, type Tools } from "./set-up.ts";
import { cases } from "./turns.ts";

// Each peer for a handful of calls. On CI what they need is installed, and
// what is not to be had there is skipped: a registry that is away is no fault
// of this project.

const setUpTimeoutMs = 180_000;
/** A gossip takes two seconds to tell one of them about the other. */
const startTimeoutMs = 30_000;
const callsOfEach = 16;

let tools: Tools;
let peers: Peer[] = [];

beforeAll(async () => {
  tools = await setUp({ mayInstall: process.env["CI"] === "true" });
  peers = describePeers(tools);
  for (const tool of Object.values(tools)) {
    if ("missing" in tool) console.error(`skipped: peers: ${tool.missing}`);
  }
}, setUpTimeoutMs);

/** How many calls were answered in each case, and the processes that ran. */
async function callAll(
  commands: Commands,
): Promise<{ counts: number[]; pids: readonly number[] }> {
  await using peer = await RunningPeer.start(commands);
  const counts: number[] = [];
  for (const which of cases) {
    const slice = { ...which, inFlight: callsOfEach, durationMs: 0 };
    const figures = await peer.slice(slice);
    expect(Object.values(figures).every(Number.isFinite)).toBe(true);
    counts.push(figures.count);
  }
  return { counts, pids: peer.pids };
}

test(
  "each peer that is there answers every call rightly, and leaves no process",
  async () => {
    const there = peers.flatMap(({ name, commands }) =>
      "missing" in commands ? [] : [{ name, commands }],
    );
    const called = await Promise.all(
      there.map(async ({ name, commands }) => ({
        name,
        ...(await callAll(commands)),
      })),
    );
    const all = cases.map(() => callsOfEach);
    expect(called.map(({ name, counts }) => [name, counts])).toEqual(
      there.map(({ name }) => [name, all]),
    );
    const pids = called.flatMap((each) => each.pids);
    expect(pids.length).toBeGreaterThanOrEqual(2 * there.length);
    expect(pids.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
  },
  startTimeoutMs,
);

test(
  "their programs fit the types of the packages",
  async () => {
    if ("missing" in tools.packages) return;
    const programs = join(import.meta.dir, "programs");
    const check = Bun.spawn([process.execPath, "check", "-p", programs], {
      cwd: programs,
      stdout: "pipe",
      stderr: "pipe",
    });
    const said = await check.stdout.text();
    // Errors elsewhere are those of `bun check` itself.
    const own = said
      .split("\n")
      .filter((line) => /^\w[\w.-]*\.ts\(/.test(line));
    expect(own).toEqual([]);
    await check.exited;
  },
  startTimeoutMs,
);
