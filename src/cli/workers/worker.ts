import { Backoff, reconnectBackoff } from "../../base/backoff.ts";
import type { Clock, Timer } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import type { DebugReport } from "../../server/debug/report.ts";
import type { Tally } from "../../server/debug/tally.ts";
import { type LogLine, startFailedLine } from "../event-line.ts";
import { exitCode } from "../exit-code.ts";
import type { Log } from "../log.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./messages.ts";
import {
  cutLine,
  endedEarlyLine,
  lostLine,
  notStartedLine,
  startedLine,
} from "./worker-line.ts";
import type { Ending, SpawnWorker, WorkerProcess } from "./worker-process.ts";

/** A process that has served for so long is replaced at once, one that has not after a backoff. */
export const steadyMs = 10_000;
/** How long a worker may take to give its figures. */
export const tallyTimeoutMs = 1_000;

export interface WorkerOptions {
  /** From 1. */
  number: number;
  spawn: SpawnWorker;
  /** What a process is told as it starts; `isFirst` until one of this worker's has served. */
  start(isFirst: boolean): WorkerStart;
  /** How long a process may take to end once it is leaving. */
  leaveMs: number;
  /** The figures of all workers, for one that asks. */
  sum(): Promise<DebugReport>;
  log: Log;
  clock: Clock;
  random: Random;
}

/** It serves, at `address`. */
export interface Served {
  address: string;
  services: readonly string[];
}

/** Why a process did not come to serve, and what a command ends with for it. */
export interface NotServed {
  failure: LogLine;
  exitCode: number;
}

/** A process, and what it has said of itself. */
interface Run {
  process: WorkerProcess;
  servesSince?: number;
  failure?: LogLine;
}

/**
 * One of the workers: a process, and another one when that ends.
 *
 * | state    | listening | leaving   | its process ends               | time is over | drain    |
 * | -------- | --------- | --------- | ------------------------------ | ------------ | -------- |
 * | starting | serving   | as its end | the first: failed, or waiting |              | draining |
 * | failed   |           |           |                                |              | over     |
 * | serving  |           | waiting   | waiting                        |              | draining |
 * | waiting  |           |           |                                | starting     | over     |
 * | draining |           |           | over                           | killed       |          |
 *
 * `first` tells of the first process, and when that fails nothing follows
 * until retry(): when no worker starts there is nothing to retry. It waits a
 * backoff, or not at all where the process has served for 10 s.
 */
export class Worker {
  readonly number: number;
  /** What came of the first process. */
  readonly first: Promise<Served | NotServed>;
  readonly #options: WorkerOptions;
  readonly #backoff: Backoff;
  readonly #first = Promise.withResolvers<Served | NotServed>();
  /** Those that have not ended. */
  readonly #runs = new Set<Run>();
  #isFirst = true;
  #hasServed = false;
  #isEnding = false;
  #current: Run | undefined;
  #tally: PromiseWithResolvers<Tally | undefined> | undefined;
  #timer: Timer | undefined;

  constructor(options: WorkerOptions) {
    this.number = options.number;
    this.#options = options;
    this.#backoff = new Backoff(reconnectBackoff, options.random);
    this.first = this.#first.promise;
    this.#start();
  }

  /** Of the process that serves or starts; undefined between two of them. */
  get pid(): number | undefined {
    return this.#current?.process.pid;
  }

  send(message: ToWorker): void {
    this.#current?.process.send(message);
  }

