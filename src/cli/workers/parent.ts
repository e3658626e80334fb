import type { Clock } from "../../base/clock.ts";
import type { DebugReport } from "../../server/debug/report.ts";
import type { Tally } from "../../server/debug/tally.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./messages.ts";
import type { ParentLink } from "./parent-link.ts";

/** How long the figures of all may take: each worker has a second to give its own. */
const sumTimeoutMs = 2_000;

/** The parent as a worker sees it. */
export class Parent {
  /** Resolves with what to serve. */
  readonly start: Promise<WorkerStart>;
  /** Resolves when the worker is to end in order: told so, or because nobody is there to tell it anything. */
  readonly stop: Promise<"drain" | "orphaned">;
  readonly #link: ParentLink;
  readonly #clock: Clock;
  readonly #start = Promise.withResolvers<WorkerStart>();
  readonly #stop = Promise.withResolvers<"drain" | "orphaned">();
  #isReady = false;
  #tally: (() => Tally) | undefined;
  #sum: PromiseWithResolvers<DebugReport | undefined> | undefined;

  constructor(link: ParentLink, clock: Clock) {
    this.#link = link;
    this.#clock = clock;
    this.start = this.#start.promise;
    this.stop = this.#stop.promise;
    link.onMessage((message) => this.#hear(message));
    void link.gone.then(() => this.#stop.resolve("orphaned"));
  }

  /** Whether a registry knows the server, or need not. */
  get isReady(): boolean {
    return this.#isReady;
  }

  tell(message: FromWorker): Promise<void> {
    return this.#link.send(message);
  }

  /** From now on it gets this worker's figures when it asks. */
  offer(tally: () => Tally): void {
    this.#tally = tally;
  }

  /** The figures of all workers; undefined where it does not give them within 2 s. */
  sum(): Promise<DebugReport | undefined> {
    this.#sum ??= this.#askSum();
    return this.#sum.promise;
  }

  #askSum(): PromiseWithResolvers<DebugReport | undefined> {
    const asked = Promise.withResolvers<DebugReport | undefined>();
    const timer = this.#clock.after(sumTimeoutMs, () =>
      asked.resolve(undefined),
    );
    void asked.promise.then(() => {
      timer.cancel();
      this.#sum = undefined;
    });
    void this.tell({ kind: "sum" });
    return asked;
  }

  #hear(message: ToWorker): void {
    switch (message.kind) {
      case "start":
        this.#isReady ||= message.isReady;
        this.#start.resolve(message);
        break;
      case "ready":
        this.#isReady = true;
        break;
      case "drain":
        this.#stop.resolve("drain");
        break;
      case "tally":
        if (this.#tally === undefined) break;
        void this.tell({ kind: "tally", tally: this.#tally() });
        break;
      case "sum":
        this.#sum?.resolve(message.report);
        break;
    }
  }
}
