import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { settle } from "../support/manual-clock.ts";
import { Feed } from "./feed.ts";
import { Reading } from "./reading.ts";
import { expectNothingLeft, headOf, oneEnd, twoEnds } from "./two-ends.ts";

const gone = new RpcError("unavailable", "the test ended it");

/** A signal that counts who listens. */
function countingSignal() {
  const controller = new AbortController();
  const { signal } = controller;
  const count = { listeners: 0 };
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: never) => {
    count.listeners++;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: never) => {
    count.listeners--;
    removeEventListener.apply(signal, args);
  };
  return { controller, signal, count };
}

describe("leaving a loop", () => {
  test("cancels the call, and the generator's finally runs", async () => {
    const ends = twoEnds();
    const { signal, count } = countingSignal();
    const call = ends.dial.call("count", 1e9, { signal });
    await settle();
    const reading = new Reading(call.reply as AsyncIterable<unknown>, 3);
    await settle();
    expect(reading).toMatchObject({ items: [0, 1, 2], end: "done" });
    await settle();
    expect(ends.accept.foo.endedCounts).toBe(1);
    expect(count.listeners).toBe(0);
    expect(call.outcomes).toHaveLength(1);
    await expectNothingLeft(ends);
  });

  test("before the first item, too", async () => {
    const ends = twoEnds();
    const call = ends.dial.call("feed");
    await settle();
    await (call.reply as AsyncIterator<unknown>).return?.();
    await settle();
    const [feed] = ends.accept.foo.feeds;
    expect(feed?.context?.signal.reason).toMatchObject({ code: "cancelled" });
    expect(feed?.ends).toBe(1);
    await expectNothingLeft(ends);
  });

  test("behind the end says nothing more", async () => {
    const { end, peer } = oneEnd("dial");
    const call = end.call("feed");
    peer.say((codec, out) => {
      codec.session?.writeStreamed(out, 1);
      codec.session?.writeItem(out, 1, true, "a");
      codec.session?.writeEnd(out, 1, true);
    });
    await peer.heard();
    await (call.reply as AsyncIterator<unknown>).return?.();
    expect(await peer.heard()).toEqual([]);
  });

  test("ends the source of the argument", async () => {
    const ends = twoEnds();
    const feed = new Feed();
    const call = ends.dial.call("mirror", feed.items());
    feed.give("a");
    await settle();
    const reading = new Reading(call.reply as AsyncIterable<unknown>, 1);
    await settle();
    expect(reading.items).toEqual(["a"]);
    feed.give("too late");
    await settle();
    expect(feed.ends).toBe(1);
    await expectNothingLeft(ends);
  });
});

describe("cancelling", () => {
  test("while the generator waits: its signal aborts, its finally runs, what was not read is dropped", async () => {
    const ends = twoEnds();
    const { controller, signal, count } = countingSignal();
    const call = ends.dial.call("feed", 0, { signal });
    await settle();
    const [feed] = ends.accept.foo.feeds;
    feed?.give("unread");
    await settle();
    controller.abort();
    const reading = call.read();
    await settle();
    expect(reading).toMatchObject({ items: [], code: "cancelled" });
    expect(feed?.context?.signal.aborted).toBe(true);
    expect(feed?.ends).toBe(1);
    expect(count.listeners).toBe(0);
    await expectNothingLeft(ends);
  });

  test("a reader that waits is told at once", async () => {
    const { dial } = twoEnds();
    const controller = new AbortController();
    const call = dial.call("feed", 0, { signal: controller.signal });
    await settle();
    const reading = call.read();
    await settle();
    controller.abort();
    await Promise.resolve();
    await settle();
    expect(reading.code).toBe("cancelled");
  });

  test("a source that never yields, and looks at no signal, is left alone: the call is over all the same", async () => {
    const { dial, accept } = twoEnds();
    const feed = new Feed();
    const controller = new AbortController();
    const call = dial.call("hold", feed.items(), {
      signal: controller.signal,
    });
    await settle();
    controller.abort();
    expect(call.error).toMatchObject({ code: "cancelled" });
    await settle();
    expect(feed.ends).toBe(0);
    expect(dial.session.inFlightCount).toBe(0);
    // The handler's argument is over, too.
    const [held] = accept.foo.held;
    const reading = new Reading(held?.args as AsyncIterable<unknown>);
    await settle();
    expect(reading.code).toBe("cancelled");
  });

  test("right behind its request nothing starts, and its argument is gone", async () => {
    const ends = twoEnds();
    const controller = new AbortController();
    const feed = new Feed();
    feed.give(1, 2, 3);
    ends.dial.call("collect", feed.items(), { signal: controller.signal });
    controller.abort();
    await settle();
    expect(ends.accept.foo.started).toEqual([]);
    await expectNothingLeft(ends);
  });

  test("of one that waits for its turn leaves nothing of its streams", async () => {
    const { end, peer } = oneEnd("accept", { limits: { maxStreams: 1 } });
    await peer.heard();
    peer.say((codec, out) => {
      const head = { ...headOf(1, "collect"), isStream: true };
      codec.writeRequest(out, head, undefined);
      codec.session?.writeItem(out, 1, false, "dropped");
      codec.writeCancel(out, 1);
      codec.writeRequest(out, { ...head, seq: 2 }, undefined);
      codec.session?.writeEnd(out, 2, false);
    });
    expect(await peer.heard()).toMatchObject([
      { kind: "response", seq: 2, reply: [] },
    ]);
    expect(end.foo.started).toEqual(["collect"]);
  });
});

