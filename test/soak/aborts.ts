import type { Context } from "../../src/service/context.ts";

/** A service that tells when its handlers start, and when their signals abort. */
export class Aborts {
  #started = Promise.withResolvers<void>();
  #aborted = Promise.withResolvers<void>();

  /** Answers when the next hold() has started. */
  started(): Promise<void> {
    this.#started = Promise.withResolvers();
    this.#aborted = Promise.withResolvers();
    return this.#started.promise;
  }

  /** Answers when the signal of the one that has started aborts. */
  aborted(): Promise<void> {
    return this.#aborted.promise;
  }

  hold(_args: unknown, { signal }: Context): Promise<void> {
    signal.addEventListener("abort", () => this.#aborted.resolve());
    this.#started.resolve();
    return this.#aborted.promise;
  }
}
