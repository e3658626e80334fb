import { gobCodecType, jsonCodecType } from "../codec/table.ts";
import {
  largeItems,
  smallItems,
  type StreamWorkload,
} from "./stream-workload.ts";
import {
  echoedBytes,
  echoedOrders,
  varyingSums,
  type Workload,
} from "./workload.ts";

/**
 * What one run measures. Calls alone and a stream alone take turns with raw
 * sockets, and those that have a reference with it, too.
 */
export type BenchCase = Measured & { readonly name: string };

/**
 * The same calls in another way: without the stream beside them, over the
 * binary codec, or through a plain client of one server.
 */
export type Reference = "quiet" | "binary" | "plain";

type Measured = {
  /** Calls, or streams, in flight on each connection, where nothing else is said. */
  readonly inFlight: readonly number[];
  readonly reference?: Reference;
  /** Where the case is about a codec. */
  readonly codec?: string;
  /** Through an XClient, to three servers that it finds by their registry. */
  readonly hasFleet?: true;
  /** The floor can do it, too, where it is asked for. */
  readonly hasFloor?: true;
  /** It is also compared to JSON alone. */
  readonly hasSerializer?: true;
} & (
  | { readonly calls: Workload; readonly stream?: StreamWorkload }
  | { readonly calls?: undefined; readonly stream: StreamWorkload }
);

export type CaseName = keyof typeof table;

const kib = 1024;
const callsInFlight = [1, 64, 256];

const table = {
  sum: () => ({
    calls: varyingSums(),
    inFlight: callsInFlight,
    hasFloor: true,
  }),
  "echo-1k": () => ({
    calls: echoedOrders(),
    inFlight: [64],
    hasSerializer: true,
  }),
  "bytes-64k": () => ({ calls: echoedBytes(64 * kib), inFlight: [16] }),
  "bytes-4m": () => ({ calls: echoedBytes(4 * kib * kib), inFlight: [4] }),
  "stream-small": () => ({ stream: smallItems(), inFlight: [1] }),
  "stream-64k": () => ({ stream: largeItems(), inFlight: [1] }),
  "beside-stream": () => ({
    calls: varyingSums(),
    stream: largeItems(),
    inFlight: [64],
    reference: "quiet",
  }),
  xclient: () => ({
    calls: varyingSums(),
    inFlight: [64],
    reference: "plain",
    hasFleet: true,
  }),
  json: () => ({ ...sumsBesideBinary(), codec: jsonCodecType }),
  gob: () => ({ ...sumsBesideBinary(), codec: gobCodecType }),
} satisfies Readonly<Record<string, () => Measured>>;

function sumsBesideBinary() {
  return { calls: varyingSums(), inFlight: [64], reference: "binary" } as const;
}

export const caseNames = Object.keys(table) as CaseName[];

export function benchCase(name: CaseName): BenchCase {
  return { name, ...table[name]() };
}

/** A case that is in no table: somebody's method, by whose name it goes. */
export function callsCase(calls: Workload): BenchCase {
  return { name: calls.method, calls, inFlight: callsInFlight };
}