describe("the deadline", () => {
  test("that was asked for is for the whole of it", async () => {
    const ends = twoEnds();
    const { signal, count } = countingSignal();
    const call = ends.dial.call("feed", 0, { timeoutMs: 100, signal });
    await settle();
    const reading = call.read();
    const [feed] = ends.accept.foo.feeds;
    feed?.give("a");
    await ends.clock.advance(99);
    expect(reading).toMatchObject({ items: ["a"], end: undefined });
    await ends.clock.advance(1);
    expect(reading.code).toBe("deadline_exceeded");
    expect(feed?.ends).toBe(1);
    expect(count.listeners).toBe(0);
    await expectNothingLeft(ends);
  });

  test("which is none is for its beginning, at both ends", async () => {
    const ends = twoEnds();
    const call = ends.dial.call("feed", 0, {
      timeoutMs: 100,
      isUntilReply: true,
    });
    await settle();
    const reading = call.read();
    const [feed] = ends.accept.foo.feeds;
    expect(feed?.context?.deadlineAt).toBe(undefined);
    await ends.clock.advance(1e6);
    feed?.give("late");
    feed?.end();
    await settle();
    expect(reading).toMatchObject({ items: ["late"], end: "done" });
    await expectNothingLeft(ends);
  });

  test("of its beginning holds until then", async () => {
    const ends = twoEnds();
    const options = { timeoutMs: 100, isUntilReply: true };
    const call = ends.dial.call("hold", 0, options);
    await ends.clock.advance(100);
    expect(call.error).toMatchObject({ code: "deadline_exceeded" });
    const [held] = ends.accept.foo.held;
    expect(held?.context.signal.aborted).toBe(true);
    held?.resolve(new Feed().items());
    await settle();
    await expectNothingLeft(ends);
  });

  test("of the method is for the whole of it, and says so behind its items", async () => {
    const ends = twoEnds({ methods: { feed: { timeoutMs: 100 } } });
    const call = ends.dial.call("feed");
    await settle();
    const reading = call.read();
    const [feed] = ends.accept.foo.feeds;
    feed?.give("a", "b");
    await ends.clock.advance(99);
    expect(reading.end).toBe(undefined);
    await ends.clock.advance(1);
    expect(reading).toMatchObject({
      items: ["a", "b"],
      code: "deadline_exceeded",
    });
    expect(ends.accept.events).toMatchObject([{ kind: "handler-timeout" }]);
    expect(feed?.ends).toBe(1);
    await expectNothingLeft(ends);
  });

  test("of the server is for its beginning", async () => {
    const ends = twoEnds({ accept: { handleTimeoutMs: 100 } });
    const call = ends.dial.call("feed");
    await settle();
    const reading = call.read();
    await ends.clock.advance(1e6);
    expect(reading.end).toBe(undefined);
    ends.accept.foo.feeds[0]?.end();
    await settle();
    expect(reading.end).toBe("done");
  });

  test("ends a call whose argument nobody reads", async () => {
    const ends = twoEnds();
    const endless = (async function* () {
      for (;;) yield "x".repeat(1_000);
    })();
    const call = ends.dial.call("hold", endless, { timeoutMs: 100 });
    await ends.clock.advance(100);
    expect(call.error).toMatchObject({ code: "deadline_exceeded" });
    ends.accept.foo.held[0]?.resolve("late");
    await settle();
    await expectNothingLeft(ends);
  });
});

