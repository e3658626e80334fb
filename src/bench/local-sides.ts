import { availableParallelism } from "node:os";
import { type Clock, systemClock } from "../base/clock.ts";
import { Histogram } from "../metrics/histogram.ts";
import { cpuUs } from "./bench-server.ts";
import { type CallFunction, CallLoad } from "./call-load.ts";
import type { Caller } from "./callers.ts";
import { openStream } from "./case-frames.ts";
import type { BenchCase } from "./cases.ts";
import type { ConnectionOptions, Connections } from "./connections.ts";
import { LoadBesideStream } from "./load-beside-stream.ts";
import { RateLoad } from "./rate-load.ts";
import { runSerializer } from "./serializer.ts";
import type { Side, Sides, SideSlice } from "./sides.ts";
import type { SliceLoad } from "./slice-load.ts";
import type { Slice } from "./slices.ts";
import { StreamLoad } from "./stream-load.ts";
import type { StreamWorkload } from "./stream-workload.ts";
import type { Workload } from "./workload.ts";

/** Requests that the limit of a stream has in flight: the next is there before one is answered. */
const limitStreams = 2;

/** The sides of a run whose load is made in this process. */
export class LocalSides implements Sides {
  readonly names: readonly Side[];
  readonly #connections: Connections;
  readonly #case: BenchCase;
  readonly #callsPerSecond: number | undefined;
  readonly #clock: Clock;
  /** A load goes on where it stood when its side has its next turn. */
  readonly #loads = new Map<string, SliceLoad>();

  constructor(connections: Connections, options: ConnectionOptions) {
    this.#connections = connections;
    this.#case = options.benchCase;
    this.#callsPerSecond = options.callsPerSecond;
    this.#clock = options.clock ?? systemClock;
    this.names = this.#sides();
  }

  async run(
    side: Side,
    inFlight: number,
    durationMs: number,
  ): Promise<SideSlice> {
    if (side === "limit") {
      return bare(await this.#runLimit(inFlight, durationMs));
    }
    if (side === "serializer") {
      const value = this.#case.calls?.argsOf(0);
      return bare(runSerializer(value, durationMs, availableParallelism()));
    }
    const load = this.#load(side, inFlight);
    const { done, errors } = load;
    const cpuBefore = cpuUs();
    const latenciesUs = new Histogram();
    const slice = await load.run(durationMs, latenciesUs);
    const failure = load.errors > errors ? load.firstFailure : undefined;
    return {
      ...slice,
      done: load.done - done,
      errors: load.errors - errors,
      clientCpuUs: cpuUs() - cpuBefore,
      latenciesUs,
      ...(load instanceof LoadBesideStream && { stream: load.lastStream }),
      ...(load instanceof RateLoad && { mostInFlight: load.mostInFlight }),
      ...(failure && { firstFailure: failure.reason }),
    };
  }

  /** Those that have what they need, geerpc last. */
  #sides(): Side[] {
    const { limits, floors, hasOwnServer } = this.#connections;
    if (this.#callsPerSecond !== undefined) return ["geerpc"];
    const sides: Side[] = [];
    if (limits.length > 0) sides.push("limit");
    if (floors.length > 0) sides.push("floor");
    if (hasOwnServer && this.#case.reference) sides.push("reference");
    if (hasOwnServer && this.#case.hasSerializer) sides.push("serializer");
    return [...sides, "geerpc"];
  }

  #load(side: "geerpc" | "floor" | "reference", inFlight: number): SliceLoad {
    const key = `${side} ${inFlight}`;
    const known = this.#loads.get(key);
    if (known !== undefined) return known;
    const load = this.#newLoad(side, inFlight);
    this.#loads.set(key, load);
    return load;
  }

  #newLoad(
    side: "geerpc" | "floor" | "reference",
    inFlight: number,
  ): SliceLoad {
    const { calls, stream, reference } = this.#case;
    const { callers, references, floors } = this.#connections;
    if (calls === undefined) return this.#streamLoad(stream, inFlight);
    if (side === "floor") {
      const functions = floors.map((floor): CallFunction => {
        return (_serviceMethod, args) => floor.call(args);
      });
      return this.#callLoad(functions, calls, inFlight);
    }
    if (side === "reference") {
      const asked = reference === "quiet" ? callers : references;
      return this.#callLoad(asked.map(callFunction), calls, inFlight);
    }
    const load = this.#callLoad(callers.map(callFunction), calls, inFlight);
    return stream === undefined
      ? load
      : new LoadBesideStream(load, this.#streamLoad(stream, 1));
  }

  #callLoad(
    calls: readonly CallFunction[],
    workload: Workload,
    inFlight: number,
  ): CallLoad | RateLoad {
    const clock = this.#clock;
    const callsPerSecond = this.#callsPerSecond;
    if (callsPerSecond !== undefined) {
      return new RateLoad({ calls, callsPerSecond, workload, clock });
    }
    const { reconnects } = this.#connections;
    return new CallLoad({ calls, inFlight, workload, clock, reconnects });
  }

  #streamLoad(workload: StreamWorkload, inFlight: number): StreamLoad {
    const streams = this.#connections.callers.map(
      (caller) => (serviceMethod: string) => openStream(caller, serviceMethod),
    );
    return new StreamLoad({ streams, inFlight, workload, clock: this.#clock });
  }

  async #runLimit(inFlight: number, durationMs: number): Promise<Slice> {
    const requests = this.#case.calls === undefined ? limitStreams : inFlight;
    const slices = await Promise.all(
      this.#connections.limits.map((limit) => limit.run(requests, durationMs)),
    );
    return {
      count: slices.reduce((sum, { count }) => sum + count, 0),
      elapsedMs: Math.max(...slices.map(({ elapsedMs }) => elapsedMs)),
    };
  }
}

function callFunction(caller: Caller): CallFunction {
  return (serviceMethod, args) => caller.call(serviceMethod, args);
}

/** Of a side that has neither errors nor latencies. */
function bare(slice: Slice): SideSlice {
  return {
    ...slice,
    done: slice.count,
    errors: 0,
    clientCpuUs: 0,
    latenciesUs: new Histogram(),
  };
}
