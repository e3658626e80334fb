import {
  largeItems,
  smallItems,
  type StreamWorkload,
} from "./stream-workload.ts";
import { varyingSums, type Workload } from "./workload.ts";

/**
 * What one run measures. Calls alone and a stream alone take turns with raw
 * sockets; calls with a stream beside them, on the same connections, take
 * turns with the same calls without it.
 */
export type BenchCase = Measured & { readonly name: string };

type Measured = {
  /** Calls, or streams, in flight on each connection, where nothing else is said. */
  readonly inFlight: readonly number[];
} & (
  | { readonly calls: Workload; readonly stream?: StreamWorkload }
  | { readonly calls?: undefined; readonly stream: StreamWorkload }
);

export type CaseName = keyof typeof table;

const table = {
  sum: () => ({ calls: varyingSums(), inFlight: callsInFlight }),
  "stream-small": () => ({ stream: smallItems(), inFlight: [1] }),
  "stream-64k": () => ({ stream: largeItems(), inFlight: [1] }),
  "beside-stream": () => ({
    calls: varyingSums(),
    stream: largeItems(),
    inFlight: [64],
  }),
} satisfies Readonly<Record<string, () => Measured>>;

const callsInFlight = [1, 64, 256];

export const caseNames = Object.keys(table) as CaseName[];

export function benchCase(name: CaseName): BenchCase {
  return { name, ...table[name]() };
}

/** A case that is in no table: somebody's method, by whose name it goes. */
export function callsCase(calls: Workload): BenchCase {
  return { name: calls.method, calls, inFlight: callsInFlight };
}
