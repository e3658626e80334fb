import { closeUnread } from "../base/async-values.ts";
import { RpcError } from "../errors.ts";

/**
 * An argument that is a stream, for several attempts at one call: as long as
 * none has read of it, the next may. Its source is ended by the attempt that
 * has read, or by close().
 */
export class UnreadItems implements AsyncIterable<unknown> {
  readonly #items: AsyncIterable<unknown>;
  #source: AsyncIterator<unknown> | undefined;

  constructor(items: AsyncIterable<unknown>) {
    this.#items = items;
  }

  [Symbol.asyncIterator](): AsyncIterator<unknown> {
    return {
      next: () => {
        this.#source ??= this.#items[Symbol.asyncIterator]();
        return this.#source.next();
      },
      return: async () => {
        await this.#source?.return?.();
        return { done: true, value: undefined };
      },
    };
  }

  /** What an attempt failed with; without its promise that others may try where that is no longer so. */
  failureOf(thrown: unknown): RpcError {
    const error = RpcError.from(thrown);
    if (this.#source === undefined || error.sent !== false) return error;
    const { code, message, details } = error;
    return new RpcError(code, message, { details, cause: error });
  }

  /** The call is over: ends a source that no attempt has read. */
  async close(): Promise<void> {
    if (this.#source === undefined) await closeUnread(this.#items);
  }
}
