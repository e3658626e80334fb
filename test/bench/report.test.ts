import { expect, test } from "bun:test";
import type { BenchReport, CaseReport } from "../../src/bench/case-report.ts";
import {
  renderCharts,
  renderJson,
  renderReport,
  renderTable,
} from "../../src/bench/report.ts";

const one: CaseReport = {
  case: "sum",
  unit: "calls",
  method: "Foo.Sum",
  codec: "application/x-geerpc",
  connections: 1,
  inFlight: 1,
  turns: 8,
  calls: 54_933,
  errors: 0,
  callsPerSecond: 38_696.6,
  p50Us: 24,
  p99Us: 62,
  p999Us: 384,
  limitPerSecond: 48_819,
  ratio: 0.7931,
  cpuUsPerCall: 27.344,
  clientCpuUsPerCall: 14.1,
  coresUsed: 1.058,
  requestBytes: 51,
  responseBytes: 20,
};

const report: BenchReport = {
  cases: [
    one,
    {
      ...one,
      inFlight: 256,
      calls: 1_278_628,
      callsPerSecond: 865_129,
      limitPerSecond: 3_725_813,
      ratio: 0.2284,
      cpuUsPerCall: 1.906,
      coresUsed: 1.649,
    },
  ],
  machine: {
    cores: 2,
    cpu: "AMD EPYC",
    loadAverage: [0.54, 0.5, 0.31],
    bun: "1.4.5",
    platform: "linux x64",
  },
};

test("the report for people", () => {
  expect(renderReport(report)).toBe(
    [
      "Foo.Sum over application/x-geerpc, 1 connection, frames of 51 and 20 bytes",
      "2 cores, AMD EPYC, linux x64, Bun 1.4.5; load 0.5 0.5 0.3 before the run",
      "",
      "in flight      calls  errors  calls/s  p50 µs  p99 µs  p99.9 µs  raw limit/s  ratio  CPU µs/call  cores",
      "        1     54,933       0   38,697      24      62       384       48,819  0.793        27.34    1.1",
      "      256  1,278,628       0  865,129      24      62       384    3,725,813  0.228         1.91    1.6",
      "",
      "ratio: calls against frames of the same size through raw sockets, the median of neighbouring slices",
      "cores: how many both processes kept busy",
    ].join("\n"),
  );
});

test("a busy machine is told of, since the figures mean less there", () => {
  const told = (load: number) =>
    renderReport({
      ...report,
      machine: { ...report.machine, loadAverage: [load, 9, 9] },
    }).includes("the machine was busy");
  expect(told(1.5)).toBe(false);
  expect(told(1.6)).toBe(true);
});

test("somebody else's server has no limit, and a failure is told", () => {
  const row: CaseReport = {
    ...one,
    connections: 3,
    errors: 1,
    limitPerSecond: null,
    ratio: null,
    cpuUsPerCall: null,
    coresUsed: null,
    firstFailure: "not_found: no such thing",
  };
  const text = renderReport({ ...report, cases: [row] });
  expect(text.split("\n")).toEqual([
    "Foo.Sum over application/x-geerpc, 3 connections, frames of 51 and 20 bytes",
    "2 cores, AMD EPYC, linux x64, Bun 1.4.5; load 0.5 0.5 0.3 before the run",
    "",
    "in flight   calls  errors  calls/s  p50 µs  p99 µs  p99.9 µs  raw limit/s  ratio  CPU µs/call  cores",
    "        1  54,933       1   38,697      24      62       384            -      -            -      -",
    "",
    "first failure: not_found: no such thing",
  ]);
});

test("a stream counts items and bytes, and has no latencies", () => {
  const row: CaseReport = {
    ...one,
    case: "stream-64k",
    unit: "items",
    method: "_bench.largeItems",
    p50Us: null,
    p99Us: null,
    p999Us: null,
    megabytesPerSecond: 1_234.5,
    limitMegabytesPerSecond: 2_345.6,
  };
  const text = renderReport({ ...report, cases: [row] });
  expect(text.split("\n")).toEqual([
    "stream-64k (_bench.largeItems) over application/x-geerpc, 1 connection, frames of 51 and 20 bytes",
    "2 cores, AMD EPYC, linux x64, Bun 1.4.5; load 0.5 0.5 0.3 before the run",
    "",
    "in flight   items  errors  items/s  p50 µs  p99 µs  p99.9 µs  raw limit/s  ratio  CPU µs/item  cores   MB/s  raw MB/s",
    "        1  54,933       0   38,697       -       -         -       48,819  0.793        27.34    1.1  1,235     2,346",
    "",
    "ratio: items against frames of the same size through raw sockets, the median of neighbouring slices",
    "cores: how many both processes kept busy",
  ]);
});

test("calls beside a stream stand beside the same calls alone", () => {
  const row: CaseReport = {
    ...one,
    case: "beside-stream",
    limitPerSecond: null,
    ratio: null,
    megabytesPerSecond: 900,
    p99QuietUs: 20,
    p99AgainstQuiet: 3.1,
  };
  const lines = renderReport({ ...report, cases: [row] }).split("\n");
  expect(lines[0]).toStartWith("beside-stream (Foo.Sum) over");
  expect(lines[3]).toEndWith("cores  MB/s  quiet p99 µs  p99/quiet");
  expect(lines[4]).toEndWith("  1.1   900            20       3.10");
});

