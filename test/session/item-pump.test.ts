import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import type { Flow } from "../../src/session/flow.ts";
import { ItemPump } from "../../src/session/item-pump.ts";
import type { Sender } from "../../src/session/sender.ts";
import { SendWindow } from "../../src/session/window.ts";
import { settle } from "../support/manual-clock.ts";
import { Feed } from "./feed.ts";

/** What an iterator is made of here: parts may be left out, or throw. */
interface Parts {
  next?: () => unknown;
  return?: () => unknown;
}

function sourceOf(parts: Parts): AsyncIterable<unknown> {
  const source = { [Symbol.asyncIterator]: () => parts };
  return source as unknown as AsyncIterable<unknown>;
}

function throwing(thrown: unknown): () => never {
  return () => {
    throw thrown;
  };
}

const seq = 7;
const thrown = new Error("the source");

/** A sender and a flow that do as the test says, and a pump between them. */
class Bench {
  readonly sent: unknown[] = [];
  readonly told: unknown[] = [];
  readonly parked: string[] = [];
  window: SendWindow | undefined = new SendWindow(1e9);
  hasRoom = true;
  holds = false;
  spentBytes = 0;
  droppedItems = 0;
  itemBytes = 64;
  /** Runs inside of each item that is sent. */
  onItem: (item: unknown) => void = () => {};

  readonly sender = {
    hasSession: true,
    holdsItem: () => this.holds,
    item: (ofSeq: number, isAnswer: boolean, item: unknown): number => {
      expect([ofSeq, isAnswer]).toEqual([seq, true]);
      this.onItem(item);
      this.sent.push(item);
      return this.itemBytes;
    },
    scheduleItems: () => {},
    dropItem: () => void this.droppedItems++,
  } as unknown as Sender;

  readonly flow = {
    newSendWindow: () => this.window,
    park: () => void this.parked.push("parked"),
    parkHolding: () => void this.parked.push("holding"),
    unpark: () => void this.parked.push("unparked"),
    spend: (bytes: number) => void (this.spentBytes += bytes),
  } as unknown as Flow;

  constructor() {
    Object.defineProperty(this.flow, "hasRoom", { get: () => this.hasRoom });
  }

  pump(items: AsyncIterable<unknown>): ItemPump {
    return new ItemPump(items, seq, true, this.sender, this.flow, {
      ended: () => void this.told.push("ended"),
      failed: (reason) => void this.told.push(reason),
    });
  }

  async run(items: AsyncIterable<unknown>): Promise<void> {
    this.pump(items).run();
    await settle();
  }
}

async function* generate(items: number): AsyncGenerator<number> {
  for (let item = 0; item < items; item++) yield item;
}

describe("a source", () => {
  test("is sent item by item, in order, then the owner is told once", async () => {
    const bench = new Bench();
    await bench.run(generate(3));
    expect(bench.sent).toEqual([0, 1, 2]);
    expect(bench.told).toEqual(["ended"]);
    expect(bench.spentBytes).toBe(3 * 64);
  });

  test("without items is over at once", async () => {
    const bench = new Bench();
    await bench.run(generate(0));
    expect(bench.sent).toEqual([]);
    expect(bench.told).toEqual(["ended"]);
  });

  test("is asked for one item at a time", async () => {
    const bench = new Bench();
    const feed = new Feed();
    await bench.run(feed.items());
    expect(feed.pulls).toBe(1);
    feed.give("a");
    await settle();
    expect(feed.pulls).toBe(2);
    expect(bench.sent).toEqual(["a"]);
  });

  test("whose next() gives its results without a promise is as good", async () => {
    const bench = new Bench();
    let left = 3;
    await bench.run(
      sourceOf({ next: () => ({ done: left === 0, value: left-- }) }),
    );
    expect(bench.sent).toEqual([3, 2, 1]);
    expect(bench.told).toEqual(["ended"]);
  });

  test("is done by whatever is true, and the value beside that is not looked at", async () => {
    const bench = new Bench();
    const result = Object.defineProperty({ done: 1 }, "value", {
      get: throwing(thrown),
    });
    await bench.run(sourceOf({ next: () => result }));
    expect(bench.told).toEqual(["ended"]);
  });

  test("of 100,000 items that never waits does not exhaust the stack", async () => {
    const bench = new Bench();
    const count = 100_000;
    let left = count;
    bench
      .pump(sourceOf({ next: () => ({ done: left === 0, value: left-- }) }))
      .run();
    while (bench.told.length === 0) await settle();
    expect(bench.sent).toHaveLength(count);
    expect(bench.told).toEqual(["ended"]);
  });
});

