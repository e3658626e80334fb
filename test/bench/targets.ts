import type { CaseReport, Machine } from "../../src/bench/case-report.ts";
import { renderTable } from "../../src/bench/report.ts";

/** What a figure has to be: at most or at least so much. */
export type Bound = { atMost: number } | { atLeast: number };

/** A figure beside what it has to be. */
export interface Target {
  /** Its number among those of "As fast as the socket allows". */
  number: number;
  what: string;
  bound: Bound;
  figureOf(row: CaseReport): number | null | undefined;
}

/** One run of `geerpc bench`, and what is read of it. */
export interface TargetRun {
  /** What it is called with, besides the time. */
  flags: readonly string[];
  /** How many sides take turns in each of its rows. */
  sides: number;
  /** Those of each row, by calls in flight. */
  targets: Readonly<Record<number, readonly Target[]>>;
}

const floorTarget = (inFlight: number): Target => ({
  number: 1,
  what: `Foo.Sum, ${inFlight} in flight, against the floor`,
  bound: { atLeast: 0.9 },
  figureOf: ({ ratioToFloor }) => ratioToFloor,
});

/** A case with a row of its own. */
function oneRow(
  name: string,
  sides: number,
  inFlight: number,
  target: Target,
): TargetRun {
  const flags = [`--case=${name}`, `--inflight=${inFlight}`];
  return { flags, sides, targets: { [inFlight]: [target] } };
}

const ratio = ({ ratio }: CaseReport) => ratio;
const ratioToReference = ({ ratioToReference }: CaseReport) => ratioToReference;

export const targetRuns: readonly TargetRun[] = [
  {
    flags: ["--case=sum", "--floor", "--inflight=1,64,256,1024"],
    sides: 3,
    targets: {
      1: [
        {
          number: 2,
          what: "a call at a time, against the raw round trip",
          bound: { atMost: 1.1 },
          figureOf: ({ ratio }) => ratio && 1 / ratio,
        },
      ],
      64: [floorTarget(64)],
      256: [
        floorTarget(256),
        {
          number: 1,
          what: "the floor itself, 256 in flight, against raw sockets",
          bound: { atLeast: 0.22 },
          figureOf: ({ floorRatio }) => floorRatio,
        },
      ],
      1024: [floorTarget(1024)],
    },
  },
  oneRow("echo-1k", 3, 64, {
    number: 3,
    what: "echo of 1 KB, against JSON alone",
    bound: { atLeast: 0.5 },
    figureOf: ({ ratioToSerializer }) => ratioToSerializer,
  }),
  oneRow("bytes-64k", 2, 16, {
    number: 3,
    what: "echo of 64 KiB, against raw sockets",
    bound: { atLeast: 0.7 },
    figureOf: ratio,
  }),
  oneRow("bytes-4m", 2, 4, {
    number: 3,
    what: "echo of 4 MiB, against raw sockets",
    bound: { atLeast: 0.7 },
    figureOf: ratio,
  }),
  oneRow("json", 2, 64, {
    number: 4,
    what: "JSON codec, against the binary one",
    bound: { atLeast: 0.5 },
    figureOf: ratioToReference,
  }),
  oneRow("gob", 2, 64, {
    number: 4,
    what: "gob codec, against the binary one",
    bound: { atLeast: 0.35 },
    figureOf: ratioToReference,
  }),
  oneRow("stream-small", 2, 1, {
    number: 5,
    what: "a stream of small items, millions/s",
    bound: { atLeast: 1.5 },
    figureOf: ({ callsPerSecond }) => callsPerSecond / 1e6,
  }),
  oneRow("stream-64k", 2, 1, {
    number: 5,
    what: "a stream of 64 KiB, against raw sockets",
    bound: { atLeast: 0.7 },
    figureOf: ratio,
  }),
  oneRow("xclient", 2, 64, {
    number: 6,
    what: "three servers by registry, against a plain client",
    bound: { atLeast: 0.85 },
    figureOf: ratioToReference,
  }),
];

/** A target, and the row that tells what was reached. */
export interface Reached {
  target: Target;
  row: CaseReport;
}

/** The targets of a run, with its rows. */
export function reachedBy(
  { targets }: TargetRun,
  rows: readonly CaseReport[],
): Reached[] {
  return rows.flatMap((row) =>
    (targets[row.inFlight] ?? []).map((target) => ({ target, row })),
  );
}

/** A figure that is not there is none. */
export function isMet({ target: { bound, figureOf }, row }: Reached): boolean {
  const figure = figureOf(row) ?? NaN;
  return "atMost" in bound ? figure <= bound.atMost : figure >= bound.atLeast;
}

/** One line a target, in their order. */
export function renderTargets(
  reached: readonly Reached[],
  { cores, bun, platform }: Machine,
  loads: { before: readonly number[]; after: readonly number[] },
): string {
  const titles = ["target", "wanted", "reached", "", "per second", "p99 µs"];
  const inOrder = reached.toSorted(
    (one, other) => one.target.number - other.target.number,
  );
  const rows = inOrder.map((each) => {
    const { target, row } = each;
    const { bound } = target;
    return [
      String(target.number),
      "atMost" in bound ? `≤ ${bound.atMost}` : `≥ ${bound.atLeast}`,
      (target.figureOf(row) ?? NaN).toFixed(3),
      isMet(each) ? "ok" : "MISSED",
      grouped(row.callsPerSecond),
      row.p99Us === null ? "-" : grouped(row.p99Us),
    ];
  });
  const [head = "", ...lines] = renderTable(titles, rows);
  const loadText = (load: readonly number[]) =>
    load.map((each) => each.toFixed(1)).join(" ");
  return [
    head,
    ...lines.map((line, at) => `${line}  ${inOrder[at]?.target.what}`),
    "",
    `medians of five slices; ${cores} cores, Bun ${bun}, ${platform}; load ${loadText(loads.before)} before, ${loadText(loads.after)} after`,
  ].join("\n");
}

function grouped(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
