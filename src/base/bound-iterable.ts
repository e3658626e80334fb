import { AsyncLocalStorage } from "node:async_hooks";

/**
 * `source`, run in the asynchronous context that this is called in.
 *
 * A generator's body runs in the context of whoever calls its next(), which
 * is where its values are wanted and not where they come from: here it
 * sees its own, from the beginning to its finally.
 */
export function boundIterable<T>(source: AsyncIterable<T>): AsyncIterable<T> {
  const inContext = AsyncLocalStorage.snapshot();
  return {
    [Symbol.asyncIterator](): AsyncIterator<T> {
      const iterator = inContext(() => source[Symbol.asyncIterator]());
      return {
        next: () => inContext(() => iterator.next()),
        return: async (value) =>
          (await inContext(() => iterator.return?.(value))) ?? {
            done: true,
            value,
          },
      };
    },
  };
}
