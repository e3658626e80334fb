import { loadavg } from "node:os";
import { join } from "node:path";
import { Client } from "../../src/index.ts";
import {
  perSecondOf,
  planSlices,
  ratioOf,
  type Slice,
  type Turn,
} from "../../src/bench/slices.ts";
import { goProgram, LineProgram, serveGo } from "./go-peer.ts";

// gob between two geerpc processes beside Go's net/rpc between two Go
// processes, in alternating slices on one machine: `bun run bench:interop [s]`.

const inFlight = 256;
const targetRatio = 3;
const warmUpMs = 1_000;
const durationMs = Number(process.argv[2] ?? 20) * 1_000;
const main = join(import.meta.dir, "../../src/main.ts");

/** Keeps the calls in flight for so long; a wrong sum ends the run. */
async function geerpcSlice(client: Client, sliceMs: number): Promise<Slice> {
  const startedAt = performance.now();
  const until = startedAt + sliceMs;
  let count = 0;
  const repeat = async (place: number) => {
    for (let n = 0; n === 0 || performance.now() < until; n++) {
      const sum = await client.call("Foo.Sum", { Num1: place, Num2: n });
      if (sum !== place + n) throw new Error(`${place} + ${n} is ${sum}`);
      count++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, i) => repeat(i)));
  return { count, elapsedMs: performance.now() - startedAt };
}

async function goSlice(go: LineProgram, sliceMs: number): Promise<Slice> {
  go.write(String(Math.ceil(sliceMs)));
  return JSON.parse(await go.line()) as Slice;
}

await using server = new LineProgram([process.execPath, main, "server"]);
const { listening } = JSON.parse(await server.line()) as { listening: string };
await using client = await Client.dial(listening, { codec: "application/gob" });
await using goServer = await serveGo("serve-netrpc");
await using go = new LineProgram([
  await goProgram("peer"),
  "bench",
  goServer.listening,
  String(inFlight),
]);

await goSlice(go, warmUpMs);
await geerpcSlice(client, warmUpMs);
const { sliceMs, turns: turnCount } = planSlices(durationMs, 2);
const turns: Turn[] = [];
for (let turn = 0; turn < turnCount; turn++) {
  const reference = await goSlice(go, sliceMs);
  turns.push({ reference, geerpc: await geerpcSlice(client, sliceMs) });
}
// The demo's server does not listen to its input.
process.kill(server.pid, "SIGTERM");

const ratio = ratioOf(turns, "geerpc", "reference");
const isEnough = (ratio ?? 0) >= targetRatio;
const round = (value: number | null) =>
  Math.round(value ?? NaN).toLocaleString("en-US");
const [load1] = loadavg();
console.log(`Foo.Sum, ${inFlight} in flight on one connection, medians of ${turnCount} slices of ${sliceMs} ms
geerpc, application/gob   ${round(perSecondOf(turns, "geerpc"))} calls/s
Go, net/rpc               ${round(perSecondOf(turns, "reference"))} calls/s
ratio                     ${ratio?.toFixed(2)} (${isEnough ? "at least" : "BELOW"} ${targetRatio})
load average ${load1?.toFixed(2)}, ${navigator.hardwareConcurrency} cores`);
if (!isEnough) process.exitCode = 1;
