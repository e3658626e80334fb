import type { OnEvent } from "../events.ts";
import { type Heartbeat, heartbeat } from "../registry/heartbeat.ts";
import { Server } from "../server/server.ts";
import { defaultKeepAlive } from "../session/keepalive.ts";
import { formatAddress, parseAddress } from "../transport/address.ts";
import { defineSubcommand } from "./command.ts";
import { Foo } from "./demo-service.ts";
import { exitCode } from "./exit-code.ts";
import { flag, toggle } from "./flags.ts";
import { toJsonLine } from "./json.ts";
import {
  address,
  duration,
  registryUrls,
  size,
  someDuration,
  wholeNumber,
} from "./kinds.ts";
import { type LeftOut, loadServices } from "./load-services.ts";
import { startFailedLine } from "./event-line.ts";
import { type Log, logFlags, openLog } from "./log.ts";
import { Faults } from "./faults.ts";
import { Signals } from "./signals.ts";
import { ownTokenFile } from "./token-file.ts";

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
  flags: {
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
    registryTokenFile: flag(
      ownTokenFile,
      "the registry's token for this server",
    ),
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
    maxConnections: flag(wholeNumber(1), "connections at a time", "10000"),
    maxRunning: flag(
      wholeNumber(1),
      "asynchronous calls at a time of one connection",
      "1024",
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
  },
  notes: `A service's methods are those that its class declares, but for names that begin
with _ ; write #name for what is private. They are listed on stderr.

Prints {"listening":"tcp@…"} when it accepts connections and, with --registry,
the first registration was answered or failed. SIGINT and SIGTERM end it in
order: it leaves the registry, lets calls and streams finish, and exits 0. A
second one ends it at once. What the files write to the console goes to stderr;
what they throw where nobody catches it is logged, and ends it in order with exit
code 1. A client that is asked whether it is there, with calls in flight after 10 s
at the latest, and that says nothing for 5 s is gone.

Without a file the demo service Foo is served: Sum and Sleep of {Num1,Num2},
Echo, Fail({code,message}) and Whoami. Count(to) and Count({from,to,everyMs}) are
streams, Total adds up the items of one, Double answers each with its double.

  geerpc server ./arith.ts --listen 0.0.0.0:7000 --registry http://10.0.0.1:9999`,

  async run({ values, rest: files }, io) {
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
    const server = new Server({
      handleTimeoutMs: values.handleTimeout,
      limits: {
        maxMessageBytes: values.maxMessage,
        maxConnections: values.maxConnections,
        maxRunningHandlers: values.maxRunning,
        handshakeTimeoutMs: values.handshakeTimeout,
      },
      keepAlive: {
        idleMs: values.keepalive,
        busyMs: Math.min(values.keepalive, defaultKeepAlive.busyMs),
      },
      compression: values.compress,
      isReady: () => isReady,
      onEvent,
    });
    const start = async () => {
      if (files.length === 0) server.register(new Foo(() => listening), "Foo");
      else logLeftOut(await loadServices(files, server), log);
      logServices(server, log);
      listening = await server.listen(values.listen);
    };
    let heart: Heartbeat | undefined;
    try {
      await Promise.race([start(), stopped]);
      if (values.registry !== undefined && listening !== "") {
        const { registryTokenFile: token } = values;
        const address = advertisedAddress(values.advertise, listening);
        const { services } = server;
        heart = heartbeat(
          values.registry,
          { address, services },
          { onEvent, ...(token && { token }) },
        );
        await Promise.race([heart.firstAttempt, stopped]);
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
    log.write({
      level: "info",
      message: `${reason}: the server leaves, calls and streams may finish for ${values.drainTimeout / 1_000} s`,
      fields: { event: "stopping", signal: reason },
    });
    await heart?.close();
    await server.drain(values.drainTimeout);
    return reason === "fault" ? exitCode.failed : exitCode.done;
  },
});

/** What is registered: port 0 stands for the one that is listened on. */
function advertisedAddress(
  advertise: string | undefined,
  listening: string,
): string {
  if (advertise === undefined) return listening;
  const address = parseAddress(advertise);
  const own = parseAddress(listening);
  return address.protocol === "unix" ||
    own.protocol === "unix" ||
    address.port !== 0
    ? advertise
    : formatAddress({ ...address, port: own.port });
}

function logServices(server: Server, log: Log): void {
  for (const [service, methods] of server.methods) {
    const names = methods.map(({ serviceMethod }) =>
      serviceMethod.slice(service.length + 1),
    );
    log.write({
      level: "info",
      message: `serves ${service}: ${names.join(", ")}`,
      fields: { event: "service", service, methods: names },
    });
  }
}

function logLeftOut(leftOut: readonly LeftOut[], log: Log): void {
  for (const { file, name, reason, isPromised } of leftOut) {
    log.write({
      level: isPromised ? "warn" : "info",
      message: `does not serve ${name} of ${file}: it ${reason}`,
      fields: { event: "left-out", file, name, reason },
    });
  }
}
