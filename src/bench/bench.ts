import { RpcError } from "../errors.ts";
import { compareSides, type Comparison, planComparison } from "./comparison.ts";
import type { OwnAddresses } from "./bench-server.ts";
import type { Destination } from "./callers.ts";
import { type ConnectionOptions, Connections } from "./connections.ts";
import type { Executable } from "./executable.ts";
import type { CaseWords } from "./load-server.ts";
import { LocalSides } from "./local-sides.ts";
import { measureProcesses } from "./process-slice.ts";
import type { BenchReport, CaseReport } from "./case-report.ts";
import { describeMachine } from "./machine.ts";
import { ProcessSides } from "./process-sides.ts";
import { Row, warmUp } from "./row.ts";
import { ServerProcess } from "./server-process.ts";
import type { Sides } from "./sides.ts";
import { rateOf } from "./slices.ts";

export interface BenchOptions extends ConnectionOptions {
  /** Calls or streams in flight on each connection: one row for each number. */
  inFlight: readonly number[];
  /** For each row, in ms, shared by geerpc and what it takes turns with. */
  durationMs: number;
  /** How many turns each side takes in a row; by default as many as there is time for. */
  turns?: number;
  /** Somebody's servers, or the command of a process that runs a BenchServer. */
  target:
    | Destination
    | {
        command: readonly string[];
        env?: Readonly<Record<string, string | undefined>>;
      };
  /** More processes than this one that make the load, each with its connections. */
  processes?: LoadProcessOptions;
  against?: AgainstOptions;
  /** Ends the run early: it rejects with `cancelled`, and nothing stays behind. */
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

/** The same load from several processes. */
export interface LoadProcessOptions {
  /** At least 2. */
  count: number;
  /** What runs serveLoad(). */
  command: readonly string[];
  env?: Readonly<Record<string, string | undefined>>;
  /** The run's case, in words that another process understands. */
  case: CaseWords;
}

/** Another executable, which takes turns with this one: each has durationMs to itself for each row. */
export interface AgainstOptions {
  executable: Executable;
  /** The command that runs this one. */
  self: readonly string[];
  /** What is called and how, as flags of `geerpc bench` that both understand. */
  flags: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
}

export interface Progress {
  inFlight: number;
  /** Of the whole run, 0 to 1. */
  fraction: number;
  /** Calls or items in the last slice; 0 while warming up. */
  perSecond: number;
}

/** How long code runs before it is measured, so that it has been compiled. */
const warmUpMs = 1_000;
/** How much longer than the measuring the comparing takes: two sides, each with its warm-up in every slice. */
const comparingTimes = 5;

/**
 * Measures a server row by row, then, where another executable is named, both
 * in turns.
 *
 * @throws RpcError unavailable  no server, or no connection to it; then sent is false
 * @throws RpcError cancelled    options.signal
 * @throws RpcError unknown      a process of the comparison failed
 * @throws RpcError              what the first call of the method failed with
 */
export async function runBench(options: BenchOptions): Promise<BenchReport> {
  const { signal, against } = options;
  const machine = describeMachine();
  throwIfAborted(signal);
  try {
    const cases = await measureRows(options);
    if (against === undefined) return { cases, machine };
    const compared: CaseReport[] = [];
    for (const [at, row] of cases.entries()) {
      const comparison = await compareRow(options, against, row.inFlight, at);
      compared.push({ ...row, ...comparison });
    }
    return { cases: compared, machine, against: against.executable };
  } catch (thrown) {
    throwIfAborted(signal);
    throw thrown;
  }
}

async function measureRows(options: BenchOptions): Promise<CaseReport[]> {
  const { target, inFlight, durationMs, signal } = options;
  await using opened = new AsyncDisposableStack();
  let own: ServerProcess | undefined;
  if ("command" in target) {
    own = await ServerProcess.start(target.command, target.env);
    opened.use(own);
  }
  const addresses = own?.addresses ?? (target as Destination);
  const connections = await Connections.open(options, addresses);
  opened.use(connections);
  const sides = await openSides(options, connections, addresses, opened);
  throwIfAborted(signal);
  const onAbort = () => {
    void connections.close();
    if (sides instanceof ProcessSides) void sides.close();
  };
  signal?.addEventListener("abort", onAbort);
  opened.defer(() => signal?.removeEventListener("abort", onAbort));
  const most = Math.max(...inFlight);
  tell(options, most, 0, 0);
  await warmUp(sides, most, Math.min(warmUpMs, durationMs));
  throwIfAborted(signal);
  const processCount = options.processes?.count;
  const rowOptions = {
    ...options,
    ...(processCount !== undefined && { processCount }),
  };
  const rows: CaseReport[] = [];
  for (const [at, count] of inFlight.entries()) {
    const row = new Row(connections, sides, count, rowOptions);
    const report = await row.measure((fraction, slice) => {
      throwIfAborted(signal);
      const share =
        options.against === undefined ? 1 : 1 / (1 + comparingTimes);
      const done = ((at + fraction) / inFlight.length) * share;
      tell(options, count, done, rateOf(slice));
    });
    rows.push(report);
  }
  return rows;
}

/** Where the load is made: here, or in processes of its own. */
async function openSides(
  options: BenchOptions,
  connections: Connections,
  target: Destination | OwnAddresses,
  opened: AsyncDisposableStack,
): Promise<Sides> {
  const { processes, codec, callsPerSecond } = options;
  if (processes === undefined) return new LocalSides(connections, options);
  const { count, command, env } = processes;
  const sides = await ProcessSides.start(command, env, count, {
    case: processes.case,
    connections: options.connections,
    hasFloor: options.hasFloor ?? false,
    target,
    ...(codec !== undefined && { codec }),
    ...(callsPerSecond !== undefined && {
      callsPerSecond: callsPerSecond / count,
    }),
  });
  return opened.use(sides);
}

function compareRow(
  options: BenchOptions,
  { executable, self, flags, env }: AgainstOptions,
  inFlight: number,
  rowsBefore: number,
): Promise<Comparison> {
  const { durationMs, signal } = options;
  const { sliceMs, pairs } = planComparison(durationMs);
  const slice = {
    flags,
    inFlight,
    durationMs: sliceMs,
    env,
    ...(signal ? { signal } : {}),
  };
  const commands = { this: self, other: [executable.path] };
  return compareSides(
    pairs,
    (side) => measureProcesses(commands[side], slice),
    (pairsDone, perSecond) => {
      const rowsDone = rowsBefore + pairsDone / pairs;
      const done = 1 + (rowsDone / options.inFlight.length) * comparingTimes;
      tell(options, inFlight, done / (1 + comparingTimes), perSecond);
    },
  );
}

function tell(
  { onProgress }: BenchOptions,
  inFlight: number,
  fraction: number,
  perSecond: number,
): void {
  onProgress?.({ inFlight, fraction, perSecond });
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw RpcError.fromAbort(signal);
}
