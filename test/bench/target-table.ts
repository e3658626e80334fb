import type { CaseReport } from "../../src/bench/case-report.ts";
import type { Figure, Target as Bound } from "../soak/figures.ts";
import type { CaseRun, SoakRun } from "./targets.ts";

/** A figure beside what it has to be: a line of the table. */
export interface Reached {
  number: number;
  what: string;
  bound: Bound;
  /** NaN where there is none. */
  figure: number;
  perSecond?: number;
  p99Us?: number | null;
  /** Why it is missed, where it is. */
  reason: string;
}

/** The targets of a run of cases, with its rows. */
export function reachedBy(
  { targets }: CaseRun,
  rows: readonly CaseReport[],
): Reached[] {
  const reached = rows.flatMap((row) =>
    (targets[row.inFlight] ?? []).map(({ figureOf, ...target }) => ({
      ...target,
      figure: figureOf(row) ?? NaN,
      perSecond: row.callsPerSecond,
      p99Us: row.p99Us,
    })),
  );
  return reached.sort((one, other) => one.number - other.number);
}

/** The figures of soak as lines of the table. */
export function reachedBySoak(
  { number, reason }: SoakRun,
  figures: readonly Figure[],
): Reached[] {
  return figures.map(({ what, measured, target: bound, unit }) => ({
    ...{ number, reason, bound, figure: measured },
    what: unit === "" ? what : `${what}, ${unit}`,
  }));
}

/** A run that failed: its targets are missed, and that is why. */
export function reachedByNone(
  run: CaseRun | SoakRun,
  reason: string,
): Reached[] {
  if ("soak" in run) {
    const { soak: what, number } = run;
    return [{ number, what, bound: { atLeast: 0 }, figure: NaN, reason }];
  }
  return Object.values(run.targets)
    .flat()
    .map(({ number, what, bound }) => ({
      ...{ number, what, bound, figure: NaN, reason },
    }))
    .sort((one, other) => one.number - other.number);
}

/** A figure that is not there is none. */
export function isMet({ bound, figure }: Reached): boolean {
  return "atMost" in bound ? figure <= bound.atMost : figure >= bound.atLeast;
}

const titles = ["target", "wanted", "reached", "", "per second", "p99 µs"];
/** Of each column: lines are printed as they come. */
const widths = [6, 7, 8, 6, 10, 9];

export const head = inColumns(titles);

export function renderLine(reached: Reached): string {
  const { number, what, bound, figure, perSecond, p99Us } = reached;
  const cells = [
    String(number),
    "atMost" in bound
      ? `≤ ${grouped(bound.atMost)}`
      : `≥ ${grouped(bound.atLeast)}`,
    Number.isNaN(figure) ? "-" : digits(figure),
    isMet(reached) ? "ok" : "MISSED",
    perSecond === undefined ? "-" : grouped(Math.round(perSecond)),
    typeof p99Us === "number" ? grouped(Math.round(p99Us)) : "-",
  ];
  return `${inColumns(cells)}  ${what}`;
}

/** Why targets were missed, those that were; several with one reason are together. */
export function renderReasons(reached: readonly Reached[]): string[] {
  const missed = Map.groupBy(
    reached.filter((each) => !isMet(each)),
    ({ reason }) => reason,
  );
  return [...missed].map(([reason, each]) => {
    const what = each.map(({ number, what }) => `${number}, ${what}`);
    return `missed: ${what.join("; ")}\n  ${reason}`;
  });
}

function inColumns(cells: readonly string[]): string {
  return cells
    .map((cell, column) => cell.padStart(widths[column] ?? 0))
    .join("  ");
}

function digits(figure: number): string {
  return figure.toFixed(Math.abs(figure) < 100 ? 3 : 0);
}

function grouped(value: number): string {
  return value.toLocaleString("en-US");
}
