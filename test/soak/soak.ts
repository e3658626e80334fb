import { loadavg } from "node:os";
import { badInput } from "./bad-input.ts";
import { bulkStream } from "./bulk-stream.ts";
import { cancelTime } from "./cancel-time.ts";
import { missedCount } from "./figures.ts";
import { flatMemory } from "./flat-memory.ts";
import { hostileGo } from "./hostile-go.ts";
import { idleConnections, manyIdleConnections } from "./idle-connections.ts";
import { millionCalls } from "./million-calls.ts";
import { oneByteItems } from "./one-byte-items.ts";
import { oneByteWrites } from "./one-byte-writes.ts";
import { overload } from "./overload.ts";
import { program } from "./program.ts";
import { randomCalls } from "./random-calls.ts";
import { randomFaultsLong } from "./random-faults.ts";
import { registryAway } from "./registry-away.ts";
import { registryCrowd } from "./registry-crowd.ts";
import { registryDisk } from "./registry-disk.ts";
import { registryEtcd } from "./registry-etcd.ts";
import { registryKill } from "./registry-kill.ts";
import { registryList } from "./registry-list.ts";
import { registryStop } from "./registry-stop.ts";
import { serverCommand } from "./server-command.ts";
import { serverFailure } from "./server-failure.ts";
import { serverKill } from "./server-kill.ts";
import { serverLease } from "./server-lease.ts";
import { serverRestart } from "./server-restart.ts";
import { serverReturn } from "./server-return.ts";
import { serverStop } from "./server-stop.ts";
import { serverTraffic } from "./server-traffic.ts";
import { slowReader } from "./slow-reader.ts";
import { importTime, startTime } from "./start-time.ts";
import { unread } from "./unread.ts";
import { workers } from "./workers.ts";

// What `bun run soak` runs: figures that take time, each beside its target, or
// those that its arguments name. Exits 1 when one is missed. Linux only.

const cases: Readonly<Record<string, () => void | Promise<void>>> = {
  "start-time": startTime,
  "import-time": importTime,
  "one-byte-writes": oneByteWrites,
  "idle-connections": idleConnections,
  "many-idle-connections": manyIdleConnections,
  "million-calls": millionCalls,
  "flat-memory": flatMemory,
  "cancel-time": cancelTime,
  "bulk-stream": bulkStream,
  "one-byte-items": oneByteItems,
  "slow-reader": slowReader,
  "random-calls": randomCalls,
  "random-faults": randomFaultsLong,
  unread,
  program,
  "bad-input": badInput,
  "hostile-go": hostileGo,
  overload,
  "server-kill": serverKill,
  "server-restart": serverRestart,
  "server-stop": serverStop,
  "server-lease": serverLease,
  "server-failure": serverFailure,
  "server-return": serverReturn,
  "server-traffic": serverTraffic,
  "server-command": serverCommand,
  "registry-away": registryAway,
  "registry-crowd": registryCrowd,
  "registry-disk": registryDisk,
  "registry-etcd": registryEtcd,
  "registry-kill": registryKill,
  "registry-list": registryList,
  "registry-stop": registryStop,
  workers,
};

/** Each in a process of its own: memory that one has left behind would hide what the next one takes. */
async function runAll(names: readonly string[]): Promise<boolean> {
  let isMet = true;
  for (const name of names) {
    const child = Bun.spawn([process.execPath, import.meta.path, name], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    if ((await child.exited) !== 0) isMet = false;
  }
  return isMet;
}

function printLoad(): void {
  const load = loadavg().map((value) => value.toFixed(2));
  console.log(`load ${load.join(" ")}`);
}

const asked = process.argv.slice(2);
const [name = ""] = asked;
const unknown = asked.filter((each) => !Object.hasOwn(cases, each));
if (unknown.length > 0) {
  const known = Object.keys(cases).join(", ");
  console.error(`no such figure: ${unknown.join(", ")}; write ${known}`);
  process.exitCode = 2;
} else if (asked.length === 1) {
  await cases[name]?.();
  process.exitCode = missedCount() > 0 ? 1 : 0;
} else {
  printLoad();
  const names = asked.length > 0 ? asked : Object.keys(cases);
  process.exitCode = (await runAll(names)) ? 0 : 1;
  printLoad();
}