  /** Tries again, once, when the first process has failed and others serve. */
  retry({ failure }: NotServed): void {
    this.#startAfter(this.#backoff.nextMs(), (retryInMs) =>
      notStartedLine(this.number, failure, retryInMs),
    );
  }

  /** Its figures; undefined where it gives none within a second. One question at a time. */
  async tally(): Promise<Tally | undefined> {
    if (this.#current?.servesSince === undefined) return undefined;
    const asked = Promise.withResolvers<Tally | undefined>();
    this.#tally = asked;
    const timer = this.#options.clock.after(tallyTimeoutMs, () =>
      asked.resolve(undefined),
    );
    this.send({ kind: "tally" });
    const tally = await asked.promise;
    timer.cancel();
    return tally;
  }

  /**
   * Lets its calls finish, and starts nothing any more; what is there after
   * `limitMs` is killed. Resolves when its processes are gone: with true where
   * they ended in order.
   */
  async drain(limitMs: number): Promise<boolean> {
    this.#isEnding = true;
    this.#timer?.cancel();
    const runs = [...this.#runs];
    for (const run of runs) {
      run.process.send({ kind: "drain" });
      this.#cutAfter(run, limitMs);
    }
    const inOrder = await Promise.all(
      runs.map(async (run) => isInOrder(run, await run.process.ended)),
    );
    return inOrder.every(Boolean);
  }

  /** Ends it now. */
  kill(): void {
    this.#isEnding = true;
    this.#timer?.cancel();
    for (const { process } of this.#runs) process.kill();
  }

  #start(): void {
    const { spawn, start } = this.#options;
    let process: WorkerProcess;
    try {
      process = spawn((message) => this.#hear(run, message));
    } catch (thrown) {
      this.#fail(startFailedLine(thrown), exitCode.failed);
      return;
    }
    const run: Run = { process };
    this.#current = run;
    this.#runs.add(run);
    process.send({ kind: "start", ...start(!this.#hasServed) });
    void process.ended.then((ending) => {
      this.#runs.delete(run);
      this.#lose(run, ending);
    });
  }

  #hear(run: Run, message: FromWorker): void {
    const { clock, log, sum } = this.#options;
    switch (message.kind) {
      case "listening":
        run.servesSince = clock.now();
        this.#isFirst = false;
        this.#hasServed = true;
        this.#first.resolve(message);
        log.write(startedLine(this.number, run.process.pid));
        break;
      case "start-failed":
        run.failure = message.line;
        break;
      case "leaving":
        this.#cutAfter(run, this.#options.leaveMs);
        this.#lose(run, undefined);
        break;
      case "tally":
        if (run === this.#current) this.#tally?.resolve(message.tally);
        break;
      case "sum":
        void sum().then((report) => run.process.send({ kind: "sum", report }));
        break;
    }
  }

  /** Its process has ended, or will soon. */
  #lose(run: Run, ending: Ending | undefined): void {
    if (run !== this.#current) return;
    this.#current = undefined;
    this.#tally?.resolve(undefined);
    const { servesSince, process } = run;
    if (servesSince === undefined) {
      const early = ending ?? { exitCode: exitCode.failed, signal: null };
      const failure = run.failure ?? endedEarlyLine(early);
      this.#fail(failure, early.exitCode || exitCode.failed);
      return;
    }
    const { clock } = this.#options;
    const isSteady = clock.now() - servesSince >= steadyMs;
    if (isSteady) this.#backoff.reset();
    this.#startAfter(isSteady ? 0 : this.#backoff.nextMs(), (retryInMs) =>
      lostLine(this.number, process.pid, ending, retryInMs),
    );
  }

  #fail(failure: LogLine, exitCode: number): void {
    const notServed = { failure, exitCode };
    if (!this.#isFirst) this.retry(notServed);
    this.#isFirst = false;
    this.#first.resolve(notServed);
  }

  #startAfter(delayMs: number, line: (retryInMs: number) => LogLine): void {
    if (this.#isEnding) return;
    const { log, clock } = this.#options;
    log.write(line(delayMs));
    this.#timer = clock.after(delayMs, () => this.#start());
  }

  #cutAfter({ process }: Run, limitMs: number): void {
    const { clock, log } = this.#options;
    const timer = clock.after(limitMs, () => {
      log.write(cutLine(this.number, process.pid));
      process.kill();
    });
    void process.ended.then(() => timer.cancel());
  }
}

/**
 * Whether a process that was told to drain ended as it should. One that had
 * not come to serve may have been ended by the signal that began all this: a
 * terminal sends it to every process, and nothing was lost.
 */
function isInOrder({ servesSince }: Run, ending: Ending): boolean {
  const { signal } = ending;
  if (ending.exitCode === exitCode.done) return true;
  return (
    servesSince === undefined && (signal === "SIGINT" || signal === "SIGTERM")
  );
}
