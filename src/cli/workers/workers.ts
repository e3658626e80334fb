import { type Clock, systemClock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import type { DebugReport } from "../../server/debug/report.ts";
import { sumTallies } from "../../server/debug/tally.ts";
import type { Log } from "../log.ts";
import type { WorkerStart } from "./messages.ts";
import { type NotServed, type Served, Worker } from "./worker.ts";
import type { SpawnWorker } from "./worker-process.ts";

/** After its drain a server may take 5 s to close and then disposes of its services. */
const closeMs = 10_000;

export interface WorkersOptions {
  count: number;
  spawn: SpawnWorker;
  /** What all of them are told. */
  start: Pick<WorkerStart, "listen" | "files" | "values">;
  /** Whether a registry knows them from the start, or need not. */
  isReady: boolean;
  log: Log;
  clock?: Clock;
  random?: Random;
}

/** Processes that serve the same on one port. They start with it. */
export class Workers {
  readonly #workers: readonly Worker[];
  #isReady: boolean;
  #sum: Promise<DebugReport> | undefined;

  constructor(options: WorkersOptions) {
    const { spawn, log, clock = systemClock, random = Math.random } = options;
    this.#isReady = options.isReady;
    const start = (worker: number, isFirst: boolean): WorkerStart => ({
      ...options.start,
      worker,
      isReady: this.#isReady,
      tellsServices: worker === 1 && isFirst,
    });
    this.#workers = Array.from({ length: options.count }, (_, at) => {
      const number = at + 1;
      return new Worker({
        number,
        spawn,
        start: (isFirst) => start(number, isFirst),
        leaveMs: options.start.values.drainTimeout + closeMs,
        sum: () => this.sum(),
        log,
        clock,
        random,
      });
    });
  }

  /** Resolves once each of them serves or has failed: with the first that serves, or with why none does. */
  async started(): Promise<Served | NotServed> {
    const outcomes = await Promise.all(this.#workers.map(({ first }) => first));
    const served = outcomes.find((outcome) => "address" in outcome);
    if (served === undefined) return outcomes[0] as NotServed;
    for (const [at, outcome] of outcomes.entries()) {
      if ("failure" in outcome) this.#workers[at]?.retry(outcome);
    }
    return served;
  }

  /** A registry knows the server now: `GET /readyz` answers 200. */
  ready(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    for (const worker of this.#workers) worker.send({ kind: "ready" });
  }

  /** The figures of all; those that give none within a second are left out, and named. */
  sum(): Promise<DebugReport> {
    this.#sum ??= this.#ask().finally(() => (this.#sum = undefined));
    return this.#sum;
  }

  /**
   * Each accepts nothing more and lets its calls finish for up to `limitMs`.
   * Resolves when all are gone: with true where all ended in order.
   */
  async drain(limitMs: number): Promise<boolean> {
    const drains = this.#workers.map((each) => each.drain(limitMs + closeMs));
    return (await Promise.all(drains)).every(Boolean);
  }

  /** Ends all of them now. */
  kill(): void {
    for (const worker of this.#workers) worker.kill();
  }

  async #ask(): Promise<DebugReport> {
    const tallies = await Promise.all(
      this.#workers.map(async (worker) => ({
        worker: worker.number,
        tally: await worker.tally(),
        pid: worker.pid,
      })),
    );
    return sumTallies(tallies, process.pid);
  }
}
