import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { settle } from "../support/manual-clock.ts";
import { Feed } from "./feed.ts";
import { Reading } from "./reading.ts";
import { expectNothingLeft, oneEnd, twoEnds } from "./two-ends.ts";

const failure = new RpcError("not_found", "no such thing", {
  details: { id: 7 },
});

/** Lets everything go on until `holds` does. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await settle();
}

async function* generate(items: number): AsyncGenerator<number> {
  for (let item = 0; item < items; item++) yield item;
}

describe("a reply that is a stream", () => {
  test("comes item by item, in order, to its end", async () => {
    const ends = twoEnds();
    const call = ends.dial.call("feed", "args");
    await settle();
    const reading = call.read();
    const [feed] = ends.accept.foo.feeds;
    expect(feed?.args).toBe("args");
    feed?.give("a", undefined, new Map([["b", 1n]]));
    await settle();
    expect(reading.items).toEqual(["a", undefined, new Map([["b", 1n]])]);
    expect(reading.end).toBe(undefined);
    feed?.end();
    await settle();
    expect(reading.end).toBe("done");
    expect(call.outcomes).toHaveLength(1);
    await expectNothingLeft(ends);
  });

  test("has begun before its first item, and may have none", async () => {
    const ends = twoEnds();
    const call = ends.dial.call("count", 0);
    await settle();
    const reading = call.read();
    await settle();
    expect(reading).toMatchObject({ items: [], end: "done" });
    await expectNothingLeft(ends);
  });

  test("of which an item follows in pieces comes whole, and what is behind that waits", async () => {
    const ends = twoEnds({ capacityBytes: 10_000 });
    const call = ends.dial.call("feed");
    await settle();
    const reading = call.read();
    const [feed] = ends.accept.foo.feeds;
    const items = ["x".repeat(300_000), "small", "y".repeat(200_000)];
    feed?.give(...items);
    feed?.fail(failure);
    await until(() => reading.end !== undefined);
    expect(reading.items).toEqual(items);
    expect(reading.end).toMatchObject({
      code: "not_found",
      details: { id: 7 },
    });
    await expectNothingLeft(ends);
  });

  test("that fails does so behind the items that came before", async () => {
    const ends = twoEnds();
    const call = ends.dial.call("feed");
    await settle();
    const [feed] = ends.accept.foo.feeds;
    feed?.give(1, 2, 3);
    feed?.fail(failure);
    await settle();
    // Nobody has read yet.
    expect(ends.dial.session.inFlightCount).toBe(0);
    const reading = call.read();
    await settle();
    expect(reading.items).toEqual([1, 2, 3]);
    expect(reading.end).toMatchObject({ code: "not_found" });
    expect(call.outcomes).toHaveLength(1);
    await expectNothingLeft(ends);
  });

  test("with an item that cannot be sent is internal, behind those in front, and its source is ended", async () => {
    const ends = twoEnds();
    const call = ends.dial.call("feed");
    await settle();
    const reading = call.read();
    const [feed] = ends.accept.foo.feeds;
    feed?.give("good", () => {}, "never");
    await settle();
    expect(reading.items).toEqual(["good"]);
    expect(reading.code).toBe("internal");
    expect(feed?.ends).toBe(1);
    await expectNothingLeft(ends);
  });

  test("with one over the limit is resource_exhausted", async () => {
    const ends = twoEnds({ accept: { limits: { maxMessageBytes: 1_000 } } });
    const call = ends.dial.call("feed");
    await settle();
    const reading = call.read();
    ends.accept.foo.feeds[0]?.give("x".repeat(900), "x".repeat(1_100));
    await settle();
    expect(reading.items).toEqual(["x".repeat(900)]);
    expect(reading.code).toBe("resource_exhausted");
    await expectNothingLeft(ends);
  });

  test("is told as a promise of it, which can be looped over", async () => {
    const ends = twoEnds();
    const promise = ends.dial.calls.call("Foo.count", 3);
    const reading = new Reading((await promise) as AsyncIterable<unknown>);
    await settle();
    expect(reading).toMatchObject({ items: [0, 1, 2], end: "done" });
    await expectNothingLeft(ends);
  });

  test("of 100,000 items comes whole", async () => {
    const ends = twoEnds();
    const call = ends.dial.call("count", 100_000);
    await settle();
    const reading = call.read();
    await until(() => reading.end !== undefined);
    expect(reading.items).toHaveLength(100_000);
    expect(reading.items.every((item, at) => item === at)).toBe(true);
    await expectNothingLeft(ends);
  });
});

describe("an argument that is a stream", () => {
  test("comes item by item; its end is the handler's", async () => {
    const ends = twoEnds();
    const feed = new Feed();
    const call = ends.dial.call("collect", feed.items());
    feed.give("a", "b");
    await settle();
    expect(call.isOver).toBe(false);
    expect(feed.pulls).toBe(3);
    feed.give("c");
    feed.end();
    await settle();
    expect(call.reply).toEqual(["a", "b", "c"]);
    expect(feed.ends).toBe(1);
    await expectNothingLeft(ends);
  });

  test("without items is an end", async () => {
    const ends = twoEnds();
    const call = ends.dial.call("collect", generate(0));
    await settle();
    expect(call.reply).toEqual([]);
    await expectNothingLeft(ends);
  });

  test("of 100,000 items comes whole", async () => {
    const ends = twoEnds();
    const call = ends.dial.call("collect", generate(100_000));
    await until(() => call.isOver);
    expect(call.reply).toEqual(Array.from({ length: 100_000 }, (_, at) => at));
    await expectNothingLeft(ends);
  });

  test("is ended when the handler answers before it has read all of it", async () => {
    const ends = twoEnds();
    const feed = new Feed();
    const call = ends.dial.call("hold", feed.items());
    feed.give(1, 2, 3);
    await settle();
    const [held] = ends.accept.foo.held;
    const items = held?.args as AsyncIterator<unknown>;
    expect(await items.next()).toEqual({ done: false, value: 1 });
    held?.resolve("enough");
    await settle();
    expect(call.reply).toBe("enough");
    // Its source waits for an item: it ends as soon as it goes on.
    feed.give("too late");
    await settle();
    expect(feed.ends).toBe(1);
    // Who reads on gets the reason.
    const late = await items.next().catch((thrown: unknown) => thrown);
    expect(late).toMatchObject({ code: "cancelled" });
    await expectNothingLeft(ends);
  });

  test("is ended when the handler fails, and when there is none", async () => {
    for (const method of ["fail", "nope"]) {
      const ends = twoEnds();
      const feed = new Feed();
      const call = ends.dial.call(method, feed.items());
      feed.give(1, 2, 3);
      await settle();
      expect(call.error?.code).toBe(
        method === "fail" ? "unknown" : "unimplemented",
      );
      feed.cut();
      await settle();
      expect(feed.ends).toBe(1);
      await expectNothingLeft(ends);
    }
  });

  test("whose source throws fails the call with that, and the handler is told", async () => {
    const ends = twoEnds();
    const feed = new Feed();
    const call = ends.dial.call("hold", feed.items());
    feed.give(1);
    feed.fail(failure);
    await settle();
    expect(call.outcomes).toEqual([{ error: failure }]);
    const [held] = ends.accept.foo.held;
    expect(held?.context.signal.reason).toMatchObject({ code: "cancelled" });
    const reading = new Reading(held?.args as AsyncIterable<unknown>);
    held?.resolve("nobody waits");
    await settle();
    expect(reading.code).toBe("cancelled");
    await expectNothingLeft(ends);
  });

  test("that cannot even begin fails the call with what it threw, and no handler starts", async () => {
    const ends = twoEnds();
    const thrown = new TypeError("odd");
    const call = ends.dial.call("collect", {
      [Symbol.asyncIterator]: () => {
        throw thrown;
      },
    });
    await settle();
    expect(call.error).toMatchObject({ code: "unknown", cause: thrown });
    expect(ends.accept.foo.started).toEqual([]);
    await expectNothingLeft(ends);
  });

  test("with an item that cannot be sent is invalid_argument, and its source is ended", async () => {
    const ends = twoEnds();
    const feed = new Feed();
    const call = ends.dial.call("collect", feed.items());
    feed.give("good", () => {}, "never");
    await settle();
    expect(call.error).toMatchObject({ code: "invalid_argument" });
    expect(feed.ends).toBe(1);
    await expectNothingLeft(ends);
  });

  test("is refused where no answer is wanted, and its source is not asked", async () => {
    const ends = twoEnds();
    const feed = new Feed();
    expect(() => ends.dial.session.notify("Foo.collect", feed.items())).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
    await settle();
    expect(feed.pulls).toBe(0);
    await expectNothingLeft(ends);
  });

  test("waits for the peer's settings, and its call with it", async () => {
    const { end, peer } = oneEnd("dial", { isSilent: true });
    const feed = new Feed();
    feed.give("a");
    end.call("collect", feed.items());
    await settle();
    expect(feed.pulls).toBe(0);
    peer.say((codec, out) =>
      codec.writeSettings(out, { protocol: 1, maxMessageBytes: 1_000 }),
    );
    expect(await peer.heard()).toMatchObject([
      { kind: "request", head: { isStream: true } },
      { kind: "item", seq: 1, isAnswer: false, item: "a" },
    ]);
  });
});

describe("both", () => {
  test("go on side by side, each at its own pace", async () => {
    const ends = twoEnds();
    const feed = new Feed();
    const call = ends.dial.call("mirror", feed.items());
    await settle();
    const reading = call.read();
    for (const item of ["a", "b", "c"]) {
      feed.give(item);
      await settle();
      expect(reading.items.at(-1)).toBe(item);
    }
    expect(reading.end).toBe(undefined);
    feed.end();
    await settle();
    expect(reading).toMatchObject({ items: ["a", "b", "c"], end: "done" });
    await expectNothingLeft(ends);
  });

  test("the argument may end first: the reply goes on", async () => {
    const ends = twoEnds();
    const call = ends.dial.call("feed", generate(3));
    await settle();
    const reading = call.read();
    const [feed] = ends.accept.foo.feeds;
    const received = new Reading(feed?.args as AsyncIterable<unknown>);
    await settle();
    expect(received).toMatchObject({ items: [0, 1, 2], end: "done" });
    feed?.give("behind");
    feed?.end();
    await settle();
    expect(reading).toMatchObject({ items: ["behind"], end: "done" });
    await expectNothingLeft(ends);
  });

  test("where the reply ends first the caller stops sending", async () => {
    const ends = twoEnds();
    const source = new Feed();
    const call = ends.dial.call("feed", source.items());
    source.give(1, 2);
    await settle();
    const reading = call.read();
    ends.accept.foo.feeds[0]?.end();
    await settle();
    expect(reading.end).toBe("done");
    source.give("too late");
    await settle();
    expect(source.ends).toBe(1);
    await expectNothingLeft(ends);
  });

  test("of a call that fails end with it", async () => {
    const ends = twoEnds();
    const source = new Feed();
    const call = ends.dial.call("feed", source.items());
    source.give(1, 2);
    await settle();
    const reading = call.read();
    const [feed] = ends.accept.foo.feeds;
    feed?.fail(failure);
    await settle();
    source.give("too late");
    await settle();
    expect(reading.code).toBe("not_found");
    expect(source.ends).toBe(1);
    const received = new Reading(feed?.args as AsyncIterable<unknown>);
    await settle();
    expect(received.code).toBe("cancelled");
    await expectNothingLeft(ends);
  });

  test("in both directions of a connection at once, nothing is mixed", async () => {
    const ends = twoEnds({ capacityBytes: 3_000 });
    const calls = [ends.dial, ends.accept].flatMap((end, at) =>
      Array.from({ length: 10 }, (_, stream) =>
        end.call(
          "mirror",
          (async function* () {
            for (let item = 0; item < 300; item++) yield [at, stream, item];
          })(),
        ),
      ),
    );
    await settle();
    const readings = calls.map((call) => call.read());
    await until(() => readings.every(({ end }) => end !== undefined));
    for (const [at, { items, end }] of readings.entries()) {
      expect(end).toBe("done");
      expect(items).toEqual(
        Array.from({ length: 300 }, (_, item) => [
          Math.trunc(at / 10),
          at % 10,
          item,
        ]),
      );
    }
    await expectNothingLeft(ends);
  });
});

test("calls go on beside a stream that nobody reads, in either direction", async () => {
  const ends = twoEnds();
  const endless = (async function* () {
    for (;;) yield "x".repeat(10_000);
  })();
  ends.dial.call("count", 1e9);
  ends.dial.call("hold", endless);
  await settle();
  for (let turn = 0; turn < 5; turn++) {
    const calls = [
      ends.dial.call("echo", turn),
      ends.accept.call("echo", turn),
      ends.dial.call("text", 300_000),
    ];
    await settle();
    for (const call of calls) expect(call.error).toBe(undefined);
    expect(calls.every(({ isOver }) => isOver)).toBe(true);
  }
});
