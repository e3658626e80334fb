import { Queue } from "../../src/base/queue.ts";
import type { Context } from "../../src/service/context.ts";

/** What a generator does next. */
type Step = { item: unknown } | { thrown: unknown } | "end";

/** A stream whose test says what its generator yields, and when. */
export class Feed {
  readonly args: unknown;
  readonly context: Context | undefined;
  /** How often it was asked for an item. */
  pulls = 0;
  /** How often its finally has run. */
  ends = 0;
  readonly #steps = new Queue<Step>();
  #wake: () => void = () => {};
  #isCut = false;

  constructor(args?: unknown, context?: Context) {
    this.args = args;
    this.context = context;
    // A generator that waits cannot be ended from outside.
    context?.signal.addEventListener("abort", () => this.cut());
  }

  async *items(): AsyncGenerator<unknown> {
    try {
      for (;;) {
        this.pulls++;
        const step = await this.#next();
        if (step === "end") return;
        if ("thrown" in step) throw step.thrown;
        yield step.item;
      }
    } finally {
      this.ends++;
    }
  }

  /** Items, one after the other. */
  give(...items: unknown[]): void {
    for (const item of items) this.#steps.push({ item });
    this.#wake();
  }

  end(): void {
    this.#steps.push("end");
    this.#wake();
  }

  fail(thrown: unknown): void {
    this.#steps.push({ thrown });
    this.#wake();
  }

  /** Lets a generator that waits go on to its end. */
  cut(): void {
    this.#isCut = true;
    this.#wake();
  }

  async #next(): Promise<Step> {
    while (this.#steps.length === 0) {
      if (this.#isCut) return "end";
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#steps.shift() as Step;
  }
}
