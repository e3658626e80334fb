import { RpcError } from "../errors.ts";
import type { SideFigures } from "./comparison.ts";

export interface ProcessSliceOptions {
  /** Of `geerpc bench`: what is called, and how; besides --inflight, --duration and --json. */
  flags: readonly string[];
  inFlight: number;
  durationMs: number;
  env: Readonly<Record<string, string | undefined>>;
  signal?: AbortSignal;
}

/**
 * Measures one slice with processes that live no longer: `geerpc bench` of
 * `command`, which starts a server of its own. So a version is measured as a
 * whole, both ends of it, by the same flags, and no slice has the memory, the
 * compiled code or the luck of the one before.
 *
 * @throws RpcError unknown    it failed, or counted errors
 * @throws RpcError cancelled  `signal`; the process is gone
 */
export async function measureProcesses(
  command: readonly string[],
  { flags, inFlight, durationMs, env, signal }: ProcessSliceOptions,
): Promise<SideFigures> {
  const words = ["bench", "--json", `--inflight=${inFlight}`];
  const bench = Bun.spawn(
    [...command, ...words, `--duration=${durationMs}ms`, ...flags],
    {
      env: { ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      // In order, so that it ends its server.
      killSignal: "SIGTERM",
      ...(signal ? { signal } : {}),
    },
  );
  const [stdout, stderr, exitCode] = await Promise.all([
    bench.stdout.text(),
    bench.stderr.text(),
    bench.exited,
  ]);
  if (signal?.aborted) throw RpcError.fromAbort(signal);
  const row = rowIn(stdout);
  if (exitCode === 0 && isFigures(row)) return row;
  throw new RpcError(
    "unknown",
    `${command.join(" ")} bench ended with exit code ${exitCode}: ${row?.firstFailure ?? stderr.trim()}`,
  );
}

/** What is read of its report. */
type ReadRow = Partial<SideFigures> & { firstFailure?: string };

function rowIn(stdout: string): ReadRow | undefined {
  try {
    return (JSON.parse(stdout) as { cases: ReadRow[] }).cases[0];
  } catch {
    return undefined;
  }
}

function isFigures(row: ReadRow | undefined): row is SideFigures {
  return isRate(row?.callsPerSecond) && isRate(row?.cpuUsPerCall);
}

function isRate(value: unknown): boolean {
  return typeof value === "number" && value > 0;
}
