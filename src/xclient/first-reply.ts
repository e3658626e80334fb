import { closeUnread, isAsyncIterable } from "../base/async-values.ts";
import { RpcError } from "../errors.ts";

/**
 * The reply that comes first of several attempts, all of which do the same;
 * the others are cancelled then. Where none is left that could reply it is the
 * failure of the one that was started first.
 */
export class FirstReply {
  readonly #outcome = Promise.withResolvers<unknown>();
  /** What cancels attempts that are still to end. */
  readonly #running = new Set<AbortController>();
  #startedCount = 0;
  readonly #failures: unknown[] = [];
  #isOver = false;

  /** What attempts have failed with, in the order of their starts. */
  get failures(): readonly unknown[] {
    return this.#failures;
  }

  /** Settles once. */
  get reply(): Promise<unknown> {
    return this.#outcome.promise;
  }

  /** Starts another attempt, which is given up when `signal` aborts. */
  start(attempt: (signal: AbortSignal) => Promise<unknown>): void {
    const index = this.#startedCount++;
    const abort = new AbortController();
    this.#running.add(abort);
    attempt(abort.signal).then(
      (reply) => {
        this.#running.delete(abort);
        this.#replied(reply);
      },
      (thrown: unknown) => {
        this.#running.delete(abort);
        this.#failures[index] = thrown;
        if (this.#running.size > 0 || this.#isOver) return;
        this.#isOver = true;
        this.#outcome.reject(this.#failures[0]);
      },
    );
  }

  #replied(reply: unknown): void {
    if (this.#isOver) {
      // Its cancelling came too late.
      if (isAsyncIterable(reply)) closeUnread(reply).catch(() => {});
      return;
    }
    this.#isOver = true;
    this.#outcome.resolve(reply);
    for (const abort of this.#running) {
      abort.abort(new RpcError("cancelled", "another server was faster"));
    }
  }
}
