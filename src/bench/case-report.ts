import type { Bucket } from "../metrics/histogram.ts";
import type { Reference } from "./cases.ts";
import type { Executable } from "./executable.ts";
import type { Machine } from "./machine.ts";

/** The figures of one row; design: "bench --json". Of a stream, a call is an item. */
export interface CaseReport {
  /** The case's name, or somebody's method. */
  case: string;
  unit: "calls" | "items";
  method: string;
  codec: string;
  connections: number;
  /** That made the load, where it was more than one; each had so many connections. */
  processes?: number;
  /** Calls or streams in flight on each connection; with a rate the most that there were on all. */
  inFlight: number;
  /** Calls per second that were asked for; latencies then count from when a call was due. */
  rate?: number;
  /** Slices of each side, of which the medians are told. */
  turns: number;
  /** Calls that ended while it was measured, rightly or not. */
  calls: number;
  /** Of these, and of those that they are compared to. */
  errors: number;
  callsPerSecond: number;
  /** How long calls took; null for a stream alone. */
  p50Us: number | null;
  p99Us: number | null;
  p999Us: number | null;
  /** Frames of the same size through raw sockets; null for somebody else's server, and for calls beside a stream. */
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
  /** The least code that can make a call; this one against it, and it against the limit. */
  floorPerSecond?: number;
  ratioToFloor?: number;
  floorCpuUsPerCall?: number;
  floorRatio?: number;
  /** What JSON alone would allow on both ends' cores. */
  serializerPerSecond?: number;
  ratioToSerializer?: number;
  /** The same calls in another way, and this one against it. */
  reference?: Reference;
  referencePerSecond?: number;
  ratioToReference?: number;
  /** Of calls each way or of a stream's items, where bytes are what counts: their content. */
  megabytesPerSecond?: number;
  /** The same number of bytes in each frame of the limit. */
  limitMegabytesPerSecond?: number;
  /** Of the same calls without the stream beside them, and p99Us divided by it. */
  p99QuietUs?: number;
  p99AgainstQuiet?: number;
  /** This executable against the other; see Comparison. */
  ratioAgainst?: number;
  ratiosAgainst?: number[];
  cpuAgainst?: number;
  /** How many calls took up to so long, in µs: [upTo, calls], each bucket 1/16 wide. */
  latenciesUs?: Bucket[];
  /** The first call that went wrong, for people. */
  firstFailure?: string;
}

export interface BenchReport {
  cases: CaseReport[];
  machine: Machine;
  /** Who took turns with this executable. */
  against?: Executable;
}
