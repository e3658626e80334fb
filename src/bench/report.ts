/** The figures of one case; design: "bench --json". */
export interface CaseReport {
  method: string;
  codec: string;
  connections: number;
  /** Calls in flight on each connection. */
  inFlight: number;
  /** Calls that ended while it was measured, with the errors among them. */
  calls: number;
  errors: number;
  callsPerSecond: number;
  p50Us: number;
  p99Us: number;
  p999Us: number;
  /** Frames of the same size through raw sockets; null for somebody else's server. */
  limitPerSecond: number | null;
  ratio: number | null;
  /** CPU time of both processes; null for somebody else's server. */
  cpuUsPerCall: number | null;
  /** This process's part of it. */
  clientCpuUsPerCall: number;
  /** Cores that both processes kept busy during the calls: 2 at most, 1 where they took turns. */
  coresUsed: number | null;
  requestBytes: number;
  responseBytes: number;
  /** The first call that went wrong, for people. */
  firstFailure?: string;
}

/** The machine and what else it was doing when the run began. */
export interface Machine {
  cores: number;
  /** Over 1, 5 and 15 minutes. */
  loadAverage: readonly number[];
  bun: string;
  platform: string;
}

export interface BenchReport {
  cases: CaseReport[];
  machine: Machine;
}

interface Column {
  title: string;
  text(row: CaseReport): string;
}

const none = "-";
/** From this load a core on, others take a good part of the time. */
const busyLoad = 0.75;

const columns: readonly Column[] = [
  { title: "in flight", text: ({ inFlight }) => String(inFlight) },
  { title: "calls", text: ({ calls }) => grouped(calls) },
  { title: "errors", text: ({ errors }) => grouped(errors) },
  { title: "calls/s", text: ({ callsPerSecond }) => grouped(callsPerSecond) },
  { title: "p50 µs", text: ({ p50Us }) => grouped(p50Us) },
  { title: "p99 µs", text: ({ p99Us }) => grouped(p99Us) },
  { title: "p99.9 µs", text: ({ p999Us }) => grouped(p999Us) },
  {
    title: "raw limit/s",
    text: ({ limitPerSecond }) => orNone(limitPerSecond, grouped),
  },
  {
    title: "ratio",
    text: ({ ratio }) => orNone(ratio, (value) => value.toFixed(3)),
  },
  {
    title: "CPU µs/call",
    text: ({ cpuUsPerCall }) =>
      orNone(cpuUsPerCall, (value) => value.toFixed(2)),
  },
  {
    title: "cores",
    text: ({ coresUsed }) => orNone(coresUsed, (value) => value.toFixed(1)),
  },
];

/** The report for people: what was called, one line a case, what the words mean. */
export function renderReport({ cases, machine }: BenchReport): string {
  const [first] = cases;
  if (first === undefined) return "";
  const { method, codec, connections, requestBytes, responseBytes } = first;
  const rows = cases.map((row) => columns.map(({ text }) => text(row)));
  const lines = [
    `${method} over ${codec}, ${counted(connections, "connection")}, frames of ${requestBytes} and ${responseBytes} bytes`,
    `${counted(machine.cores, "core")}, load ${machine.loadAverage.map((load) => load.toFixed(1)).join(" ")} before the run, Bun ${machine.bun}, ${machine.platform}`,
    "",
    ...renderTable(
      columns.map(({ title }) => title),
      rows,
    ),
  ];
  if (cases.some(({ ratio }) => ratio !== null)) {
    lines.push(
      "",
      "ratio: calls against frames of the same size through raw sockets, the median of neighbouring slices",
      "cores: how many both processes kept busy",
    );
  }
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

/** `1,234,567`. */
function grouped(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function orNone(value: number | null, text: (value: number) => string): string {
  return value === null ? none : text(value);
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
