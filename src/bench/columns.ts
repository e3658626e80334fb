import { quartiles } from "./comparison.ts";
import type { CaseReport } from "./case-report.ts";

/** A column of the table for people. */
export interface Column {
  title: string | ((row: CaseReport) => string);
  text(row: CaseReport): string;
  /** It is left out where no row has a value for it. */
  isOptional?: boolean;
}

/** Where a row has no value. */
export const none = "-";

export const columns: readonly Column[] = [
  { title: "in flight", text: ({ inFlight }) => String(inFlight) },
  {
    title: "rate/s",
    text: ({ rate }) => orNone(rate, grouped),
    isOptional: true,
  },
  { title: ({ unit }) => unit, text: ({ calls }) => grouped(calls) },
  { title: "errors", text: ({ errors }) => grouped(errors) },
  {
    title: ({ unit }) => `${unit}/s`,
    text: ({ callsPerSecond }) => grouped(callsPerSecond),
  },
  { title: "p50 µs", text: ({ p50Us }) => orNone(p50Us, grouped) },
  { title: "p99 µs", text: ({ p99Us }) => orNone(p99Us, grouped) },
  { title: "p99.9 µs", text: ({ p999Us }) => orNone(p999Us, grouped) },
  {
    title: "raw limit/s",
    text: ({ limitPerSecond }) => orNone(limitPerSecond, grouped),
  },
  { title: "ratio", text: ({ ratio }) => orNone(ratio, digits(3)) },
  {
    title: "floor/s",
    text: ({ floorPerSecond }) => orNone(floorPerSecond, grouped),
    isOptional: true,
  },
  {
    title: "ratio to floor",
    text: ({ ratioToFloor }) => orNone(ratioToFloor, digits(3)),
    isOptional: true,
  },
  {
    title: "floor ratio",
    text: ({ floorRatio }) => orNone(floorRatio, digits(3)),
    isOptional: true,
  },
  {
    title: "JSON alone/s",
    text: ({ serializerPerSecond }) => orNone(serializerPerSecond, grouped),
    isOptional: true,
  },
  {
    title: "ratio to JSON",
    text: ({ ratioToSerializer }) => orNone(ratioToSerializer, digits(3)),
    isOptional: true,
  },
  {
    title: ({ reference }) => `${reference}/s`,
    text: ({ referencePerSecond }) => orNone(referencePerSecond, grouped),
    isOptional: true,
  },
  {
    title: ({ reference }) => `ratio to ${reference}`,
    text: ({ ratioToReference }) => orNone(ratioToReference, digits(3)),
    isOptional: true,
  },
  {
    title: ({ unit }) => `CPU µs/${unit === "calls" ? "call" : "item"}`,
    text: ({ cpuUsPerCall }) => orNone(cpuUsPerCall, digits(2)),
  },
  {
    title: "floor CPU µs",
    text: ({ floorCpuUsPerCall }) => orNone(floorCpuUsPerCall, digits(2)),
    isOptional: true,
  },
  { title: "cores", text: ({ coresUsed }) => orNone(coresUsed, digits(1)) },
  {
    title: "MB/s",
    text: ({ megabytesPerSecond }) => orNone(megabytesPerSecond, grouped),
    isOptional: true,
  },
  {
    title: "raw MB/s",
    text: ({ limitMegabytesPerSecond }) =>
      orNone(limitMegabytesPerSecond, grouped),
    isOptional: true,
  },
  {
    title: "quiet p99 µs",
    text: ({ p99QuietUs }) => orNone(p99QuietUs, grouped),
    isOptional: true,
  },
  {
    title: "p99/quiet",
    text: ({ p99AgainstQuiet }) => orNone(p99AgainstQuiet, digits(2)),
    isOptional: true,
  },
  {
    title: "against",
    text: ({ ratioAgainst }) => orNone(ratioAgainst, digits(3)),
    isOptional: true,
  },
  {
    title: "quartiles",
    text: ({ ratiosAgainst }) =>
      orNone(ratiosAgainst, (ratios) =>
        quartiles(ratios).map(digits(3)).join("–"),
      ),
    isOptional: true,
  },
  {
    title: "CPU against",
    text: ({ cpuAgainst }) => orNone(cpuAgainst, digits(3)),
    isOptional: true,
  },
];

/** `1,234,567`. */
function grouped(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function digits(count: number): (value: number) => string {
  return (value) => value.toFixed(count);
}

function orNone<T>(
  value: T | null | undefined,
  text: (value: T) => string,
): string {
  return value === null || value === undefined ? none : text(value);
}
