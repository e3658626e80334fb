import { BenchServer } from "../bench/bench-server.ts";
import { serveLoad } from "../bench/load-server.ts";
import { Foo } from "./demo-service.ts";
import { exitCode } from "./exit-code.ts";
import type { Io } from "./io.ts";
import { toJsonLine } from "./json.ts";
import { selfCommand } from "./self.ts";
import { Signals } from "./signals.ts";
import { StdinItems } from "./stdin-items.ts";

// What `geerpc bench` starts besides itself; no part of the command line that
// users see.

const serveFlag = "--serve";
const fleetFlag = "--fleet";
const loadFlag = "--load";

/** What starts the measured process, with a fleet of servers or without. */
export function serveCommand(hasFleet: boolean): string[] {
  const command = [...selfCommand(), "bench", serveFlag];
  return hasFleet ? [...command, fleetFlag] : command;
}

/** What starts a process that makes load. */
export function loadCommand(): string[] {
  return [...selfCommand(), "bench", loadFlag];
}

/** Runs one of these processes where the arguments ask for one; undefined where they do not. */
export function benchProcess(
  [first, ...rest]: readonly string[],
  io: Io,
): Promise<number> | undefined {
  if (first === serveFlag) return serve(io, rest.includes(fleetFlag));
  return first === loadFlag ? load(io) : undefined;
}

/** The measured process: it lives until its input ends, and leaves SIGINT to the process that started it. */
async function serve(io: Io, hasFleet: boolean): Promise<number> {
  using _signals = new Signals(io);
  let listening = "";
  await using server = new BenchServer({ Foo: new Foo(() => listening) });
  const addresses = await server.listen(hasFleet);
  listening = addresses.listening;
  io.stdout.write(`${toJsonLine(addresses)}\n`);
  await io.readStdin();
  return exitCode.done;
}

/** A process that makes load; it lives as the measured one does. */
async function load(io: Io): Promise<number> {
  using _signals = new Signals(io);
  await serveLoad(new StdinItems(io.stdinChunks()), (answer) =>
    io.stdout.write(`${toJsonLine(answer)}\n`),
  );
  return exitCode.done;
}
