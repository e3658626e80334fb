import type { Method } from "../service/method.ts";
import type { Services } from "../service/services.ts";

/** What the debug page says of one method, as JSON; latencies in microseconds. */
export interface MethodReport {
  args: string;
  calls: number;
  errors: number;
  inFlight: number;
  p50Us: number;
  p99Us: number;
  maxUs: number;
}

/** Counters by service and method, both sorted. */
export type DebugReport = {
  services: Record<string, Record<string, MethodReport>>;
};

export function debugReport(services: Services): DebugReport {
  const entries = [...services.list()].map(([name, methods]) => [
    name,
    Object.fromEntries(
      methods.map((method) => [
        method.serviceMethod.slice(name.length + 1),
        methodReport(method),
      ]),
    ),
  ]);
  return { services: Object.fromEntries(entries) };
}

function methodReport(method: Method): MethodReport {
  const { calls, errors, inFlight, latencyUs, shape } = method;
  return {
    args: shape.toString(),
    calls,
    errors,
    inFlight,
    p50Us: latencyUs.quantile(0.5),
    p99Us: latencyUs.quantile(0.99),
    maxUs: latencyUs.max,
  };
}

/** The page, or its figures as JSON where the request accepts that. */
export function debugResponse(_request: Request, services: Services): Response {
  return Response.json(debugReport(services));
}
