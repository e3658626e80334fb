import { join } from "node:path";
import { parseArgs } from "node:util";
import type { BenchReport, CaseReport } from "../../src/bench/case-report.ts";
import { describeMachine } from "../../src/bench/machine.ts";
import {
  busyNote,
  isBusy,
  loadText,
  machineText,
} from "../../src/bench/report.ts";
import type { Figure } from "../soak/figures.ts";
import {
  head,
  isMet,
  type Reached,
  reachedBy,
  reachedByNone,
  reachedBySoak,
  renderLine,
  renderReasons,
} from "./target-table.ts";
import { type CaseRun, type SoakRun, targetRuns } from "./targets.ts";

// What `bun run bench:all [--slice MS] [TARGET …]` runs: every figure beside
// its target, a line as soon as it is there, and under them why targets were
// missed. TARGET is a number, 1 to 9; without one all are measured, which takes
// a quarter of an hour, of which ten minutes are the memory's. Exits 1 where a
// target is missed. Linux only: memory and CPU time are read in /proc.

const root = join(import.meta.dir, "../..");
const slices = 5;

const asked = readArguments(process.argv.slice(2));
if (asked === undefined) {
  console.error(
    "write: bun run bench:all [--slice MS] [TARGET …], targets of 1 to 9",
  );
  process.exitCode = 2;
} else {
  process.exitCode = (await measureAll(asked)) ? 0 : 1;
}

interface Asked {
  sliceMs: number;
  numbers: ReadonlySet<number>;
}

/** undefined: they were not understood. */
function readArguments(args: string[]): Asked | undefined {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: { slice: { type: "string", default: "1000" } },
      allowPositionals: true,
    });
    const sliceMs = Number(values.slice);
    const all = new Set(targetRuns.flatMap(numbersOf));
    const numbers = positionals.map(Number);
    if (!(sliceMs > 0) || !numbers.every((each) => all.has(each))) return;
    return { sliceMs, numbers: numbers.length > 0 ? new Set(numbers) : all };
  } catch {
    return undefined;
  }
}

/** Whether all targets were met. */
async function measureAll({ sliceMs, numbers }: Asked): Promise<boolean> {
  const machine = describeMachine();
  const all: Reached[] = [];
  console.log(head);
  const runs = targetRuns.filter((run) =>
    numbersOf(run).some((number) => numbers.has(number)),
  );
  for (const [at, run] of runs.entries()) {
    tell(`${at + 1} of ${runs.length}: ${nameOf(run)}`);
    const reached = await measure(run, sliceMs).catch((thrown: Error) =>
      reachedByNone(run, thrown.message),
    );
    tell("");
    for (const each of reached.filter(({ number }) => numbers.has(number))) {
      all.push(each);
      console.log(renderLine(each));
    }
  }
  for (const text of renderReasons(all)) console.log(`\n${text}`);
  const loads = [machine.loadAverage, describeMachine().loadAverage];
  const [before = "", after = ""] = loads.map(loadText);
  console.log(
    `\n${machineText(machine)}; load ${before} before, ${after} after; targets 1 to 6: medians of ${slices} slices of ${sliceMs} ms`,
  );
  if (isBusy(machine)) console.log(busyNote);
  return all.every(isMet);
}

function measure(run: CaseRun | SoakRun, sliceMs: number): Promise<Reached[]> {
  return "soak" in run ? runSoak(run) : runCase(run, sliceMs);
}

/** In processes of its own: none has the memory or the compiled code of the one before. */
async function runCase(run: CaseRun, sliceMs: number): Promise<Reached[]> {
  const time = [
    `--slices=${slices}`,
    `--duration=${run.sides * slices * sliceMs}ms`,
  ];
  const words = [join(root, "src/main.ts"), "bench", "--json", ...run.flags];
  const bench = Bun.spawn([process.execPath, ...words, ...time], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    bench.stdout.text(),
    bench.stderr.text(),
    bench.exited,
  ]);
  if (exitCode === 0) return reachedBy(run, casesIn(stdout));
  throw new Error(errorIn(stderr) || firstFailureIn(stdout));
}

/** Of a program that failed, without the code and the stack around it; empty where it said nothing. */
function errorIn(stderr: string): string {
  return /^\w*error: .*$/im.exec(stderr)?.[0] ?? stderr.trim();
}

function casesIn(json: string): readonly CaseReport[] {
  return (JSON.parse(json) as BenchReport).cases;
}

/** A call that went wrong is told of in the report. */
function firstFailureIn(json: string): string {
  const failed = casesIn(json).find(({ errors }) => errors > 0);
  return `${failed?.errors} calls went wrong: ${failed?.firstFailure}`;
}

async function runSoak(run: SoakRun): Promise<Reached[]> {
  const figures: Figure[] = [];
  const soak = Bun.spawn(
    [process.execPath, join(root, "test/soak/soak.ts"), run.soak],
    {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
      ipc: (figure) => void figures.push(figure as Figure),
    },
  );
  const [stderr, exitCode] = await Promise.all([
    soak.stderr.text(),
    soak.exited,
  ]);
  const reached = reachedBySoak(run, figures);
  const isWhole =
    reached.length > 0 && reached.every(isMet) === (exitCode === 0);
  if (isWhole) return reached;
  const reason = errorIn(stderr) || `it ended with exit code ${exitCode}`;
  return [...reached, ...reachedByNone(run, reason)];
}

function numbersOf(run: CaseRun | SoakRun): number[] {
  if ("soak" in run) return [run.number];
  return Object.values(run.targets)
    .flat()
    .map(({ number }) => number);
}

function nameOf(run: CaseRun | SoakRun): string {
  return "soak" in run ? run.soak : run.flags.join(" ");
}

/** One line on a terminal, nothing elsewhere. */
function tell(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
