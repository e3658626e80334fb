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
}

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

function methodReport(method: Method): MethodReport {
  const { calls, errors, inFlight, latencyUs, shape } = method;
  return {
    args: shape.toString(),
    calls,
    errors,
    inFlight,
    p50Us: tenths(latencyUs.quantile(0.5)),
    p99Us: tenths(latencyUs.quantile(0.99)),
    maxUs: tenths(latencyUs.max),
  };
}

function tenths(us: number): number {
  return Math.round(us * 10) / 10;
}
