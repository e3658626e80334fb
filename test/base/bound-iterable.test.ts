import { AsyncLocalStorage } from "node:async_hooks";
import { expect, test } from "bun:test";
import { boundIterable } from "../../src/base/bound-iterable.ts";

const storage = new AsyncLocalStorage<string>();

function setUp() {
  const seen: (string | undefined)[] = [];
  async function* source() {
    seen.push(storage.getStore());
    try {
      yield 1;
      seen.push(storage.getStore());
      await Promise.resolve();
      seen.push(storage.getStore());
      yield 2;
    } finally {
      seen.push(storage.getStore());
    }
  }
  return {
    seen,
    source,
    bound: storage.run("own", () => boundIterable(source())),
  };
}

test("a generator's body runs in the context in which it was bound", async () => {
  const { seen, bound } = setUp();
  const values = await storage.run("reader's", async () => {
    const all: number[] = [];
    for await (const value of bound) {
      all.push(value);
      expect(storage.getStore()).toBe("reader's");
    }
    return all;
  });
  expect(values).toEqual([1, 2]);
  expect(seen).toEqual(["own", "own", "own", "own"]);
});

test("so does its finally, when the reader leaves", async () => {
  const { seen, bound } = setUp();
  for await (const value of bound) {
    expect(value).toBe(1);
    break;
  }
  expect(seen).toEqual(["own", "own"]);
});

test("the iterator is asked for in that context, too", () => {
  let seen: string | undefined;
  const bound = storage.run("own", () =>
    boundIterable({
      [Symbol.asyncIterator]() {
        seen = storage.getStore();
        return {
          next: () => Promise.resolve({ done: true, value: undefined }),
        };
      },
    }),
  );
  bound[Symbol.asyncIterator]();
  expect(seen).toBe("own");
});

test("leaving a source without return() is its end", async () => {
  const iterator = boundIterable({
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.resolve({ done: false, value: 1 }),
    }),
  })[Symbol.asyncIterator]();
  expect(await iterator.next()).toEqual({ done: false, value: 1 });
  expect(await iterator.return?.(7)).toEqual({ done: true, value: 7 });
});

test("what the source throws comes through", async () => {
  const thrown = new Error("thrown");
  async function* failing(): AsyncGenerator<number> {
    throw thrown;
  }
  const iterator = boundIterable(failing())[Symbol.asyncIterator]();
  expect(await iterator.next().catch((caught) => caught)).toBe(thrown);
});
