import { Histogram } from "../metrics/histogram.ts";
import { LoadProcess } from "./load-process.ts";
import {
  type LoadOrder,
  type SliceAnswer,
  sliceOf,
  type SliceOrder,
} from "./load-server.ts";
import type { Side, Sides, SideSlice } from "./sides.ts";

/** The sides of a run whose load is made by several processes, all at the same time. */
export class ProcessSides implements Sides, AsyncDisposable {
  readonly names: readonly Side[];
  readonly #processes: readonly LoadProcess[];

  private constructor(
    names: readonly Side[],
    processes: readonly LoadProcess[],
  ) {
    this.names = names;
    this.#processes = processes;
  }

  /**
   * Starts `count` processes, each with the whole of `order` for itself, and
   * resolves once all are connected.
   *
   * @throws RpcError  as Connections.open
   */
  static async start(
    command: readonly string[],
    env: Readonly<Record<string, string | undefined>> | undefined,
    count: number,
    order: LoadOrder,
  ): Promise<ProcessSides> {
    const processes = Array.from(
      { length: count },
      () => new LoadProcess(command, env),
    );
    try {
      const opened = await Promise.all(
        processes.map((each) => each.ask<{ sides: readonly Side[] }>(order)),
      );
      return new ProcessSides(opened[0]?.sides ?? [], processes);
    } catch (thrown) {
      await Promise.all(processes.map((each) => each.close()));
      throw thrown;
    }
  }

  async run(
    side: Side,
    inFlight: number,
    durationMs: number,
  ): Promise<SideSlice> {
    const order: SliceOrder = { side, inFlight, durationMs };
    // JSON alone is measured on one core, however many make the calls.
    const asked =
      side === "serializer" ? this.#processes.slice(0, 1) : this.#processes;
    const answers = await Promise.all(
      asked.map((each) => each.ask<SliceAnswer>(order)),
    );
    return answers.map(sliceOf).reduce(together);
  }

  async close(): Promise<void> {
    await Promise.all(this.#processes.map((each) => each.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** What two processes did in the same slice. */
export function together(one: SideSlice, other: SideSlice): SideSlice {
  const latenciesUs = new Histogram();
  latenciesUs.add(one.latenciesUs);
  latenciesUs.add(other.latenciesUs);
  const firstFailure = one.firstFailure ?? other.firstFailure;
  return {
    count: one.count + other.count,
    elapsedMs: Math.max(one.elapsedMs, other.elapsedMs),
    done: one.done + other.done,
    errors: one.errors + other.errors,
    clientCpuUs: one.clientCpuUs + other.clientCpuUs,
    latenciesUs,
    ...(one.mostInFlight !== undefined && {
      mostInFlight: one.mostInFlight + (other.mostInFlight ?? 0),
    }),
    ...(one.stream &&
      other.stream && {
        stream: {
          count: one.stream.count + other.stream.count,
          elapsedMs: Math.max(one.stream.elapsedMs, other.stream.elapsedMs),
        },
      }),
    ...(firstFailure !== undefined && { firstFailure }),
  };
}
