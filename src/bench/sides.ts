import type { Histogram } from "../metrics/histogram.ts";
import type { Slice } from "./slices.ts";

/**
 * Who takes turns in a row: what is measured, and what it is compared to.
 *
 * | side       | what runs                                                        |
 * | ---------- | ---------------------------------------------------------------- |
 * | geerpc     | the case itself                                                  |
 * | limit      | frames of the same size, with nothing in them, over raw sockets  |
 * | floor      | the least code that makes a call: see floor.ts                   |
 * | reference  | the same calls in another way: see Reference in cases.ts         |
 * | serializer | JSON alone, in this process: see serializer.ts                   |
 */
export type Side = "geerpc" | "limit" | "floor" | "reference" | "serializer";

/** What a side did in one slice. */
export interface SideSlice extends Slice {
  /** Calls that ended or items that came, rightly or not; `count` is those that were right. */
  done: number;
  errors: number;
  /** CPU time of this process, or of all those that made the load. */
  clientCpuUs: number;
  latenciesUs: Histogram;
  /** The most calls that were in flight at a time, where their rate is given. */
  mostInFlight?: number;
  /** What the stream did that ran beside the calls. */
  stream?: Slice;
  /** The first call or item that went wrong, for people. */
  firstFailure?: string;
}

/** Makes the slices of a row, one at a time. */
export interface Sides {
  /** geerpc is always there, and the last. */
  readonly names: readonly Side[];
  /**
   * Runs a side for `durationMs`, then waits for what is under way.
   *
   * @throws RpcError unavailable  a connection that the side needs was lost
   */
  run(side: Side, inFlight: number, durationMs: number): Promise<SideSlice>;
}
