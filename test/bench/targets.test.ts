import { expect, test } from "bun:test";
import type { CaseReport } from "../../src/bench/case-report.ts";
import { caseNames } from "../../src/bench/cases.ts";
import { Program } from "../support/geerpc.ts";
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
import { type Target, targetRuns } from "./targets.ts";

const row = { inFlight: 64, callsPerSecond: 2e6, p99Us: 12.4 } as CaseReport;

function target(number: number, figure: number | null = 1): Target {
  return {
    ...{ number, what: `figure ${number}`, reason: `reason ${number}` },
    bound: number === 2 ? { atMost: 1.1 } : { atLeast: 0.5 },
    figureOf: () => figure,
  };
}

function caseRun(...targets: Target[]) {
  return { flags: [], sides: 1, targets: { 64: targets, 1: [target(9)] } };
}

test("there are targets 1 to 9, each with a reason, of cases and figures that there are", async () => {
  const numbers = new Set<number>();
  const soaks: string[] = [];
  for (const run of targetRuns) {
    if ("soak" in run) {
      soaks.push(run.soak);
      numbers.add(run.number);
      expect(run.reason).not.toBe("");
      continue;
    }
    const name = run.flags[0]?.replace("--case=", "") ?? "";
    expect(caseNames as string[]).toContain(name);
    for (const { number, reason } of Object.values(run.targets).flat()) {
      numbers.add(number);
      expect(reason).not.toBe("");
    }
  }
  expect([...numbers].sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  // Asked for one that there is not, it names those that there are.
  const soak = `${import.meta.dir}/../soak/soak.ts`;
  const { stderr } = await Program.run([process.execPath, soak, "?"], {
    cwd: import.meta.dir,
  });
  const known = stderr.split(/write |, |\n/);
  expect(soaks.filter((name) => !known.includes(name))).toEqual([]);
});

test("a row reaches the targets of its calls in flight, in their order", () => {
  const rows = [row, { ...row, inFlight: 256 }];
  const reached = reachedBy(caseRun(target(2, null), target(1, 0.75)), rows);
  const figures = { perSecond: 2e6, p99Us: 12.4 };
  expect(reached).toMatchObject([
    { number: 1, figure: 0.75, reason: "reason 1", ...figures },
    { number: 2, figure: NaN, reason: "reason 2", ...figures },
  ]);
});

test("soak's figures bring their own bounds", () => {
  const run = { soak: "start-time", number: 9, reason: "why" };
  const figure = { what: "start", measured: 4, target: { atMost: 5 } };
  const reached = reachedBySoak(run, [
    { ...figure, unit: "ms" },
    { ...figure, unit: "" },
  ]);
  const line = { number: 9, reason: "why", bound: { atMost: 5 }, figure: 4 };
  expect(reached).toEqual([
    { ...line, what: "start, ms" },
    { ...line, what: "start" },
  ]);
});

test("a run that failed misses all of its targets", () => {
  const soak = { soak: "workers", number: 8, reason: "other" };
  const reached = [
    ...reachedByNone(caseRun(target(2), target(1)), "gone"),
    ...reachedByNone(soak, "gone"),
  ];
  expect(reached.map(({ number }) => number)).toEqual([1, 2, 9, 8]);
  expect(reached.map(isMet)).toEqual([false, false, false, false]);
  for (const { reason } of reached) expect(reason).toBe("gone");
});

test("a bound is part of what it allows, and a figure that is not there misses", () => {
  const met = [0.5, 0.49, NaN].map((figure) =>
    isMet({ bound: { atLeast: 0.5 }, figure } as Reached),
  );
  const under = [1.1, 1.11, NaN].map((figure) =>
    isMet({ bound: { atMost: 1.1 }, figure } as Reached),
  );
  expect([met, under]).toEqual([
    [true, false, false],
    [true, false, false],
  ]);
});

test("a line for each target, which is printed as soon as it is there", () => {
  const line = { number: 1, what: "calls", reason: "" };
  const figures = { perSecond: 2e6, p99Us: 12.4 };
  const reached: Reached[] = [
    { ...line, bound: { atLeast: 0.9 }, figure: 0.75, ...figures },
    { ...line, bound: { atMost: 1_000 }, figure: 123.4, p99Us: null },
    { ...line, bound: { atMost: 1_000 }, figure: NaN },
  ];
  expect([head, ...reached.map(renderLine)]).toEqual([
    "target   wanted   reached          per second     p99 µs",
    "     1    ≥ 0.9     0.750  MISSED   2,000,000         12  calls",
    "     1  ≤ 1,000       123      ok           -          -  calls",
    "     1  ≤ 1,000         -  MISSED           -          -  calls",
  ]);
});

test("a reason stands under the table where its target was missed, once for all that share it", () => {
  const line = { bound: { atLeast: 1 }, reason: "the clock" };
  const reached: Reached[] = [
    { ...line, number: 1, what: "one", figure: 0.5 },
    { ...line, number: 2, what: "two", figure: 1, reason: "no reason" },
    { ...line, number: 3, what: "three", figure: NaN },
    { ...line, number: 4, what: "four", figure: 0, reason: "the kernel" },
  ];
  expect(renderReasons(reached)).toEqual([
    "missed: 1, one; 3, three\n  the clock",
    "missed: 4, four\n  the kernel",
  ]);
  expect(renderReasons(reached.slice(1, 2))).toEqual([]);
});
