import { type Clock, systemClock } from "../../base/clock.ts";
import type { Server } from "../../server/server.ts";
import { sumTallies } from "../../server/debug/tally.ts";
import { defineSubcommand } from "../command.ts";
import { startFailedLine } from "../event-line.ts";
import { exitCode } from "../exit-code.ts";
import { Faults } from "../faults.ts";
import type { Io } from "../io.ts";
import { openLog } from "../log.ts";
import { openServer, register } from "../open-server.ts";
import { UsageError } from "../usage-error.ts";
import { Parent } from "./parent.ts";
import { type ParentLink, processLink } from "./parent-link.ts";
import { workerLog } from "./worker-line.ts";

export const command = defineSubcommand({
  name: "server-worker",
  description: "One of the processes of geerpc server --workers",
  flags: {},
  async run(_, io) {
    const link = processLink();
    if (link !== undefined) return runWorker(link, io);
    throw new UsageError("write geerpc server --workers 2, which starts it");
  },
});

/** Serves what the parent says, until that says to end, or is gone. Resolves with the exit code. */
export async function runWorker(
  link: ParentLink,
  io: Io,
  clock: Clock = systemClock,
): Promise<number> {
  const parent = new Parent(link, clock);
  // A terminal and systemd signal all processes at once; the parent says when.
  const unlisten = io.onSignal(() => {});
  io.keepStdout();
  try {
    return await serve(parent, io, clock);
  } finally {
    unlisten();
  }
}

async function serve(parent: Parent, io: Io, clock: Clock): Promise<number> {
  const start = await Promise.race([parent.start, parent.stop]);
  if (typeof start === "string") return exitCode.failed;
  const { worker, files, values } = start;
  const log = workerLog(openLog(io, values), worker);
  using faults = new Faults(io, log);
  const stopped = Promise.race([parent.stop, faults.first]);
  let listening = "";
  const server: Server = openServer(values, {
    isReady: () => parent.isReady,
    onEvent: log.onEvent,
    clock,
    // A parent that does not answer leaves this worker's own.
    debugReport: async () =>
      (await parent.sum()) ??
      sumTallies(
        [{ worker, pid: process.pid, tally: server.tally() }],
        process.ppid,
      ),
  });
  const listen = async () => {
    const told = start.tellsServices ? log : undefined;
    await register(files, server, () => listening, told);
    listening = await server.listen(start.listen, { reusePort: true });
  };
  try {
    await Promise.race([listen(), stopped]);
  } catch (thrown) {
    await parent.tell({ kind: "start-failed", line: startFailedLine(thrown) });
    await server.close();
    return exitCode.failed;
  }
  if (listening !== "") {
    const { services } = server;
    parent.offer(() => server.tally());
    void parent.tell({ kind: "listening", address: listening, services });
  }
  const reason = await stopped;
  if (reason === "fault") void parent.tell({ kind: "leaving" });
  await server.drain(values.drainTimeout);
  return reason === "drain" ? exitCode.done : exitCode.failed;
}