describe("a source that fails", () => {
  test("does so behind the items in front of it", async () => {
    const bench = new Bench();
    const feed = new Feed();
    feed.give("a", "b");
    feed.fail(thrown);
    await bench.run(feed.items());
    expect(bench.sent).toEqual(["a", "b"]);
    expect(bench.told).toEqual([thrown]);
  });

  const ways: [name: string, items: AsyncIterable<unknown>][] = [
    ["next() throws", sourceOf({ next: throwing(thrown) })],
    ["next() rejects", sourceOf({ next: () => Promise.reject(thrown) })],
    [
      "it cannot begin",
      { [Symbol.asyncIterator]: throwing(thrown) } as AsyncIterable<unknown>,
    ],
    [
      "its result cannot be looked at",
      sourceOf({
        next: () =>
          Object.defineProperty({}, "done", { get: throwing(thrown) }),
      }),
    ],
    [
      "its value cannot be looked at",
      sourceOf({
        next: () =>
          Object.defineProperty({ done: false }, "value", {
            get: throwing(thrown),
          }),
      }),
    ],
  ];
  test.each(ways)("when %s", async (_name, items) => {
    const bench = new Bench();
    await bench.run(items);
    expect(bench.sent).toEqual([]);
    expect(bench.told).toEqual([thrown]);
  });

  test.each([undefined, null, 5, "text"])(
    "when next() gives %p, which is no result",
    async (result) => {
      const bench = new Bench();
      await bench.run(sourceOf({ next: () => result }));
      expect(bench.sent).toEqual([]);
      expect(bench.told).toHaveLength(1);
      expect(bench.told[0]).toBeInstanceOf(TypeError);
    },
  );

  test("when it has no next()", async () => {
    const bench = new Bench();
    await bench.run(sourceOf({}));
    expect(bench.told).toHaveLength(1);
    expect(bench.told[0]).toBeInstanceOf(TypeError);
  });

  test("is not asked again, nor ended", async () => {
    const bench = new Bench();
    let returns = 0;
    const pump = bench.pump(
      sourceOf({ next: throwing(thrown), return: () => void returns++ }),
    );
    pump.run();
    await settle();
    pump.run();
    pump.grant(1);
    await pump.stop();
    expect(bench.told).toEqual([thrown]);
    expect(returns).toBe(0);
  });
});

describe("an item that cannot be sent", () => {
  const unsendable = new RpcError("invalid_argument", "no such body");
  function refusing(): Bench {
    const bench = new Bench();
    bench.onItem = (item) => {
      if (item === "bad") throw unsendable;
    };
    return bench;
  }

  test("fails the stream without waiting for the source, which is ended beside it", async () => {
    const bench = refusing();
    let returns = 0;
    await bench.run(
      sourceOf({
        next: () => ({ done: false, value: "bad" }),
        return: () => {
          returns++;
          return new Promise(() => {});
        },
      }),
    );
    expect(bench.told).toEqual([unsendable]);
    expect(returns).toBe(1);
  });

  test("ends the source, and fails the stream", async () => {
    const bench = refusing();
    const feed = new Feed();
    feed.give("good", "bad", "never");
    bench.pump(feed.items()).run();
    await settle();
    expect(bench.sent).toEqual(["good"]);
    expect(feed.ends).toBe(1);
    expect(bench.told).toEqual([unsendable]);
    expect(bench.spentBytes).toBe(64);
  });

  test.each([
    ["throws", throwing(thrown)],
    ["rejects", () => Promise.reject(thrown)],
  ])("is what is told, also where the end of the source %s", async (_, end) => {
    const bench = refusing();
    const next = () => ({ done: false, value: "bad" });
    await bench.run(sourceOf({ next, return: end }));
    expect(bench.told).toEqual([unsendable]);
  });

  test("of a source that cannot be ended fails the stream, too", async () => {
    const bench = refusing();
    await bench.run(sourceOf({ next: () => ({ done: false, value: "bad" }) }));
    expect(bench.told).toEqual([unsendable]);
  });
});

