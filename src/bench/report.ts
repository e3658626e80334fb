import type { BenchReport, CaseReport } from "./case-report.ts";
import { columns, none } from "./columns.ts";
import type { Executable } from "./executable.ts";

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
  const { connections, requestBytes, responseBytes } = first;
  const lines = [
    `${nameOf(first)} over ${first.codec}, ${counted(connections, "connection")}, frames of ${requestBytes} and ${responseBytes} bytes`,
    `${counted(machine.cores, "core")}, load ${machine.loadAverage.map((load) => load.toFixed(1)).join(" ")} before the run, Bun ${machine.bun}, ${machine.platform}`,
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
  if ((machine.loadAverage[0] ?? 0) > machine.cores * busyLoad) {
    lines.push(
      "",
      "the machine was busy: both processes may have shared one core, which lifts the raw limit and lowers the ratio",
    );
  }
  const failure = cases.find(({ firstFailure }) => firstFailure !== undefined);
  if (failure !== undefined) {
    lines.push("", `first failure: ${failure.firstFailure}`);
  }
  return lines.join("\n");
}

/** What was measured: the method, which tells it for calls of `sum` and of somebody's own. */
function nameOf({ case: name, unit, method, p99QuietUs }: CaseReport): string {
  const isNamed = unit === "items" || p99QuietUs !== undefined;
  return isNamed ? `${name} (${method})` : method;
}

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
  if (first !== undefined && against !== undefined) {
    const pairs = first.ratiosAgainst?.length ?? 0;
    notes.push(
      `against: ${first.unit} divided by those of ${against.path}, ${against.version}: the median of ${counted(pairs, "pair")} of slices, each with processes of its own`,
      "CPU against: the same of CPU time, where less is better; it swings less on a busy machine",
    );
  }
  return notes;
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
