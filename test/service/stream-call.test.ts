import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { type StreamCall, streamable } from "../../src/service/stream-call.ts";
import { settle } from "../support/manual-clock.ts";

/** A stream of the given items that counts how it is read, and can fail behind them. */
class FakeStream implements AsyncIterableIterator<number, undefined> {
  readonly #items: number[];
  readonly #error: RpcError | undefined;
  readonly reads: number[] = [];
  returns = 0;

  constructor(items: number[], error?: RpcError) {
    this.#items = [...items];
    this.#error = error;
  }

  async next(): Promise<IteratorResult<number, undefined>> {
    const value = this.returns > 0 ? undefined : this.#items.shift();
    if (value !== undefined) {
      this.reads.push(value);
      return { done: false, value };
    }
    if (this.#error !== undefined) throw this.#error;
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<number, undefined>> {
    this.returns++;
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

function setUp() {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const call = streamable(promise) as StreamCall<number>;
  return { call, resolve, reject };
}

function resolved(reply: unknown): StreamCall<number> {
  return streamable(Promise.resolve(reply)) as StreamCall<number>;
}

async function read(call: AsyncIterable<number>, into: number[] = []) {
  for await (const item of call) into.push(item);
  return into;
}

const over = { done: true, value: undefined } as const;
const failure = new RpcError("not_found", "no such thing");

describe("a call as a stream", () => {
  test("is the promise that was given, and awaited it is what that resolves with", async () => {
    const stream = new FakeStream([1]);
    const promise = Promise.resolve(stream);
    expect(streamable(promise)).toBe(promise);
    expect(await promise).toBe(stream);
    expect(await streamable(Promise.resolve(3))).toBe(3);
  });

  test("all share one function", () => {
    const [one, other] = [resolved(1), resolved(2)];
    expect(one[Symbol.asyncIterator]).toBe(other[Symbol.asyncIterator]);
  });

  test("a loop waits for the stream and reads it in order, to its end", async () => {
    const { call, resolve } = setUp();
    const stream = new FakeStream([1, 2, 3]);
    const read1 = read(call);
    await settle();
    resolve(stream);
    expect(await read1).toEqual([1, 2, 3]);
    expect(stream.returns).toBe(0);
  });

  test("readers that come before the stream get its items in order", async () => {
    const { call, resolve } = setUp();
    const items = call[Symbol.asyncIterator]();
    const results = [items.next(), items.next(), items.next()];
    resolve(new FakeStream([1, 2]));
    const late = call.then(() => items.next());
    expect(await Promise.all([...results, late])).toEqual([
      { done: false, value: 1 },
      { done: false, value: 2 },
      over,
      over,
    ]);
  });

  test("once it has begun its iterator hands on what the stream gives, without a detour", async () => {
    const stream = new FakeStream([1]);
    const items = resolved(stream)[Symbol.asyncIterator]();
    await items.next();
    const next = Promise.resolve({ done: false as const, value: 2 });
    stream.next = () => next;
    expect(items.next()).toBe(next);
  });

  test("its iterator is iterable itself", async () => {
    expect(
      await read(resolved(new FakeStream([1, 2]))[Symbol.asyncIterator]()),
    ).toEqual([1, 2]);
  });

  test("what any async iterable does suffices", async () => {
    async function* count() {
      yield 1;
      yield 2;
    }
    expect(await read(resolved(count()))).toEqual([1, 2]);
    const native = new ReadableStream<number>({
      start(controller) {
        controller.enqueue(1);
        controller.enqueue(2);
        controller.close();
      },
    });
    expect(await read(resolved(native))).toEqual([1, 2]);
  });
});

describe("leaving a loop", () => {
  test("by break ends the stream after the items that were read", async () => {
    const stream = new FakeStream([1, 2, 3]);
    for await (const item of resolved(stream)) if (item === 2) break;
    expect(stream.reads).toEqual([1, 2]);
    expect(stream.returns).toBe(1);
  });

  test("by a throw in its body ends the stream, and the error comes out", async () => {
    const stream = new FakeStream([1, 2]);
    const thrown = new Error("body");
    const loop = async () => {
      for await (const _ of resolved(stream)) throw thrown;
    };
    expect(await loop().catch((error) => error)).toBe(thrown);
    expect(stream.reads).toEqual([1]);
    expect(stream.returns).toBe(1);
  });

  test("waits for what the stream does at its end, and tells its error", async () => {
    const stream = new FakeStream([1, 2]);
    stream.return = () => Promise.reject(failure);
    const items = resolved(stream)[Symbol.asyncIterator]();
    await items.next();
    expect(await items.return().catch((error) => error)).toBe(failure);
  });

  test("after it has ended reads no more", async () => {
    const stream = new FakeStream([1, 2]);
    const items = resolved(stream)[Symbol.asyncIterator]();
    await items.next();
    expect(await items.return()).toEqual(over);
    expect(await items.next()).toEqual(over);
    expect(stream.reads).toEqual([1]);
  });

  test("a source that cannot be ended is left", async () => {
    const source = {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false, value: 1 }),
      }),
    };
    const items = resolved(source)[Symbol.asyncIterator]();
    await items.next();
    expect(await items.return()).toEqual(over);
  });
});

