import { describe, expect, test } from "bun:test";
import { printBroadcast, printReply } from "../../src/cli/reply-lines.ts";
import { RpcError } from "../../src/errors.ts";
import { FakeSink } from "../support/fake-io.ts";

/** A stream whose reader and whose end are told of. */
class FakeStream implements AsyncIterableIterator<unknown, undefined> {
  readonly #items: unknown[];
  readonly #error: RpcError | undefined;
  /** Instead of the end: nothing comes until it is left. */
  readonly #isOpen: boolean;
  readonly #left = Promise.withResolvers<void>();
  asked = 0;
  isLeft = false;

  constructor(
    items: unknown[],
    { error, isOpen = false }: { error?: RpcError; isOpen?: boolean } = {},
  ) {
    this.#items = items;
    this.#error = error;
    this.#isOpen = isOpen;
  }

  async next(): Promise<IteratorResult<unknown, undefined>> {
    const at = this.asked++;
    if (at < this.#items.length) return { done: false, value: this.#items[at] };
    if (this.#error !== undefined) throw this.#error;
    if (this.#isOpen) await this.#left.promise;
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<unknown, undefined>> {
    this.isLeft = true;
    this.#left.resolve();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** A sink whose reader takes what was written when it is told to. */
class SlowSink extends FakeSink {
  readonly #asked = [Promise.withResolvers<void>()];
  readonly #taken: ((isRead: boolean) => void)[] = [];

  override flush(): Promise<boolean> {
    this.#asked.at(-1)?.resolve();
    this.#asked.push(Promise.withResolvers());
    return new Promise((resolve) => this.#taken.push(resolve));
  }

  /** Waits until somebody waits for it, for the `count`th time. */
  async waited(count: number): Promise<void> {
    await this.#asked[count - 1]?.promise;
  }

  take(isRead = true): void {
    this.#taken.shift()?.(isRead);
  }
}

const never = new AbortController().signal;
const lost = new RpcError("data_loss", "gone");

describe("a reply", () => {
  test("is one line; a stream one line an item", async () => {
    const sink = new FakeSink();
    await printReply({ a: 1n }, sink);
    await printReply(new FakeStream([1, undefined, "\u001b"]), sink);
    expect(sink.lines).toEqual(['{"a":1}', "1", "null", '"\\u001b"']);
  });

  test("that fails behind its items prints them, and then fails", async () => {
    const sink = new FakeSink();
    const failing = new FakeStream([1, 2], { error: lost });
    const thrown = await printReply(failing, sink).catch((error) => error);
    expect(thrown).toBe(lost);
    expect(sink.lines).toEqual(["1", "2"]);
  });

  test("is asked for its next item when the last one has been taken", async () => {
    const sink = new SlowSink();
    const stream = new FakeStream([1, 2, 3]);
    const printing = printReply(stream, sink);
    for (const count of [1, 2, 3]) {
      await sink.waited(count);
      expect(stream.asked).toBe(count);
      expect(sink.lines).toHaveLength(count);
      sink.take();
    }
    await printing;
    expect(stream.isLeft).toBe(false);
  });

  test("that nobody reads any more is left, which is no failure", async () => {
    const sink = new SlowSink();
    const stream = new FakeStream([1, 2, 3]);
    const printing = printReply(stream, sink);
    await sink.waited(1);
    sink.take(false);
    await printing;
    expect(stream.isLeft).toBe(true);
    expect(sink.lines).toEqual(["1"]);
  });
});

describe("a broadcast", () => {
  test("is a line per server, and of streams a line per item", async () => {
    const sink = new FakeSink();
    const outcomes = new Map([
      ["a:1", { reply: undefined }],
      ["b:2", { reply: new FakeStream([1, undefined]) }],
      ["c:3", { reply: 3 }],
    ]);
    expect(await printBroadcast(outcomes, sink, never)).toBe(true);
    expect(sink.lines.map((line) => JSON.parse(line))).toEqual([
      { server: "a:1", reply: null },
      { server: "c:3", reply: 3 },
      { server: "b:2", item: 1 },
      { server: "b:2", item: null },
    ]);
  });

  test.each([
    ["failed", { error: lost }],
    ["fails behind its items", { reply: new FakeStream([], { error: lost }) }],
  ])("a server that %s has its line; the others go on", async (_, outcome) => {
    const sink = new FakeSink();
    const outcomes = new Map([
      ["a:1", outcome],
      ["b:2", { reply: new FakeStream([1, 2]) }],
    ]);
    expect(await printBroadcast(outcomes, sink, never)).toBe(false);
    const lines = sink.lines.map((line) => JSON.parse(line));
    expect(lines).toContainEqual({ server: "a:1", error: lost.toJSON() });
    expect(lines.filter(({ server }) => server === "b:2")).toHaveLength(2);
  });

  test("a reader that has gone ends all streams, also those that say nothing", async () => {
    const sink = new SlowSink();
    const silent = new FakeStream([], { isOpen: true });
    const streams = [silent, new FakeStream([1, 2, 3])];
    const outcomes = new Map(
      streams.map((reply, index) => [`a:${index}`, { reply }]),
    );
    const printing = printBroadcast(outcomes, sink, never);
    await sink.waited(1);
    sink.take(false);
    expect(await printing).toBe(true);
    expect(streams.map(({ isLeft }) => isLeft)).toEqual([true, true]);
    expect(sink.lines).toHaveLength(1);
  });

  test("what an interrupt cancelled is no server's failure", async () => {
    const sink = new FakeSink();
    const outcomes = new Map([
      ["a:1", { reply: new FakeStream([1], { error: lost }) }],
    ]);
    const signal = AbortSignal.abort(new Error("interrupted"));
    const thrown = await printBroadcast(outcomes, sink, signal).catch(
      (error) => error,
    );
    expect(thrown).toBe(signal.reason);
    expect(sink.lines).toHaveLength(1);
  });
});