describe("users' calls", () => {
  const options = { callTimeoutMs: 5_000 };

  test("wait for the default until the reply has begun", async () => {
    const ends = twoEnds(options);
    const promise = ends.dial.calls.call("Foo.feed", 0);
    const reading = new Reading((await promise) as AsyncIterable<unknown>);
    await ends.clock.advance(1e6);
    expect(reading.end).toBe(undefined);
    ends.accept.foo.feeds[0]?.end();
    await settle();
    expect(reading.end).toBe("done");
    const lone = ends.dial.calls.call("Foo.hold", 0).catch((error) => error);
    await ends.clock.advance(5_000);
    expect(await lone).toMatchObject({ code: "deadline_exceeded" });
    ends.accept.foo.held[0]?.resolve("late");
    await settle();
    await expectNothingLeft(ends);
  });

  test("wait for what they ask for until the end, or until the reply where they say so", async () => {
    const ends = twoEnds(options);
    const [whole, begun] = await Promise.all([
      ends.dial.calls.call("Foo.feed", 0, { timeoutMs: 10_000 }),
      ends.dial.calls.call("Foo.feed", 0, {
        timeoutMs: 10_000,
        timeoutUntil: "reply",
      }),
    ]);
    const readings = [whole, begun].map(
      (items) => new Reading(items as AsyncIterable<unknown>),
    );
    await ends.clock.advance(9_999);
    expect(readings.map(({ end }) => end)).toEqual([undefined, undefined]);
    await ends.clock.advance(1);
    expect(readings[0]?.code).toBe("deadline_exceeded");
    expect(readings[1]?.end).toBe(undefined);
  });

  test("wait for ever where the argument is a stream", async () => {
    const ends = twoEnds(options);
    const feed = new Feed();
    const promise = ends.dial.calls.call("Foo.collect", feed.items());
    await ends.clock.advance(1e6);
    feed.give("late");
    feed.end();
    expect(await promise).toEqual(["late"]);
  });
});

