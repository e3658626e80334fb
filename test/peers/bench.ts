import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { describeMachine } from "../../src/bench/machine.ts";
import { isBusy, loadText, machineText } from "../../src/bench/report.ts";
import { type PeerName, describePeers, peerNames, reference } from "./peers.ts";
import { RunningPeer } from "./running-peer.ts";
import { setUp } from "./set-up.ts";
import { renderLead, renderTable } from "./table.ts";
import { type Case, takeTurns } from "./turns.ts";

// What `bun run bench:peers [--seconds N] [PEER …]` runs: geerpc and other
// ways to call between two processes of one machine, in turns. N is what each
// case of each peer is measured for. Linux only: CPU time is read in /proc.

const sliceMs = 500;
const warmUpMs = 750;
const defaultSeconds = 3;

const asked = readArguments(process.argv.slice(2));
if (asked === undefined) {
  console.error(
    `write: bun run bench:peers [--seconds N] [PEER …], of ${peerNames.join(", ")}`,
  );
  process.exitCode = 2;
} else {
  await bench(asked.names, Math.max(1, Math.round(asked.durationMs / sliceMs)));
}

async function bench(
  names: readonly PeerName[],
  rounds: number,
): Promise<void> {
  const machine = describeMachine();
  const tools = await setUp({
    mayInstall: true,
    onInstall: (what) => console.error(what),
  });
  const peers = describePeers(tools, names);
  const leftOut = new Map<string, string>();
  const running = new Map<string, RunningPeer>();
  await using programs = new AsyncDisposableStack();
  await Promise.all(
    peers.map(async ({ name, commands }) => {
      try {
        if ("missing" in commands) throw new Error(commands.missing);
        running.set(name, programs.use(await RunningPeer.start(commands)));
      } catch (thrown) {
        leftOut.set(name, inOneLine((thrown as Error).message));
      }
    }),
  );
  const rows = await takeTurns(inOrder(running), {
    rounds,
    sliceMs,
    warmUpMs,
    onSlice: showProgress,
    onFailure: (name, reason) => leftOut.set(name, inOneLine(reason)),
  });
  clearProgress();
  console.log(`${renderTable(rows)}\n\n${renderLead(rows)}`);
  console.log(`
×: divided by ${reference}'s. Every figure is a median of slices of ${sliceMs} ms, taken in turns: ${rounds} for each row.
One connection, every answer checked. CPU and memory (RSS) are those of all processes of a peer.
`);
  for (const { name, about } of peers) {
    const reason = leftOut.get(name);
    if (reason === undefined) console.log(`${name.padEnd(9)}  ${about}`);
    else console.log(`${name.padEnd(9)}  left out: ${reason}`);
  }
  console.log(`
${machineText(machine)}; load ${loadText(machine.loadAverage)} before, ${loadText(loadavg())} after`);
  if (isBusy(machine)) {
    console.log(
      "the machine was busy: the ratios of neighbours say more than the figures",
    );
  }
  if (leftOut.has(reference)) process.exitCode = 1;
}

function inOrder(
  running: ReadonlyMap<string, RunningPeer>,
): Map<string, RunningPeer> {
  const names = peerNames.filter((name) => running.has(name));
  return new Map(names.map((name) => [name, running.get(name) as RunningPeer]));
}

/** undefined: they were not understood. The reference is always among the names. */
function readArguments(
  args: string[],
): { names: PeerName[]; durationMs: number } | undefined {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: { seconds: { type: "string" } },
      allowPositionals: true,
    });
    const seconds = Number(values.seconds ?? defaultSeconds);
    const isKnown = positionals.every((name) =>
      (peerNames as readonly string[]).includes(name),
    );
    if (!isKnown || !(seconds > 0)) return undefined;
    const names = positionals.length > 0 ? positionals : peerNames;
    return {
      names: [reference, ...(names as readonly PeerName[])],
      durationMs: seconds * 1_000,
    };
  } catch {
    return undefined;
  }
}

/** One line on a terminal, nothing elsewhere. */
function showProgress(name: string, which: Case, fraction: number): void {
  if (!process.stderr.isTTY) return;
  const percent = Math.round(fraction * 100);
  process.stderr.write(
    `\r\x1b[K${percent} % ${which.case}, ${which.inFlight} in flight: ${name}`,
  );
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
}

/** The message of a program that failed may be all that it printed. */
function inOneLine(message: string): string {
  return message.trim().replaceAll(/\s+/g, " ").slice(0, 200);
}
