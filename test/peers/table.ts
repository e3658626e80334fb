import { median } from "../../src/bench/slices.ts";
import { own, reference } from "./peers.ts";
import type { SliceFigures } from "./running-peer.ts";
import type { Row } from "./turns.ts";

interface Column {
  title: string;
  valueOf(figures: SliceFigures): number;
  decimals: number;
}

const mib = 1024 * 1024;
/** How many times the best of the others the reference shall do, and why it does not where that is so. */
const leadTargets: Partial<
  Record<Row["case"], { atLeast: number; reason: string }>
> = {
  "echo-1k": {
    atLeast: 3,
    reason:
      "half of the profile is JSON.stringify and JSON.parse, which every peer in JavaScript has, too, and 15 % the kernel's write; Go's net/rpc has compiled code in their place",
  },
};

const rate = (figures: SliceFigures) => figures.callsPerSecond;

const columns: readonly Column[] = [
  { title: "calls/s", valueOf: rate, decimals: 0 },
  { title: "p50 µs", valueOf: (each) => each.p50Us, decimals: 0 },
  { title: "p99 µs", valueOf: (each) => each.p99Us, decimals: 0 },
  { title: "CPU µs/call", valueOf: (each) => each.cpuUsPerCall, decimals: 1 },
  { title: "MiB", valueOf: (each) => each.rssBytes / mib, decimals: 0 },
];

/** Where a row has no value. */
const none = "-";

/**
 * A line for each row, cases apart. Each figure is the median of its rounds;
 * beside it stands the median of what it was, round by round, divided by the
 * reference's.
 */
export function renderTable(rows: readonly Row[]): string {
  const titles = columns.flatMap(({ title }) => [title, "×"]);
  const lines = rows.map((row) => {
    const figures = columns.flatMap((column) => [
      figureOf(row, column),
      ratioOf(row, referenceOf(row, rows), column),
    ]);
    return [row.case, String(row.inFlight), row.peer, ...figures];
  });
  const all = [["case", "in flight", "peer", ...titles], ...lines];
  const widths = all[0]!.map((_, at) =>
    Math.max(...all.map((line) => line[at]?.length ?? 0)),
  );
  const isLeft = (at: number) => at === 0 || at === 2;
  return all
    .map((line, at) => {
      const cells = line.map((cell, column) => {
        const width = widths[column] ?? 0;
        return isLeft(column) ? cell.padEnd(width) : cell.padStart(width);
      });
      const isNewCase = at > 0 && !isSameCase(rows[at - 1], rows[at - 2]);
      return (isNewCase ? "\n" : "") + cells.join("  ");
    })
    .join("\n");
}

function figureOf({ rounds }: Row, { valueOf, decimals }: Column): string {
  return median(rounds.map(valueOf)).toLocaleString("en-US", {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  });
}

function ratioOf(row: Row, to: Row | undefined, { valueOf }: Column): string {
  if (to === undefined) return none;
  return readable(dividedBy(row, to, valueOf));
}

/** The median of the rounds' ratios: neighbours saw the same machine. */
function dividedBy(row: Row, by: Row, valueOf: Column["valueOf"]): number {
  return median(
    row.rounds.map((figures, round) => {
      const beside = by.rounds[round];
      return beside === undefined ? NaN : valueOf(figures) / valueOf(beside);
    }),
  );
}

/**
 * A line for each case: how many times the calls per second of the best of the
 * others the reference has, and the target where there is one, with the reason
 * where it is missed. Empty where nothing stands beside the reference.
 */
export function renderLead(rows: readonly Row[]): string {
  const references = rows.filter(({ peer }) => peer === reference);
  return references
    .flatMap((to) => {
      const [best] = rows
        .filter((row) => isSameCase(row, to) && !own.includes(row.peer))
        .map((row) => ({ peer: row.peer, lead: dividedBy(to, row, rate) }))
        .sort((a, b) => a.lead - b.lead);
      if (best === undefined) return [];
      const lead = `${to.case}, ${to.inFlight} in flight: ${readable(best.lead)} times ${best.peer}, the best of the others`;
      const target = leadTargets[to.case];
      if (target === undefined) return lead;
      const { atLeast, reason } = target;
      return best.lead >= atLeast
        ? `${lead}, target ${atLeast}: reached`
        : `${lead}, target ${atLeast}: MISSED\n  ${reason}`;
    })
    .join("\n");
}

/** Three digits or so. */
function readable(ratio: number): string {
  if (ratio < 0.1) return ratio.toPrecision(2);
  return ratio.toFixed(ratio < 10 ? 2 : ratio < 100 ? 1 : 0);
}

function referenceOf(row: Row, rows: readonly Row[]): Row | undefined {
  return rows.find(
    (other) => other.peer === reference && isSameCase(other, row),
  );
}

function isSameCase(one: Row | undefined, other: Row | undefined): boolean {
  return one?.case === other?.case && one?.inFlight === other?.inFlight;
}
