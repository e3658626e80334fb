import type { BenchReport, CaseReport } from "./case-report.ts";
import type { Reference } from "./cases.ts";
import { columns, none } from "./columns.ts";
import type { Executable } from "./executable.ts";
import { renderLatencies } from "./latency-chart.ts";
import type { Machine } from "./machine.ts";

/** From this load a core on, others take a good part of the time. */
const busyLoad = 0.75;

/** The report for people: what was called, one line a row, what the words mean. */
export function renderReport({ cases, machine, against }: BenchReport): string {
  const [first] = cases;
  if (first === undefined) return "";
  const shown = columns.filter(
    ({ isOptional, text }) =>
      !isOptional || cases.some((row) => text(row) !== none),
  );
  const { connections, processes = 1, requestBytes, responseBytes } = first;
  const from = processes > 1 ? ` from ${processes} processes each` : "";
  const lines = [
    `${nameOf(first)} over ${first.codec}, ${counted(connections, "connection")}${from}, frames of ${requestBytes} and ${responseBytes} bytes`,
    `${machineText(machine)}; load ${loadText(machine.loadAverage)} before the run`,
    "",
    ...renderTable(
      shown.map(({ title }) =>
        typeof title === "string" ? title : title(first),
      ),
      cases.map((row) => shown.map(({ text }) => text(row))),
    ),
  ];
  const notes = notesOf(cases, against);
  if (notes.length > 0) lines.push("", ...notes);
  if (isBusy(machine)) lines.push("", busyNote);
  const failure = cases.find(({ firstFailure }) => firstFailure !== undefined);
  if (failure !== undefined) {
    lines.push("", `first failure: ${failure.firstFailure}`);
  }
  return lines.join("\n");
}

/** The machine in one line, without its load. */
export function machineText({ cores, cpu, bun, platform }: Machine): string {
  const name = cpu === "" ? "" : `, ${cpu}`;
  return `${counted(cores, "core")}${name}, ${platform}, Bun ${bun}`;
}

/** Whether others took a good part of the time when the run began. */
export function isBusy({ cores, loadAverage }: Machine): boolean {
  return (loadAverage[0] ?? 0) > cores * busyLoad;
}

/** What that does to the figures. */
export const busyNote =
  "the machine was busy: both processes may have shared one core, which lifts the raw limit and lowers the ratio";

/** Load averages over 1, 5 and 15 minutes. */
export function loadText(loads: readonly number[]): string {
  return loads.map((load) => load.toFixed(1)).join(" ");
}

/** What was measured: of `sum` and of somebody's own method the method says it all. */
function nameOf({ case: name, method }: CaseReport): string {
  return name === "sum" || name === method ? method : `${name} (${method})`;
}

const referenceNotes: Readonly<Record<Reference, string>> = {
  quiet: "the same calls without the stream",
  binary: "the same calls over the binary codec, in slices between",
  plain:
    "the same calls through a plain client of one server, in slices between",
};

/** What the words mean that stand above columns. */
function notesOf(
  cases: readonly CaseReport[],
  against: Executable | undefined,
): string[] {
  const notes: string[] = [];
  const [first] = cases;
  if (first !== undefined && cases.some(({ ratio }) => ratio !== null)) {
    notes.push(
      `ratio: ${first.unit} against frames of the same size through raw sockets, the median of neighbouring slices`,
      "cores: how many both processes kept busy",
    );
  }
  if (first?.p99QuietUs !== undefined) {
    notes.push(
      "MB/s: of the stream; quiet: the same calls without it, in slices between",
    );
  }
  if (first?.ratioToFloor !== undefined) {
    notes.push(
      "floor: the least code that makes a call on Bun, with nothing else; floor ratio: it against the raw limit",
    );
  }
  if (first?.ratioToSerializer !== undefined) {
    notes.push(
      "JSON alone: what two JSON.stringify and two JSON.parse a call allow on both ends' cores",
    );
  }
  if (first?.reference !== undefined) {
    notes.push(`${first.reference}: ${referenceNotes[first.reference]}`);
  }
  if (first?.rate !== undefined) {
    notes.push(
      "in flight: the most at a time; latencies count from when a call was due",
    );
  }
  if (first !== undefined && against !== undefined) {
    const pairs = first.ratiosAgainst?.length ?? 0;
    notes.push(
      `against: ${first.unit} divided by those of ${against.path}, ${against.version}: the median of ${counted(pairs, "pair")} of slices, each with processes of its own`,
      "CPU against: the same of CPU time, where less is better; it swings less on a busy machine",
    );
  }
  return notes;
}

/** How the latencies of each row are distributed, for a terminal. */
export function renderCharts({ cases }: BenchReport): string {
  return cases
    .filter(({ latenciesUs }) => latenciesUs !== undefined)
    .map(({ inFlight, rate, latenciesUs = [] }) => {
      const row = rate === undefined ? `${inFlight} in flight` : `${rate}/s`;
      return ["", `latencies, ${row}`, ...renderLatencies(latenciesUs), ""];
    })
    .flat()
    .join("\n");
}

/** The report for scripts. */
export function renderJson(report: BenchReport): string {
  return JSON.stringify(report);
}

/** Right-aligned columns, two spaces apart. */
export function renderTable(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
): string[] {
  const widths = titles.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  return [titles, ...rows].map((row) =>
    row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join("  "),
  );
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
