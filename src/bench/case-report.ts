import type { Executable } from "./executable.ts";

/** The figures of one row; design: "bench --json". Of a stream, a call is an item. */
export interface CaseReport {
  /** The case's name, or somebody's method. */
  case: string;
  unit: "calls" | "items";
  method: string;
  codec: string;
  connections: number;
  /** Calls or streams in flight on each connection. */
  inFlight: number;
  /** Calls that ended while it was measured, with the errors among them. */
  calls: number;
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
  /** Of the stream's items, where bytes are what counts: their content. */
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
  /** Who took turns with this executable. */
  against?: Executable;
}
