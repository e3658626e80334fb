import type { OnEvent } from "../events.ts";
import type { Heartbeat } from "../registry/heartbeat.ts";
import { defineSubcommand } from "./command.ts";
import { descriptionFlags, descriptionOf } from "./description-flags.ts";
import { exitCode } from "./exit-code.ts";
import { flag, isWritten, toggle, type Values } from "./flags.ts";
import { toJsonLine } from "./json.ts";
import {
  address,
  duration,
  registryUrls,
  size,
  someDuration,
  wholeNumber,
} from "./kinds.ts";
import { startFailedLine, stoppingLine } from "./event-line.ts";
import { logFlags, openLog } from "./log.ts";
import { Faults } from "./faults.ts";
import { openServer, register } from "./open-server.ts";
import { serverHeartbeat } from "./server-heartbeat.ts";
import { Signals } from "./signals.ts";
import { ownTokenFile } from "./token-file.ts";
import { UsageError } from "./usage-error.ts";

const flags = {
  listen: flag(
    address,
    "where it accepts connections; port 0 is a free one",
    "tcp@127.0.0.1:0",
  ),
  advertise: flag(
    address,
    "the address that others use; port 0 is the one it listens on",
  ),
  registry: flag(registryUrls, "registers there, and leaves when it ends"),
  registryTokenFile: flag(ownTokenFile, "the registry's token for this server"),
  ...descriptionFlags,
  handleTimeout: flag(
    duration,
    "how long one call may take at most; 0 is no limit",
    "0",
  ),
  drainTimeout: flag(
    duration,
    "how long calls and streams may go on when it ends",
    "30s",
  ),
  maxMessage: flag(size, "the largest argument, reply or item", "4MiB"),
  workers: flag(
    wholeNumber(1, 256),
    "processes that share the port and serve the same; one that dies is replaced",
  ),
  maxConnections: flag(wholeNumber(1), "connections at a time", "10000"),
  maxRunning: flag(
    wholeNumber(1),
    "asynchronous calls at a time of one connection",
    "1024",
  ),
  adaptiveLimit: toggle(
    "refuses calls of methods that get slow, so that clients take them elsewhere",
  ),
  handshakeTimeout: flag(
    someDuration,
    "how long a connection may take to say what it speaks",
    "5s",
  ),
  keepalive: flag(
    duration,
    "silence before a client is asked if it is there; 0 is never",
    "30s",
  ),
  compress: toggle("compresses large bodies, for clients that ask for it"),
  ...logFlags,
};

export type ServerValues = Values<typeof flags>;

export const command = defineSubcommand({
  name: "server",
  description: "Serves the classes of TypeScript files",
  positionals: [
    {
      name: "file.ts …",
      description:
        "each exported class or object of methods is a service; without one, Foo",
      isMany: true,
    },
  ],
  flags,
  notes: `A service's methods are those that its class declares, but for names that begin
with _ ; write #name for what is private. They are listed on stderr.

Prints {"listening":"tcp@…"} when it accepts connections and, with --registry,
the first registration was answered or failed. SIGINT and SIGTERM end it in
order: it leaves the registry, lets calls and streams finish, and exits 0. A
second one ends it at once. What the files write to the console goes to stderr;
what they throw where nobody catches it is logged, and ends it in order with exit
code 1. A client that is asked whether it is there, with calls in flight after 10 s
at the latest, and that says nothing for 5 s is gone.

With --registry it says of itself what --service-version, --weight, --zone and --label
say: geerpc client --list and the registry's page show it, --mode weighted and zone
go by it. --label may be given several times; its twin has one key=value a line.
With --report-load each heartbeat tells its load, from 0 to 1: the largest of its
processor's, its memory's and its event loop's. It is of one process, not of --workers.

With --workers 2 two processes share the port, and the system spreads connections
over them: each stays with one, so a client with a single connection uses one. Each
has the services, with what they keep in memory, to itself; --max-connections is of
each. One entry in the registry stands for all, /debug/geerpc shows the sum, and log
lines say which worker. SIGINT and SIGTERM are for the process that was started:
workers end with it, also where it is killed. Linux only, and on no unix socket.

Without a file the demo service Foo is served: Sum and Sleep of {Num1,Num2},
Echo, Fail({code,message}) and Whoami. Count(to) and Count({from,to,everyMs}) are
streams, Total adds up the items of one, Double answers each with its double.

  geerpc server ./arith.ts --listen 0.0.0.0:7000 --registry http://10.0.0.1:9999`,

  async run(parsed, io) {
    const { values, rest: files } = parsed;
    const description = descriptionOf(parsed);
    if (values.workers !== undefined) {
      if (isWritten(parsed, "reportLoad")) {
        throw new UsageError(
          "--report-load measures one process: write it without --workers",
        );
      }
      const { supervise } = await import("./workers/supervise.ts");
      const count = values.workers;
      const all = { ...values, reportLoad: false };
      return supervise({ count, values: all, files, description }, io);
    }
    using signals = new Signals(io);
    io.keepStdout();
    const log = openLog(io, values);
    using faults = new Faults(io, log);
    const stopped = Promise.race([signals.first, faults.first]);
    let isStopping = false;
    void stopped.then(() => (isStopping = true));
    let listening = "";
    let isReady = values.registry === undefined;
    const onEvent: OnEvent = (event) => {
      // A registry that goes away later takes nothing away from this server.
      if (event.kind === "registered") isReady = true;
      log.onEvent(event);
    };
    const server = openServer(values, { isReady: () => isReady, onEvent });
    const start = async () => {
      await register(files, server, () => listening, log);
      listening = await server.listen(values.listen);
    };
    let heart: Heartbeat | undefined;
    try {
      await Promise.race([start(), stopped]);
      if (listening !== "") {
        const registrant = { services: server.services, ...description };
        heart = serverHeartbeat(values, listening, registrant, onEvent);
        await Promise.race([heart?.firstAttempt, stopped]);
      }
    } catch (thrown) {
      log.write(startFailedLine(thrown));
      await server.close();
      return exitCode.failed;
    }
    if (!isStopping) {
      io.stdout.write(`${toJsonLine({ listening })}\n`);
    }
    const reason = await stopped;
    log.write(stoppingLine(reason, values.drainTimeout));
    await heart?.close();
    await server.drain(values.drainTimeout);
    return reason === "fault" ? exitCode.failed : exitCode.done;
  },
});