describe("a connection that is lost in the middle", () => {
  for (const side of ["dial", "accept"] as const) {
    test(`ends every call once and leaves nothing, seen from both ends (calls of the ${side}ing one)`, async () => {
      const ends = twoEnds();
      const near = ends[side];
      const far = side === "dial" ? ends.accept : ends.dial;
      const { signal, count } = countingSignal();
      const options = { signal, timeoutMs: 1e6 };
      const source = new Feed();
      const mirrored = new Feed();
      const calls = [
        near.call("feed", 0, options),
        near.call("hold", source.items(), options),
        near.call("mirror", mirrored.items(), options),
        near.call("hold", 0, options),
      ];
      source.give(1, 2);
      mirrored.give(3);
      await settle();
      far.foo.feeds[0]?.give("a");
      await settle();
      const [held] = far.foo.held;
      const received = new Reading(held?.args as AsyncIterable<unknown>);
      const readings = [calls[0], calls[2]].map((call) => call?.read());
      await settle();
      near.session.abort(gone);
      await settle();
      expect(readings.map((reading) => reading?.items)).toEqual([["a"], [3]]);
      expect(readings.map((reading) => reading?.code)).toEqual([
        "unavailable",
        "unavailable",
      ]);
      for (const { outcomes } of calls) expect(outcomes).toHaveLength(1);
      for (const call of [calls[1], calls[3]]) {
        expect(call?.error).toMatchObject({ code: "unavailable", sent: true });
      }
      expect(received.items).toEqual([1, 2]);
      expect(received.code).toBe("unavailable");
      expect(far.foo.feeds[0]?.ends).toBe(1);
      expect(count.listeners).toBe(0);
      source.give("too late");
      mirrored.give("too late");
      for (const { resolve } of far.foo.held) resolve("late");
      await settle();
      expect([source.ends, mirrored.ends]).toEqual([1, 1]);
      await expectNothingLeft(ends);
    });
  }

  test("leaves the items that have come for their reader", async () => {
    const ends = twoEnds();
    const call = ends.dial.call("feed");
    await settle();
    ends.accept.foo.feeds[0]?.give(1, 2, 3);
    await settle();
    ends.near.abort();
    const reading = call.read();
    await settle();
    expect(reading.items).toEqual([1, 2, 3]);
    expect(reading.code).toBe("unavailable");
  });

  test("in order: a session that is shut down takes back its streams, and the generators end", async () => {
    const ends = twoEnds();
    const call = ends.dial.call("feed");
    await settle();
    const reading = call.read();
    const closed = ends.dial.session.shutdown(gone);
    await settle();
    await closed;
    expect(reading.code).toBe("unavailable");
    expect(ends.accept.foo.feeds[0]?.ends).toBe(1);
    await expectNothingLeft(ends);
  });

  test("nothing more is granted to a peer that is gone", async () => {
    const { clock, end, far, peer } = oneEnd("dial", {
      limits: { streamWindowBytes: 1e6, connectionWindowBytes: 1_000 },
    });
    const call = end.call("feed");
    await peer.heard();
    peer.say((codec, out) => {
      codec.session?.writeStreamed(out, 1);
      for (let item = 0; item < 10; item++) {
        codec.session?.writeItem(out, 1, true, item);
      }
      codec.session?.writeGoaway(out, 1, gone);
      codec.session?.writeEnd(out, 1, true);
    });
    await settle();
    // It has ended, and waits for the peer to do the same.
    expect(peer.ear.ends).toBe(1);
    const reading = call.read();
    await settle();
    expect(reading.items).toHaveLength(10);
    expect(clock.timers).toBe(0);
    far.shutdown();
    await end.session.closed;
    expect(end.events).toEqual([]);
  });
});

describe("a call that is over, while its source has still to end", () => {
  async function ending() {
    const { clock, end, peer } = oneEnd("accept");
    await peer.heard();
    const head = { ...headOf(1, "hold", 100), isStream: true };
    peer.say((codec, out) => codec.writeRequest(out, head, undefined));
    await settle();
    // It looks at no signal.
    const feed = new Feed();
    end.foo.held[0]?.resolve(feed.items());
    await settle();
    expect(await peer.heard()).toMatchObject([{ kind: "streamed" }]);
    await clock.advance(100);
    expect(await peer.heard()).toMatchObject([
      { kind: "error", seq: 1, code: "deadline_exceeded" },
    ]);
    expect(end.runningCount).toBe(1);
    return { end, peer, feed, head };
  }

  test("says nothing to what was under way for it", async () => {
    const { end, peer, feed } = await ending();
    peer.say((codec, out) => {
      codec.session?.writeItem(out, 1, false, "late");
      codec.session?.writeCredit(out, 1, false, 64);
      codec.session?.writeEnd(out, 1, false);
      codec.writeCancel(out, 1);
    });
    expect(await peer.heard()).toEqual([]);
    feed.cut();
    await settle();
    expect(end.runningCount).toBe(0);
    expect(await peer.heard()).toEqual([]);
  });

  test("keeps its seq, for a call of which the answer is an error", async () => {
    const { end, peer, feed, head } = await ending();
    peer.say((codec, out) => codec.writeRequest(out, head, undefined));
    peer.request(1, "hold");
    expect(await peer.heard()).toMatchObject([
      { kind: "error", seq: 1, code: "internal" },
      { kind: "error", seq: 1, code: "internal" },
    ]);
    expect(end.foo.held).toHaveLength(1);
    feed.cut();
    await settle();
    peer.request(1, "echo", "free again");
    expect(await peer.heard()).toMatchObject([{ kind: "response", seq: 1 }]);
  });
});
