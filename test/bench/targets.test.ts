import { expect, test } from "bun:test";
import type { CaseReport } from "../../src/bench/case-report.ts";
import { caseNames } from "../../src/bench/cases.ts";
import {
  isMet,
  reachedBy,
  renderTargets,
  type Target,
  targetRuns,
} from "./targets.ts";

const row = { inFlight: 64, callsPerSecond: 2e6, p99Us: 12.4 } as CaseReport;

function target(number: number, figure: number | null): Target {
  return {
    number,
    what: `figure ${figure}`,
    bound: number === 2 ? { atMost: 1.1 } : { atLeast: 0.5 },
    figureOf: () => figure,
  };
}

test("there are targets 1 to 6, of cases that there are", () => {
  const targets = targetRuns.flatMap(({ targets }) =>
    Object.values(targets).flat(),
  );
  const numbers = new Set(targets.map(({ number }) => number));
  expect([...numbers].sort()).toEqual([1, 2, 3, 4, 5, 6]);
  for (const { flags } of targetRuns) {
    const name = flags[0]?.replace("--case=", "") ?? "";
    expect(caseNames as string[]).toContain(name);
  }
});

test("a row reaches the targets of its calls in flight", () => {
  const one = target(1, 1);
  const other = target(2, 1);
  const run = { flags: [], sides: 1, targets: { 64: [one], 1: [other] } };
  const rows = [row, { ...row, inFlight: 256 }];
  expect(reachedBy(run, rows)).toEqual([{ target: one, row }]);
});

test("a bound is part of what it allows, and a figure that is not there misses", () => {
  const met = [
    target(1, 0.5),
    target(1, 0.49),
    target(2, 1.1),
    target(2, 1.11),
    target(1, null),
  ];
  expect(met.map((target) => isMet({ target, row }))).toEqual([
    true,
    false,
    true,
    false,
    false,
  ]);
});

test("the table is in the order of the targets", () => {
  const reached = [
    { target: target(2, 1.234), row },
    { target: target(1, 0.75), row: { ...row, p99Us: null } },
  ];
  const machine = {
    cores: 2,
    loadAverage: [9],
    bun: "1.4.5",
    platform: "linux x64",
  };
  const loads = { before: [0.04, 0.1], after: [1, 0.5] };
  expect(renderTargets(reached, machine, loads).split("\n")).toEqual([
    "target  wanted  reached          per second  p99 µs",
    "     1   ≥ 0.5    0.750      ok   2,000,000       -  figure 0.75",
    "     2   ≤ 1.1    1.234  MISSED   2,000,000      12  figure 1.234",
    "",
    "medians of five slices; 2 cores, Bun 1.4.5, linux x64; load 0.0 0.1 before, 1.0 0.5 after",
  ]);
});