describe("leaving before the stream has begun", () => {
  test("waits for nothing, and ends the stream once, unread, when it comes", async () => {
    const { call, resolve } = setUp();
    const stream = new FakeStream([1, 2]);
    const items = call[Symbol.asyncIterator]();
    expect(await items.return()).toEqual(over);
    expect(await items.return()).toEqual(over);
    expect(await items.next()).toEqual(over);
    expect(stream.returns).toBe(0);
    resolve(stream);
    await settle();
    expect(stream.returns).toBe(1);
    expect(stream.reads).toEqual([]);
  });

  test("ends the readers that wait", async () => {
    const { call, resolve } = setUp();
    const stream = new FakeStream([1, 2]);
    const items = call[Symbol.asyncIterator]();
    const waiting = [items.next(), items.next()];
    await items.return();
    resolve(stream);
    expect(await Promise.all(waiting)).toEqual([over, over]);
    expect(stream.returns).toBe(1);
    expect(stream.reads).toEqual([]);
  });

  test("at the end of await using, too", async () => {
    const stream = new FakeStream([1]);
    const { call, resolve } = setUp();
    {
      await using items = call[Symbol.asyncIterator]();
      expect(items).toBeDefined();
    }
    resolve(stream);
    await settle();
    expect(stream.returns).toBe(1);
  });

  test("nobody is told how the call fails after it", async () => {
    const { call, reject } = setUp();
    const items = call[Symbol.asyncIterator]();
    const waiting = items.next();
    await items.return();
    reject(failure);
    expect(await waiting).toEqual(over);
    expect(await items.next()).toEqual(over);
  });
});

describe("a failure", () => {
  test("of the call comes out of the loop", async () => {
    const { call, reject } = setUp();
    const loop = read(call).catch((error) => error);
    reject(failure);
    expect(await loop).toBe(failure);
  });

  test("of the call is told once to an iterator", async () => {
    const { call, reject } = setUp();
    const items = call[Symbol.asyncIterator]();
    const results = [items.next(), items.next()].map((next) =>
      next.catch((error) => error),
    );
    reject(failure);
    expect(await Promise.all(results)).toEqual([failure, over]);
    expect(await items.next()).toEqual(over);
    expect(await items.return()).toEqual(over);
  });

  test("of the stream comes behind its items", async () => {
    const got: number[] = [];
    const loop = read(resolved(new FakeStream([1, 2], failure)), got);
    expect(await loop.catch((error) => error)).toBe(failure);
    expect(got).toEqual([1, 2]);
  });

  test("is also a reply that is no stream", async () => {
    for (const reply of [3, undefined, null, "text", [1], { next() {} }]) {
      const error = await read(resolved(reply)).catch((thrown) => thrown);
      expect(error).toBeInstanceOf(RpcError);
      expect(error.code).toBe("invalid_argument");
    }
  });
});

// bun fails a test in which a rejection is left to nobody.
describe("a rejection that nobody takes", () => {
  test("is not left by a loop", async () => {
    await read(resolved(Promise.reject(failure))).catch(() => {});
    await settle();
  });

  test("nor by an iterator that is read late", async () => {
    const { call, reject } = setUp();
    const items = call[Symbol.asyncIterator]();
    reject(failure);
    await settle();
    expect(await items.next().catch((error) => error)).toBe(failure);
  });

  test("nor by one that is left before a call fails", async () => {
    const { call, reject } = setUp();
    await call[Symbol.asyncIterator]().return();
    reject(failure);
    await settle();
  });

  test("nor by one that is left before a stream begins that cannot be ended", async () => {
    const stream = new FakeStream([]);
    stream.return = () => Promise.reject(failure);
    await resolved(stream)[Symbol.asyncIterator]().return();
    await settle();
  });

  test("but a call that nobody looks at keeps its own", () => {
    const promise = Promise.resolve(1);
    let handlers = 0;
    promise.then = () => {
      handlers++;
      return promise as never;
    };
    streamable(promise);
    expect(handlers).toBe(0);
  });
});
