import { done, isAsyncIterable } from "../base/async-values.ts";
import { RpcError } from "../errors.ts";

/**
 * The items of a streamed reply, as they come, for one reader. Leaving its
 * loop, `return()` and the end of its `await using` before the last item
 * cancel the call. Several readers share the items: each goes to one of them.
 *
 * Read it or return() it: items that have come and are not read keep their
 * part of the window that all streams of the connection share, so a few that
 * are left lying bring all others to a stop.
 */
export interface ReplyStream<T>
  extends AsyncIterableIterator<T, undefined, undefined>, AsyncDisposable {
  return(): Promise<IteratorResult<T, undefined>>;
  [Symbol.asyncIterator](): ReplyStream<T>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A call whose reply is a stream of T. It can be looped over at once, and then
 * an error of the call comes out of the loop; awaited, it gives the stream as
 * soon as that has begun, or throws why it has not.
 *
 *     for await (const n of client.Foo.count(3)) console.log(n);
 *     await using numbers = await client.Foo.count(3);
 */
export interface StreamCall<T>
  extends Promise<ReplyStream<T>>, AsyncIterable<T, undefined, undefined> {
  [Symbol.asyncIterator](): ReplyStream<T>;
}

/**
 * Makes a call's promise iterable as StreamCall says, and returns it. At run
 * time no method is known to stream, so every call's is; one function shared
 * by all keeps that free. The loop over a call that turns out to have a lone
 * reply throws RpcError invalid_argument.
 */
export function streamable<Reply>(call: Promise<Reply>): Promise<Reply> {
  (call as unknown as AsyncIterable<unknown>)[Symbol.asyncIterator] = iterate;
  return call;
}

function iterate(this: unknown): AsyncIterator<unknown> {
  return new CallItems(this as Promise<unknown>);
}

/** Reads the stream that a call resolves with, once it is there. */
class CallItems implements ReplyStream<unknown> {
  readonly #opened: Promise<AsyncIterator<unknown>>;
  /** Set by the first reader that it came for, so that none overtakes it. */
  #items: AsyncIterator<unknown> | undefined;
  /** Left before there was a stream, or the call has failed and that was told. */
  #isOver = false;

  constructor(call: Promise<unknown>) {
    this.#opened = call.then(open);
    // It is told by next(), which may come late or never.
    this.#opened.catch(() => {});
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#items !== undefined) return this.#items.next();
    if (this.#isOver) return Promise.resolve(done());
    return this.#opened.then(
      (items) => {
        if (this.#isOver) return done();
        this.#items = items;
        return items.next();
      },
      (thrown) => {
        if (this.#isOver) return done();
        this.#isOver = true;
        throw thrown;
      },
    );
  }

  /** Ends the stream; one that has not begun as soon as it does, which is not waited for. */
  return(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#items !== undefined) return end(this.#items);
    if (!this.#isOver) {
      this.#isOver = true;
      // Nobody is left to be told.
      this.#opened.then(end).catch(() => {});
    }
    return Promise.resolve(done());
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}

function open(reply: unknown): AsyncIterator<unknown> {
  if (isAsyncIterable(reply)) return reply[Symbol.asyncIterator]();
  throw new RpcError(
    "invalid_argument",
    "this method answers with one value and not with a stream: write `await` instead of `for await`",
  );
}

async function end(
  items: AsyncIterator<unknown>,
): Promise<IteratorReturnResult<undefined>> {
  await items.return?.();
  return done();
}