describe("windows", () => {
  test("the source is not asked before they are known, nor before there is room", async () => {
    const bench = new Bench();
    bench.window = undefined;
    bench.hasRoom = false;
    const feed = new Feed();
    feed.give("a");
    const pump = bench.pump(feed.items());
    pump.run();
    await settle();
    expect(feed.pulls).toBe(0);
    expect(bench.parked).toEqual(["parked"]);
    bench.window = new SendWindow(1);
    bench.hasRoom = true;
    pump.run();
    await settle();
    expect(bench.sent).toEqual(["a"]);
    // Its one byte is spent.
    expect(feed.pulls).toBe(1);
  });

  test("while the stream's is closed the source is not asked, and credit runs it", async () => {
    const bench = new Bench();
    bench.window = new SendWindow(65);
    const feed = new Feed();
    feed.give("a", "b", "c", "d");
    const pump = bench.pump(feed.items());
    pump.run();
    await settle();
    expect(bench.sent).toEqual(["a", "b"]);
    expect(feed.pulls).toBe(2);
    expect(bench.parked).toEqual([]);
    pump.grant(63);
    await settle();
    expect(feed.pulls).toBe(2);
    pump.grant(1);
    await settle();
    expect(bench.sent).toEqual(["a", "b", "c"]);
    expect(feed.pulls).toBe(3);
  });

  test("an item for which there is no room any more waits, and is the next", async () => {
    const bench = new Bench();
    const feed = new Feed();
    const pump = bench.pump(feed.items());
    pump.run();
    bench.hasRoom = false;
    feed.give("a", "b");
    await settle();
    expect(bench.sent).toEqual([]);
    expect(feed.pulls).toBe(1);
    expect(bench.parked).toEqual(["parked"]);
    bench.hasRoom = true;
    pump.run();
    await settle();
    expect(bench.sent).toEqual(["a", "b"]);
  });

  test("an end needs no room", async () => {
    const bench = new Bench();
    bench.window = new SendWindow(1);
    const feed = new Feed();
    const pump = bench.pump(feed.items());
    pump.run();
    bench.hasRoom = false;
    feed.end();
    await settle();
    expect(bench.told).toEqual(["ended"]);
  });
});

describe("while the last item still goes out in pieces", () => {
  async function holding(): Promise<{
    bench: Bench;
    feed: Feed;
    pump: ItemPump;
  }> {
    const bench = new Bench();
    const feed = new Feed();
    const pump = bench.pump(feed.items());
    bench.onItem = () => {
      bench.holds = true;
    };
    pump.run();
    feed.give("long");
    await settle();
    expect(bench.sent).toEqual(["long"]);
    expect(bench.parked).toEqual(["holding"]);
    expect(feed.pulls).toBe(1);
    return { bench, feed, pump };
  }

  test("the source is not asked for the next one", async () => {
    const { bench, feed, pump } = await holding();
    pump.run();
    await settle();
    expect(feed.pulls).toBe(1);
    bench.holds = false;
    feed.give("next");
    pump.run();
    await settle();
    expect(bench.sent).toEqual(["long", "next"]);
  });

  test.each([
    ["end", "ended"],
    ["error", thrown],
  ])("the %s waits", async (how, told) => {
    const { bench, feed, pump } = await holding();
    bench.holds = false;
    pump.run();
    await settle();
    // Asked, and now another piece is to go.
    bench.holds = true;
    if (how === "end") feed.end();
    else feed.fail(thrown);
    await settle();
    expect(bench.told).toEqual([]);
    expect(bench.parked).toEqual(["holding", "holding"]);
    bench.holds = false;
    pump.run();
    expect(bench.told).toEqual([told]);
  });
});

describe("turns", () => {
  function endless(): { pulls(): number; items: AsyncIterable<unknown> } {
    let pulls = 0;
    const next = () => ({ done: false, value: pulls++ });
    return { pulls: () => pulls, items: sourceOf({ next }) };
  }

  test("256 items go out before all else that waits has its turn", async () => {
    const bench = new Bench();
    const { items, pulls } = endless();
    const pump = bench.pump(items);
    const atTurns: number[] = [];
    pump.run();
    for (let turn = 0; turn < 3; turn++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      atTurns.push(pulls());
    }
    await pump.stop();
    expect(atTurns).toEqual([256, 512, 768]);
  });

  test("one that was stopped meanwhile does not go on", async () => {
    const bench = new Bench();
    const { items, pulls } = endless();
    const pump = bench.pump(items);
    bench.onItem = (item) => {
      if (item === 255) queueMicrotask(() => void pump.stop());
    };
    pump.run();
    await settle();
    expect(pulls()).toBe(256);
    expect(bench.told).toEqual([]);
  });
});

