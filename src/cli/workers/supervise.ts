import type { OnEvent } from "../../events.ts";
import type { Heartbeat, Registrant } from "../../registry/heartbeat.ts";
import { type Address, parseAddress } from "../../transport/address.ts";
import { listenPipes } from "../../transport/listen.ts";
import type { Pipe } from "../../transport/pipe.ts";
import { startFailedLine, stoppingLine } from "../event-line.ts";
import { exitCode } from "../exit-code.ts";
import type { Io } from "../io.ts";
import { toJsonLine } from "../json.ts";
import { openLog } from "../log.ts";
import type { ServerValues } from "../server.ts";
import { serverHeartbeat } from "../server-heartbeat.ts";
import { Signals } from "../signals.ts";
import { UsageError } from "../usage-error.ts";
import { type SpawnWorker, workerSpawner } from "./worker-process.ts";
import { Workers } from "./workers.ts";

/** What `geerpc server --workers` is to do. */
export interface Supervision {
  /** How many. */
  count: number;
  values: ServerValues;
  files: readonly string[];
  /** What the registration says besides address and services. */
  description: Omit<Registrant, "address" | "services">;
}

/**
 * `geerpc server --workers`: this process serves nothing itself. It takes the
 * port, registers, and replaces workers that die; when it ends they end.
 * Resolves with the exit code.
 *
 * @throws UsageError  processes cannot share the address
 */
export async function supervise(
  { count, values, files, description }: Supervision,
  io: Io,
  spawn: SpawnWorker = workerSpawner(io.env),
): Promise<number> {
  const address = parseAddress(values.listen);
  checkShareable(address);
  let workers: Workers | undefined;
  using signals = new Signals({
    onSignal: (listener) => io.onSignal(listener),
    exit(code) {
      workers?.kill();
      io.exit(code);
    },
  });
  const log = openLog(io, values);
  const onEvent: OnEvent = (event) => {
    if (event.kind === "registered") workers?.ready();
    log.onEvent(event);
  };
  let heart: Heartbeat | undefined;
  try {
    const port = await takePort(address);
    workers = new Workers({
      count,
      spawn,
      start: { listen: port.address, files, values },
      isReady: values.registry === undefined,
      log,
    });
    const outcome = await Promise.race([workers.started(), signals.first]);
    port.release();
    if (typeof outcome === "object") {
      if ("failure" in outcome) {
        log.write(outcome.failure);
        return outcome.exitCode;
      }
      const { address: listening, services } = outcome;
      const registrant = { services, ...description };
      heart = serverHeartbeat(values, listening, registrant, onEvent);
      await Promise.race([heart?.firstAttempt, signals.first]);
      if (!signals.abort.aborted) {
        io.stdout.write(`${toJsonLine({ listening })}\n`);
      }
    }
    const signal = await signals.first;
    log.write(stoppingLine(signal, values.drainTimeout));
    await heart?.close();
    const isInOrder = await workers.drain(values.drainTimeout);
    return isInOrder ? exitCode.done : exitCode.failed;
  } catch (thrown) {
    log.write(startFailedLine(thrown));
    return exitCode.failed;
  } finally {
    workers?.kill();
  }
}

/** @throws UsageError */
function checkShareable({ protocol }: Address): void {
  if (protocol === "unix") {
    throw new UsageError(
      "--workers share a port, and a unix socket cannot be shared: write --listen tcp@host:port, or start a server for each socket, with --registry",
    );
  }
  if (process.platform !== "linux") {
    throw new UsageError(
      "--workers needs Linux, which spreads connections over processes: start several servers, each on a port of its own, with --registry",
    );
  }
}

/** The port that workers are to share. */
interface TakenPort {
  /** With the port that it got. */
  address: string;
  release(): void;
}

/**
 * Makes sure of the port before workers share it. One that is asked for is
 * taken for a moment without sharing, so that it fails where another server
 * is, even one with workers. A free one is held until workers have it.
 *
 * @throws RpcError  as listenPipes()
 */
async function takePort(address: Address): Promise<TakenPort> {
  const isFree = address.protocol !== "unix" && address.port === 0;
  const cut = (pipe: Pipe) => pipe.abort();
  const listener = await listenPipes(address, cut, { reusePort: isFree });
  if (!isFree) listener.close();
  return {
    address: listener.address,
    release: () => isFree && listener.close(),
  };
}