test("the floor stands beside the limit", () => {
  const row: CaseReport = {
    ...one,
    floorPerSecond: 50_000.4,
    ratioToFloor: 0.77,
    floorRatio: 0.9,
    floorCpuUsPerCall: 20.004,
  };
  const lines = renderReport({ ...report, cases: [row] }).split("\n");
  expect(lines[3]).toContain(
    "  ratio  floor/s  ratio to floor  floor ratio  CPU",
  );
  expect(lines[4]).toContain("  0.793   50,000           0.770        0.900  ");
  expect(lines[3]).toEndWith("  CPU µs/call  floor CPU µs  cores");
  expect(lines[4]).toEndWith("        27.34         20.00    1.1");
  expect(lines.at(-1)).toStartWith("floor: ");
});

test("JSON alone stands beside an echo, which goes by its case", () => {
  const row: CaseReport = {
    ...one,
    case: "echo-1k",
    method: "Foo.Echo",
    serializerPerSecond: 280_000,
    ratioToSerializer: 0.5,
  };
  const lines = renderReport({ ...report, cases: [row] }).split("\n");
  expect(lines[0]).toStartWith("echo-1k (Foo.Echo) over");
  expect(lines[3]).toContain("  ratio  JSON alone/s  ratio to JSON  CPU");
  expect(lines[4]).toContain("  0.793       280,000          0.500  ");
  expect(lines.at(-1)).toStartWith("JSON alone: ");
});

test.each(["binary", "plain"] as const)(
  "the same calls in another way, %s, have a column by that name",
  (reference) => {
    const row: CaseReport = {
      ...one,
      case: "json",
      reference,
      referencePerSecond: 60_000,
      ratioToReference: 0.6,
    };
    const lines = renderReport({ ...report, cases: [row] }).split("\n");
    expect(lines[3]).toContain(`  ${reference}/s  ratio to ${reference}  `);
    expect(lines.at(-1)).toStartWith(`${reference}: `);
  },
);

test("a fixed rate, and processes", () => {
  const row: CaseReport = { ...one, processes: 3, rate: 5_000, inFlight: 9 };
  const lines = renderReport({ ...report, cases: [row] }).split("\n");
  expect(lines[0]).toContain("1 connection from 3 processes each, frames");
  expect(lines[3]).toStartWith("in flight  rate/s ");
  expect(lines[4]).toStartWith("        9   5,000 ");
  expect(lines.at(-1)).toContain("due");
});

test("a chart for each row that was timed", () => {
  const latenciesUs: [number, number][] = [
    [15, 1],
    [31, 3],
  ];
  const chart = renderCharts({
    ...report,
    cases: [
      { ...one, latenciesUs },
      { ...one, inFlight: 9, rate: 5_000, latenciesUs },
      one,
    ],
  });
  expect(chart.split("\n")).toEqual([
    "",
    "latencies, 1 in flight",
    expect.stringMatching(/^< 16 µs {3}25\.00 % {2}█+/),
    expect.stringMatching(/^< 32 µs {3}75\.00 % {2}█+/),
    "",
    "",
    "latencies, 5000/s",
    expect.stringMatching(/^< 16 µs/),
    expect.stringMatching(/^< 32 µs/),
    "",
  ]);
});

test("against another executable: the median, how far it spreads, and who it is", () => {
  const row = {
    ...one,
    ratioAgainst: 1.003,
    ratiosAgainst: [0.9, 1.003, 1.2, 0.95, 1.05],
    cpuAgainst: 0.998,
  };
  const against = {
    path: "/tmp/before/geerpc",
    version: "geerpc 0.1.0 (abc1234)",
  };
  const lines = renderReport({ ...report, cases: [row], against }).split("\n");
  expect(lines[3]).toEndWith("cores  against    quartiles  CPU against");
  expect(lines[4]).toEndWith("  1.1    1.003  0.950–1.050        0.998");
  expect(lines.at(-2)).toContain(
    "/tmp/before/geerpc, geerpc 0.1.0 (abc1234): the median of 5 pairs",
  );
});

test("the report for scripts has the keys that it always had", () => {
  const { cases } = JSON.parse(renderJson(report)) as {
    cases: Record<string, unknown>[];
  };
  expect(cases.length).toBe(2);
  expect(Object.keys(cases[0] ?? {})).toEqual(
    expect.arrayContaining([
      "method",
      "codec",
      "connections",
      "inFlight",
      "calls",
      "errors",
      "callsPerSecond",
      "p50Us",
      "p99Us",
      "p999Us",
      "limitPerSecond",
      "ratio",
      "cpuUsPerCall",
    ]),
  );
});

test("a table without rows is its titles", () => {
  expect(renderTable(["a", "bc"], [])).toEqual(["a  bc"]);
});

test("a processor that has no name is left out", () => {
  const machine = { ...report.machine, cpu: "" };
  expect(renderReport({ ...report, machine }).split("\n")[1]).toStartWith(
    "2 cores, linux x64, ",
  );
});
