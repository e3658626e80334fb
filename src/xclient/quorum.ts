import { closeUnread, isAsyncIterable } from "../base/async-values.ts";
import { RpcError } from "../errors.ts";
import type { BroadcastCall } from "./broadcast.ts";
import { type Attempt, CallError } from "./call-error.ts";

/**
 * The replies of the servers that answer first, `count` of them, by address
 * and in the order in which they came. Nothing is cancelled: what is written
 * is to arrive at the others, too. Streams that nobody gets are ended.
 */
export class Quorum {
  readonly #count: number;
  readonly #callCount: number;
  readonly #outcome = Promise.withResolvers<Map<string, unknown>>();
  readonly #replies = new Map<string, unknown>();
  readonly #failures: Attempt[] = [];
  #mayHaveRun = false;
  #isOver = false;

  private constructor(callCount: number, count: number) {
    this.#callCount = callCount;
    this.#count = count;
  }

  /**
   * @param count from 1 to the number of calls
   * @throws CallError the failure that leaves too few servers; its attempts are those that have failed
   */
  static of(
    calls: readonly BroadcastCall[],
    count: number,
  ): Promise<Map<string, unknown>> {
    const quorum = new Quorum(calls.length, count);
    for (const { address, reply } of calls) {
      reply.then(
        (value) => quorum.#replied(address, value),
        (thrown: unknown) => quorum.#failed(address, RpcError.from(thrown)),
      );
    }
    return quorum.#outcome.promise;
  }

  #replied(address: string, reply: unknown): void {
    if (this.#isOver) {
      endUnread(reply);
      return;
    }
    this.#replies.set(address, reply);
    if (this.#replies.size < this.#count) return;
    this.#isOver = true;
    this.#outcome.resolve(this.#replies);
  }

  #failed(address: string, error: RpcError): void {
    if (this.#isOver) return;
    this.#failures.push({ address, code: error.code });
    if (error.sent !== false) this.#mayHaveRun = true;
    if (this.#callCount - this.#failures.length >= this.#count) return;
    this.#isOver = true;
    for (const reply of this.#replies.values()) endUnread(reply);
    const areOpen = this.#failures.length < this.#callCount;
    this.#outcome.reject(
      CallError.of(error, this.#mayHaveRun || areOpen, this.#failures),
    );
  }
}

function endUnread(reply: unknown): void {
  if (isAsyncIterable(reply)) closeUnread(reply).catch(() => {});
}
