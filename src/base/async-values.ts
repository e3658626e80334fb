/** Whether `value` is a promise, or something that `await` takes for one. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === "object" && value !== null) ||
      typeof value === "function") &&
    typeof (value as { then?: unknown }).then === "function"
  );
}

/** Whether `for await` takes `value` and an ordinary loop may not. */
export function isAsyncIterable(
  value: unknown,
): value is AsyncIterable<unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof (value as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] ===
      "function"
  );
}

/** What an iterator says behind its last item. */
export function done(): IteratorReturnResult<undefined> {
  return { done: true, value: undefined };
}

/** Ends an iterable that nobody reads: what it holds is let go. */
export async function closeUnread(
  items: AsyncIterable<unknown>,
): Promise<void> {
  await items[Symbol.asyncIterator]().return?.();
}