describe("stop", () => {
  test("ends the source, and resolves when that has ended; nothing is told", async () => {
    const bench = new Bench();
    const feed = new Feed();
    feed.give("a");
    const pump = bench.pump(feed.items());
    pump.run();
    await settle();
    let isStopped = false;
    void pump.stop().then(() => (isStopped = true));
    await settle();
    expect(isStopped).toBe(false);
    feed.give("too late");
    await settle();
    expect(isStopped).toBe(true);
    expect(feed.ends).toBe(1);
    expect(bench.sent).toEqual(["a"]);
    expect(bench.told).toEqual([]);
    expect(bench.parked).toEqual(["unparked"]);
    expect(bench.droppedItems).toBe(1);
  });

  test("of a source that never yields, and can be ended, ends it at once", async () => {
    const bench = new Bench();
    let returns = 0;
    const pump = bench.pump(
      sourceOf({
        next: () => new Promise(() => {}),
        return: () => ({ done: returns++ }),
      }),
    );
    pump.run();
    await pump.stop();
    expect(returns).toBe(1);
    expect(bench.told).toEqual([]);
  });

  test("of one that has not begun never asks it", async () => {
    const bench = new Bench();
    const feed = new Feed();
    const pump = bench.pump(feed.items());
    await pump.stop();
    pump.run();
    await settle();
    expect(feed.pulls).toBe(0);
  });

  test("of one that holds an item lets go of it", async () => {
    const bench = new Bench();
    const feed = new Feed();
    const pump = bench.pump(feed.items());
    pump.run();
    bench.hasRoom = false;
    feed.give("held");
    await settle();
    await pump.stop();
    bench.hasRoom = true;
    pump.run();
    await settle();
    expect(bench.sent).toEqual([]);
    expect(feed.ends).toBe(1);
  });

  test.each([
    ["throws", throwing(thrown)],
    ["rejects", () => Promise.reject(thrown)],
  ])("rejects with what the end of the source %s", async (_, end) => {
    const bench = new Bench();
    const next = () => new Promise(() => {});
    const pump = bench.pump(sourceOf({ next, return: end }));
    pump.run();
    const reason = await pump.stop().catch((error: unknown) => error);
    expect(reason).toBe(thrown);
    expect(bench.told).toEqual([]);
  });

  test.each([
    ["a result", (feed: Feed) => feed.give("late")],
    ["a failure", (feed: Feed) => feed.fail(thrown)],
    ["an end", (feed: Feed) => feed.end()],
  ])("%s that comes later is dropped", async (_, happen) => {
    const bench = new Bench();
    const feed = new Feed();
    const pump = bench.pump(feed.items());
    pump.run();
    await settle();
    const stopped = pump.stop();
    happen(feed);
    await stopped.catch(() => {});
    await settle();
    expect(bench.sent).toEqual([]);
    expect(bench.told).toEqual([]);
  });

  test("twice waits for one end, and asks for one", async () => {
    const bench = new Bench();
    const { promise, resolve } = Promise.withResolvers<unknown>();
    let returns = 0;
    const pump = bench.pump(
      sourceOf({
        next: () => new Promise(() => {}),
        return: () => {
          returns++;
          return promise;
        },
      }),
    );
    pump.run();
    let stops = 0;
    for (let time = 0; time < 2; time++) void pump.stop().then(() => stops++);
    await settle();
    expect([returns, stops]).toEqual([1, 0]);
    resolve({ done: true });
    await settle();
    expect(stops).toBe(2);
  });

  test("after the end is nothing", async () => {
    const bench = new Bench();
    let returns = 0;
    const pump = bench.pump(
      sourceOf({
        next: () => ({ done: true }),
        return: () => void returns++,
      }),
    );
    pump.run();
    await settle();
    await pump.stop();
    expect(returns).toBe(0);
    expect(bench.droppedItems).toBe(0);
  });
});
