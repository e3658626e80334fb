import { loadavg } from "node:os";
import { join } from "node:path";
import type { BenchReport, Machine } from "../../src/bench/case-report.ts";
import {
  isMet,
  type Reached,
  reachedBy,
  renderTargets,
  type TargetRun,
  targetRuns,
} from "./targets.ts";

// Every case beside its target, in one table: `bun run bench:all [ms of a slice]`.
// Exits 1 where a target is missed or a call went wrong.

const main = join(import.meta.dir, "../../src/main.ts");
const slices = 5;
const sliceMs = Number(process.argv[2] ?? 1_000);

/** A run in processes of its own: none has the memory or the compiled code of the one before. */
async function measure({ flags, sides }: TargetRun): Promise<BenchReport> {
  const time = [
    `--slices=${slices}`,
    `--duration=${sides * slices * sliceMs}ms`,
  ];
  const bench = Bun.spawn(
    [process.execPath, main, "bench", "--json", ...flags, ...time],
    { stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  );
  const [stdout, stderr, exitCode] = await Promise.all([
    bench.stdout.text(),
    bench.stderr.text(),
    bench.exited,
  ]);
  if (exitCode === 0) return JSON.parse(stdout) as BenchReport;
  throw new Error(`geerpc bench ${flags.join(" ")}: ${stderr || stdout}`);
}

function tell(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

const before = loadavg();
const reached: Reached[] = [];
let machine: Machine | undefined;
for (const [at, run] of targetRuns.entries()) {
  tell(`${at + 1} of ${targetRuns.length}: ${run.flags.join(" ")}`);
  const report = await measure(run);
  machine = report.machine;
  reached.push(...reachedBy(run, report.cases));
}
tell("");
if (machine !== undefined) {
  console.log(renderTargets(reached, machine, { before, after: loadavg() }));
}
process.exitCode = reached.every(isMet) ? 0 : 1;
