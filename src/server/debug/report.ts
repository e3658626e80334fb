import type { Histogram } from "../../metrics/histogram.ts";
import type { AdaptiveLimit } from "../../service/adaptive-limit.ts";
import type { Method } from "../../service/method.ts";

/** What the debug page says of one method; latencies in microseconds. */
export interface MethodReport {
  /** Field names and kinds of its arguments, never values: `{a: number}`. */
  args: string;
  calls: number;
  errors: number;
  inFlight: number;
  p50Us: number;
  p99Us: number;
  maxUs: number;
  /** Handlers that may run at a time, null while there is no need to say, where the server limits them as latency tells. */
  adaptiveLimit?: number | null;
  /** Calls that this limit has refused. */
  refusals?: number;
}

/** What it says of the server itself. */
export interface ServerReport {
  state: "serving" | "draining";
  uptimeMs: number;
  /** Connections that are open, whatever they speak. */
  connections: number;
  /** Where it listens. */
  addresses: string[];
  pid: number;
  /** Where several processes share the port: each of them. `pid` is their parent's then. */
  workers?: WorkerReport[];
}

/** One of the processes that share a port. */
export type WorkerReport =
  | {
      /** Its number, from 1. */
      worker: number;
      pid: number;
      state: "serving" | "draining";
      uptimeMs: number;
      connections: number;
      calls: number;
      errors: number;
      inFlight: number;
    }
  /** It did not answer within a second: its figures are in no sum. `pid` is null while another process takes its place. */
  | { worker: number; pid: number | null; state: "silent" };

/** What a method's report is made of. */
export interface MethodFigures {
  calls: number;
  errors: number;
  inFlight: number;
  latencyUs: Histogram;
  /** What its arguments look like, as text. */
  shape: { toString(): string };
  adaptiveLimit?: LimitFigures | undefined;
}

type LimitFigures = Pick<AdaptiveLimit, "limit" | "refusals">;

/** The debug page's figures, as its JSON has them; services and methods sorted. */
export interface DebugReport {
  services: Record<string, Record<string, MethodReport>>;
  server: ServerReport;
}

/**
 * Services and methods become own keys whatever their names are, `__proto__`
 * included; read them with Object.entries.
 */
export function debugReport(
  methods: ReadonlyMap<string, readonly Method[]>,
  server: ServerReport,
): DebugReport {
  const services = [...methods].map(([service, list]) => [
    service,
    Object.fromEntries(
      list.map((method) => [
        method.serviceMethod.slice(service.length + 1),
        methodReport(method),
      ]),
    ),
  ]);
  return { services: Object.fromEntries(services), server };
}

export function methodReport(figures: MethodFigures): MethodReport {
  const { calls, errors, inFlight, latencyUs, shape, adaptiveLimit } = figures;
  return {
    args: shape.toString(),
    calls,
    errors,
    inFlight,
    p50Us: tenths(latencyUs.quantile(0.5)),
    p99Us: tenths(latencyUs.quantile(0.99)),
    maxUs: tenths(latencyUs.max),
    ...(adaptiveLimit && limitReport(adaptiveLimit)),
  };
}

function limitReport({
  limit,
  refusals,
}: LimitFigures): Pick<MethodReport, "adaptiveLimit" | "refusals"> {
  return { adaptiveLimit: limit === Infinity ? null : limit, refusals };
}

function tenths(us: number): number {
  return Math.round(us * 10) / 10;
}
