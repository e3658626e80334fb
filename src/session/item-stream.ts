import { done } from "../base/async-values.ts";
import { Queue } from "../base/queue.ts";
import type { RpcError } from "../errors.ts";

/** Who is told what the reader of a stream does. */
export interface ItemStreamOwner {
  /** Items of so many bytes have left for the reader, or will never. */
  consumed(bytes: number): void;
  /** The reader has gone before the end, and wants no more. */
  abandoned(): void;
}

interface Waiting<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: RpcError): void;
}

/**
 * The items of a stream as they come, for one reader: the reply of a call, or
 * the argument of a handler.
 *
 * Items that came before an error or the end are read before it. Leaving a
 * `for await` loop, or `return()`, gives the stream up: at a caller that
 * cancels the call. Several readers share the items: each goes to one of them.
 *
 * What is not read is held, up to the window of the stream, and keeps the peer
 * from sending more. It also takes its part of the window that all streams of
 * the connection share, for as long as it is held, also when the stream has
 * come whole: a few streams that nobody reads bring all others to a stop. So
 * read each one, or return() it.
 */
export class ItemStream<T = unknown>
  implements AsyncIterableIterator<T, undefined>, AsyncDisposable
{
  readonly #owner: ItemStreamOwner;
  readonly #items = new Queue<T>();
  /** What each of them takes of the window. */
  readonly #bytes = new Queue<number>();
  /** Readers that came before their item. */
  readonly #waiting = new Queue<Waiting<T>>();
  #isOver = false;
  /** What the reader gets behind the last item, once. */
  #error: RpcError | undefined;

  constructor(owner: ItemStreamOwner) {
    this.#owner = owner;
  }

  // The reader's side

  /** @throws RpcError what the call failed with, behind its last item, once */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#items.length > 0) {
      const value = this.#items.shift() as T;
      this.#owner.consumed(this.#bytes.shift() as number);
      return Promise.resolve({ done: false, value });
    }
    if (this.#isOver) {
      const error = this.#error;
      this.#error = undefined;
      return error === undefined
        ? Promise.resolve(done())
        : Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
  }

  /** Gives the stream up. */
  return(): Promise<IteratorResult<T, undefined>> {
    const wasOver = this.#isOver;
    this.#error = undefined;
    this.#close();
    // First, so that nothing is granted to who is to stop.
    if (!wasOver) this.#owner.abandoned();
    this.#drop();
    return Promise.resolve(done());
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  // The session's side

  /** Whether the end, or an error, has come. */
  get isOver(): boolean {
    return this.#isOver;
  }

  push(item: T, bytes: number): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) {
      this.#items.push(item);
      this.#bytes.push(bytes);
      return;
    }
    this.#owner.consumed(bytes);
    waiting.resolve({ done: false, value: item });
  }

  /** No more items come. */
  end(): void {
    this.#close();
  }

  /** The stream ends with `error`, behind the items that have come. */
  fail(error: RpcError): void {
    if (this.#isOver) return;
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#error = error;
    else waiting.reject(error);
    this.#close();
  }

  /** The stream ends with `error` now: items that have not been read are dropped. */
  abort(error: RpcError): void {
    const isCut = this.#items.length > 0;
    this.#drop();
    // Behind the end, too: a reader that misses items must not take it for whole.
    if (this.#isOver && isCut) this.#error ??= error;
    else this.fail(error);
  }

  #close(): void {
    this.#isOver = true;
    for (const { resolve } of this.#waiting) resolve(done());
    this.#waiting.clear();
  }

  #drop(): void {
    let bytes = 0;
    for (const each of this.#bytes) bytes += each;
    this.#items.clear();
    this.#bytes.clear();
    if (bytes > 0) this.#owner.consumed(bytes);
  }
}
