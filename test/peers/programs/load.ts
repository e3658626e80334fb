import { varyingSums } from "../../../src/bench/workload.ts";
import { type Bucket, Histogram } from "../../../src/metrics/histogram.ts";
import { isOrderOf, type Order, orderOf } from "./order.ts";

export interface Numbers {
  Num1: number;
  Num2: number;
}

/** A connection of one of the peers, as what is called over it. */
export interface Caller {
  sum(args: Numbers): Promise<number>;
  echo(order: Order): Promise<Order>;
}

/** What the bench asks a client for. */
export interface SliceRequest {
  case: "sum" | "echo-1k";
  inFlight: number;
  durationMs: number;
}

/** What it answers. */
export interface SliceAnswer {
  count: number;
  elapsedMs: number;
  /** How many calls took how long, in µs. */
  latencies: Bucket[];
}

const sums = varyingSums();

/** A call that knows whether its answer is right. */
const cases: Record<
  SliceRequest["case"],
  (caller: Caller, call: number) => Promise<boolean>
> = {
  sum: async (caller, call) =>
    sums.isRight(call, await caller.sum(sums.argsOf(call) as Numbers)),
  "echo-1k": async (caller, call) =>
    isOrderOf(call, await caller.echo(orderOf(call))),
};

/**
 * Keeps so many calls in flight for so long, at least one call in each place,
 * and resolves when the last has ended.
 *
 * @throws Error  the first wrong answer, or what a call failed with
 */
export async function runSlice(
  caller: Caller,
  { case: name, inFlight, durationMs }: SliceRequest,
): Promise<SliceAnswer> {
  const isRight = cases[name];
  const latenciesUs = new Histogram();
  const startedAt = performance.now();
  const until = startedAt + durationMs;
  let next = 0;
  const repeat = async () => {
    // The end of one call is the beginning of the next: one look at the clock.
    let begunAt = performance.now();
    do {
      const call = next++;
      if (!(await isRight(caller, call))) {
        throw new Error(`the answer to call ${call} of ${name} is wrong`);
      }
      const endedAt = performance.now();
      latenciesUs.record((endedAt - begunAt) * 1000);
      begunAt = endedAt;
    } while (begunAt < until);
  };
  await Promise.all(Array.from({ length: inFlight }, repeat));
  return {
    count: next,
    elapsedMs: performance.now() - startedAt,
    latencies: latenciesUs.buckets(),
  };
}
