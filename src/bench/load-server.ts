import { Histogram, type Bucket } from "../metrics/histogram.ts";
import { RpcError } from "../errors.ts";
import type { OwnAddresses } from "./bench-server.ts";
import type { Destination } from "./callers.ts";
import { benchCase, type CaseName, callsCase } from "./cases.ts";
import { Connections } from "./connections.ts";
import { LocalSides } from "./local-sides.ts";
import type { Side, SideSlice } from "./sides.ts";
import { workloadOf } from "./workload.ts";

/*
 * What goes between a run and the processes that make its load, a line of JSON
 * each: first what is to be opened, answered with the sides that there are;
 * then slice after slice. A failure is answered with its code and message.
 */

/** A case by its name, or somebody's method with its argument. */
export type CaseWords =
  | { readonly name: CaseName }
  | { readonly method?: string; readonly args?: { readonly value: unknown } };

export interface LoadOrder {
  case: CaseWords;
  codec?: string;
  connections: number;
  hasFloor: boolean;
  /** This process's part. */
  callsPerSecond?: number;
  target: Destination | OwnAddresses;
}

export interface SliceOrder {
  side: Side;
  inFlight: number;
  durationMs: number;
}

/** A SideSlice as JSON. */
export type SliceAnswer = Omit<SideSlice, "latenciesUs"> & {
  latenciesUs: Bucket[];
};

export type LoadAnswer<T> =
  T | { error: { code: RpcError["code"]; message: string } };

/**
 * Makes the load that it is told to, in a process of its own, until its orders
 * end.
 */
export async function serveLoad(
  orders: AsyncIterable<unknown>,
  answer: (line: LoadAnswer<{ sides: readonly Side[] } | SliceAnswer>) => void,
): Promise<void> {
  const lines = orders[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done) return;
  const { case: words, target, ...rest } = first.value as LoadOrder;
  const options = { ...rest, benchCase: caseOf(words) };
  try {
    await using connections = await Connections.open(options, target);
    const sides = new LocalSides(connections, options);
    answer({ sides: sides.names });
    for (;;) {
      const next = await lines.next();
      if (next.done) return;
      const { side, inFlight, durationMs } = next.value as SliceOrder;
      const slice = await sides.run(side, inFlight, durationMs);
      answer({ ...slice, latenciesUs: slice.latenciesUs.buckets() });
    }
  } catch (thrown) {
    const { code, message } = RpcError.from(thrown);
    answer({ error: { code, message } });
  }
}

/** The inverse of what serveLoad makes of a slice. */
export function sliceOf(answer: SliceAnswer): SideSlice {
  return { ...answer, latenciesUs: Histogram.of(answer.latenciesUs) };
}

export function caseOf(words: CaseWords) {
  if ("name" in words) return benchCase(words.name);
  return callsCase(workloadOf(words.method, words.args));
}
