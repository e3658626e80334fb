import { type Bucket, Histogram } from "../../metrics/histogram.ts";
import type { Method } from "../../service/method.ts";
import {
  type DebugReport,
  type MethodReport,
  methodReport,
  type ServerReport,
  type WorkerReport,
} from "./report.ts";

/** A method's figures in a form that adds up: latencies as buckets, in microseconds. */
export interface MethodTally {
  args: string;
  calls: number;
  errors: number;
  inFlight: number;
  latencyUs: readonly Bucket[];
  /** Infinity while there is no need for a limit. */
  adaptiveLimit?: { limit: number; refusals: number };
}

/** One process's figures, as plain data that processes send each other. Services are a Map: their names are users'. */
export interface Tally {
  server: ServerReport;
  services: ReadonlyMap<string, ReadonlyMap<string, MethodTally>>;
}

/** One of the processes that share a port. */
export interface WorkerTally {
  /** Its number, from 1. */
  worker: number;
  /** Undefined while another process takes its place. */
  pid: number | undefined;
  /** Undefined where it did not answer in time. */
  tally: Tally | undefined;
}

export function tallyOf(
  methods: ReadonlyMap<string, readonly Method[]>,
  server: ServerReport,
): Tally {
  const services = [...methods].map(
    ([service, list]) =>
      [
        service,
        new Map(
          list.map((method) => [
            method.serviceMethod.slice(service.length + 1),
            methodTally(method),
          ]),
        ),
      ] as const,
  );
  return { server, services: new Map(services) };
}

/**
 * The figures of several processes as those of one server, whose parent is
 * `pid`: counts are added up, latencies are those of all calls, and it has been
 * up for as long as the oldest. Who gave no figures is left out, and named.
 */
export function sumTallies(
  workers: readonly WorkerTally[],
  pid: number,
): DebugReport {
  const tallies = workers.flatMap(({ tally }) => tally ?? []);
  const servers = tallies.map(({ server }) => server);
  const isServing = servers.some(({ state }) => state === "serving");
  return {
    services: sumServices(tallies),
    server: {
      state: isServing ? "serving" : "draining",
      uptimeMs: Math.max(0, ...servers.map(({ uptimeMs }) => uptimeMs)),
      connections: sum(servers, ({ connections }) => connections),
      addresses: [...new Set(servers.flatMap(({ addresses }) => addresses))],
      pid,
      workers: workers.map(workerReport),
    },
  };
}

function methodTally(method: Method): MethodTally {
  const { calls, errors, inFlight, latencyUs, shape, adaptiveLimit } = method;
  return {
    args: shape.toString(),
    calls,
    errors,
    inFlight,
    latencyUs: latencyUs.buckets(),
    ...(adaptiveLimit && {
      adaptiveLimit: {
        limit: adaptiveLimit.limit,
        refusals: adaptiveLimit.refusals,
      },
    }),
  };
}

function sumServices(tallies: readonly Tally[]): DebugReport["services"] {
  const found = new Map<string, Map<string, MethodTally[]>>();
  for (const { services } of tallies) {
    for (const [service, methods] of services) {
      const list = found.get(service) ?? new Map<string, MethodTally[]>();
      found.set(service, list);
      for (const [name, method] of methods) {
        list.set(name, [...(list.get(name) ?? []), method]);
      }
    }
  }
  return Object.fromEntries(
    [...found].map(([service, methods]) => [
      service,
      Object.fromEntries(
        [...methods].map(([name, list]) => [name, sumMethod(list)]),
      ),
    ]),
  );
}

/** At least one. */
function sumMethod(list: readonly MethodTally[]): MethodReport {
  const latencyUs = new Histogram();
  for (const method of list) latencyUs.add(Histogram.of(method.latencyUs));
  const shapes = new Set(list.map(({ args }) => args).filter(Boolean));
  const limits = list.flatMap(({ adaptiveLimit }) => adaptiveLimit ?? []);
  return methodReport({
    calls: sum(list, ({ calls }) => calls),
    errors: sum(list, ({ errors }) => errors),
    inFlight: sum(list, ({ inFlight }) => inFlight),
    latencyUs,
    shape: [...shapes].join(" | "),
    adaptiveLimit:
      limits.length === 0
        ? undefined
        : {
            limit: sum(limits, ({ limit }) => limit),
            refusals: sum(limits, ({ refusals }) => refusals),
          },
  });
}

function workerReport({ worker, pid, tally }: WorkerTally): WorkerReport {
  if (tally === undefined) return { worker, pid: pid ?? null, state: "silent" };
  const { state, uptimeMs, connections } = tally.server;
  const methods = [...tally.services.values()].flatMap((each) => [
    ...each.values(),
  ]);
  return {
    worker,
    pid: tally.server.pid,
    state,
    uptimeMs,
    connections,
    calls: sum(methods, ({ calls }) => calls),
    errors: sum(methods, ({ errors }) => errors),
    inFlight: sum(methods, ({ inFlight }) => inFlight),
  };
}

function sum<T>(list: readonly T[], pick: (each: T) => number): number {
  return list.reduce((total, each) => total + pick(each), 0);
}
