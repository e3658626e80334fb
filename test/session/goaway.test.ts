import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { settle } from "../support/manual-clock.ts";
import { Feed } from "./feed.ts";
import { Reading } from "./reading.ts";
import { expectNothingLeft, headOf, oneEnd, twoEnds } from "./two-ends.ts";

const draining = new RpcError("unavailable", "draining", { sent: false });

describe("who is told that the peer goes away", () => {
  test("loses the calls behind the last that was taken, as not sent; those in front finish", async () => {
    const { end, peer } = oneEnd("dial");
    const calls = ["a", "b", "c"].map((args) => end.call("hold", args));
    await peer.heard();
    peer.say((codec, out) => codec.session?.writeGoaway(out, 2, draining));
    await settle();
    expect(calls.map(({ isOver }) => isOver)).toEqual([false, false, true]);
    expect(calls[2]?.error).toMatchObject({ code: "unavailable", sent: false });
    expect(end.session.isAvailable).toBe(false);
    const late = end.call("echo");
    expect(late.error).toMatchObject({ code: "unavailable", sent: false });
    expect(() => end.session.notify("Foo.echo", 1)).toThrow(
      expect.objectContaining({ code: "unavailable", sent: false }),
    );
    peer.say((codec, out) => {
      codec.writeResponse(out, 2, "Foo.hold", "re b");
      codec.writeResponse(out, 3, "Foo.hold", "nobody's");
    });
    await settle();
    expect(calls[1]?.reply).toBe("re b");
    expect(end.session.lateReplies).toBe(1);
    expect(peer.ear.ends).toBe(0);
    peer.say((codec, out) => codec.writeResponse(out, 1, "Foo.hold", "re a"));
    await settle();
    expect(calls[0]?.reply).toBe("re a");
    // That was the last one: it ends, and has said nothing more.
    expect(await peer.heard()).toEqual([]);
    expect(peer.ear.ends).toBe(1);
    for (const { outcomes } of calls) expect(outcomes).toHaveLength(1);
  });

  test("lets those wait no longer that wait for room, and sends none of them", async () => {
    const { far, end, peer } = oneEnd("dial", {
      capacityBytes: 1_000,
      limits: { maxQueuedBytes: 2_000 },
    });
    await peer.heard();
    far.pause();
    const written = end.call("hold", "x".repeat(5_000));
    const waiting = end.call("hold", "waits");
    await settle();
    // Though its seq is in front.
    peer.say((codec, out) => codec.session?.writeGoaway(out, 9, draining));
    await settle();
    expect(waiting.error).toMatchObject({ code: "unavailable", sent: false });
    expect(written.isOver).toBe(false);
    far.resume();
    expect(await peer.heard()).toMatchObject([
      { kind: "request", head: { seq: 1 } },
    ]);
  });

  test("stops the sources of the arguments that are not taken", async () => {
    const { end, peer } = oneEnd("dial");
    const [taken, refused] = [new Feed(), new Feed()];
    end.call("collect", taken.items());
    const call = end.call("collect", refused.items());
    await peer.heard();
    peer.say((codec, out) => codec.session?.writeGoaway(out, 1, draining));
    await settle();
    expect(call.error).toMatchObject({ code: "unavailable", sent: false });
    refused.give("too late");
    taken.give("goes on");
    expect(await peer.heard()).toMatchObject([
      { kind: "item", seq: 1, item: "goes on" },
    ]);
    expect(refused.ends).toBe(1);
  });

  test("twice, has the last word count", async () => {
    const { end, peer } = oneEnd("dial");
    const calls = [1, 2, 3].map((args) => end.call("hold", args));
    await peer.heard();
    for (const lastSeq of [3, 1]) {
      peer.say((codec, out) =>
        codec.session?.writeGoaway(out, lastSeq, draining),
      );
      await settle();
    }
    expect(calls.map(({ isOver }) => isOver)).toEqual([false, true, true]);
  });

  test("without a call in flight ends at once", async () => {
    const { end, far, peer } = oneEnd("dial");
    peer.say((codec, out) => codec.session?.writeGoaway(out, 0, draining));
    await settle();
    expect(peer.ear.ends).toBe(1);
    far.shutdown();
    await end.session.closed;
  });

  test("still serves what the peer asks, and ends behind that", async () => {
    const { end, peer } = oneEnd("dial");
    peer.request(1, "hold", "from the server");
    await settle();
    peer.say((codec, out) => codec.session?.writeGoaway(out, 0, draining));
    await settle();
    expect(peer.ear.ends).toBe(0);
    end.foo.held[0]?.resolve("served");
    expect(await peer.heard()).toMatchObject([
      { kind: "response", seq: 1, reply: "served" },
    ]);
    expect(peer.ear.ends).toBe(1);
  });
});

describe("who goes away", () => {
  test("says so with the last request that it has taken, once", async () => {
    const { end, peer } = oneEnd("accept");
    await peer.heard();
    for (const seq of [1, 2, 7]) peer.request(seq, "hold", seq);
    await settle();
    void end.session.finish();
    void end.session.finish();
    expect(await peer.heard()).toMatchObject([
      { kind: "goaway", lastSeq: 7, code: "unavailable" },
    ]);
  });

  test("refuses each request that comes later, its stream as well, as not started", async () => {
    const { end, peer } = oneEnd("accept");
    await peer.heard();
    peer.request(1, "hold");
    await settle();
    void end.session.finish();
    await peer.heard();
    peer.request(2, "echo");
    peer.say((codec, out) => {
      const head = { ...headOf(3, "collect"), isStream: true };
      codec.writeRequest(out, head, undefined);
      codec.session?.writeItem(out, 3, false, "dropped");
      codec.session?.writeEnd(out, 3, false);
      codec.writeRequest(out, { ...headOf(4, "echo"), oneWay: true }, 1);
    });
    expect(await peer.heard()).toMatchObject([
      { kind: "error", seq: 2, code: "unavailable", error: { sent: false } },
      { kind: "error", seq: 3, code: "unavailable", error: { sent: false } },
    ]);
    expect(end.foo.started).toEqual([undefined]);
  });

  test("lets streams finish, in both directions, and its own calls, then ends", async () => {
    const ends = twoEnds();
    const source = new Feed();
    const download = ends.dial.call("feed");
    const upload = ends.dial.call("collect", source.items());
    const push = ends.accept.call("hold", "push");
    await settle();
    const reading = download.read();
    const finished = ends.accept.session.finish();
    const late = ends.dial.call("echo");
    await settle();
    expect(late.error).toMatchObject({ code: "unavailable", sent: false });
    source.give(1, 2);
    source.end();
    await settle();
    expect(upload.reply).toEqual([1, 2]);
    ends.dial.foo.held[0]?.resolve("pushed");
    await settle();
    expect(push.reply).toBe("pushed");
    expect(ends.accept.isClosed).toBe(false);
    const [feed] = ends.accept.foo.feeds;
    feed?.give("a", "x".repeat(300_000));
    feed?.end();
    await finished;
    await settle();
    expect(reading.items).toEqual(["a", "x".repeat(300_000)]);
    expect(reading.end).toBe("done");
    expect(ends.dial.isClosed).toBe(true);
    await expectNothingLeft(ends);
  });

  test("where a stream does not end in time, an abort ends it", async () => {
    const ends = twoEnds();
    const call = ends.dial.call("feed");
    await settle();
    const reading = call.read();
    void ends.accept.session.finish();
    await settle();
    expect(ends.accept.isClosed).toBe(false);
    ends.accept.session.abort(draining);
    await settle();
    expect(reading.code).toBe("unavailable");
    expect(ends.accept.foo.feeds[0]?.ends).toBe(1);
    await expectNothingLeft(ends);
  });

  test("a reader that leaves the last stream lets it end", async () => {
    const ends = twoEnds();
    const call = ends.dial.call("feed");
    await settle();
    const finished = ends.accept.session.finish();
    await (call.reply as AsyncIterator<unknown>).return?.();
    await finished;
    await settle();
    await expectNothingLeft(ends);
  });

  test("as the dialling end it finishes its calls, and takes no more of its server's", async () => {
    const ends = twoEnds();
    const call = ends.dial.call("hold");
    await settle();
    const finished = ends.dial.session.finish();
    const refused = ends.accept.call("echo");
    await settle();
    expect(refused.error).toMatchObject({ code: "unavailable", sent: false });
    ends.accept.foo.held[0]?.resolve("done");
    await finished;
    expect(call.reply).toBe("done");
    expect(ends.accept.isClosed).toBe(true);
  });
});

describe("calls back", () => {
  test("go on from who has gone away, while something runs", async () => {
    const ends = twoEnds();
    const call = ends.dial.call("hold", 1);
    await settle();
    const finished = ends.accept.session.finish();
    await settle();
    const [held] = ends.accept.foo.held;
    expect(held?.context.peer.isAvailable).toBe(true);
    const back = held?.context.peer.call("Foo.echo", "back");
    await settle();
    expect(await back).toBe("back");
    expect(ends.dial.session.isAvailable).toBe(false);
    held?.resolve("done");
    await finished;
    expect(call.reply).toBe("done");
    expect(held?.context.peer.isAvailable).toBe(false);
    await settle();
    await expectNothingLeft(ends);
  });

  test("do not begin once nothing runs, though answers still go out", async () => {
    const { far, end, peer } = oneEnd("accept", { capacityBytes: 1_000 });
    await peer.heard();
    far.pause();
    peer.request(1, "text", 200_000);
    await settle();
    void end.session.finish();
    await settle();
    expect(end.isClosed).toBe(false);
    const late = end.call("echo");
    expect(late.error).toMatchObject({ code: "unavailable", sent: false });
    far.resume();
    expect(await peer.heard()).toMatchObject([
      { kind: "goaway" },
      { kind: "response", seq: 1 },
      { kind: "error", seq: 0 },
    ]);
  });

  test("do not go to a dialling end that goes away, whose own go on until it ends", async () => {
    const ends = twoEnds();
    const call = ends.dial.call("hold", 1);
    await settle();
    const finished = ends.dial.session.finish();
    await settle();
    const [held] = ends.accept.foo.held;
    expect(held?.context.peer.isAvailable).toBe(false);
    const refused = ends.accept.call("echo");
    expect(refused.error).toMatchObject({ code: "unavailable", sent: false });
    const next = ends.dial.call("echo", 2);
    await settle();
    expect(next.reply).toBe(2);
    held?.resolve("done");
    await finished;
    expect(call.reply).toBe("done");
    await settle();
    await expectNothingLeft(ends);
  });

  test("an accepting end with nothing to do leaves the end to the dialling end that goes away", async () => {
    const { end, peer } = oneEnd("accept");
    await peer.heard();
    peer.say((codec, out) => codec.session?.writeGoaway(out, 0, draining));
    peer.request(1, "echo", "still asked");
    expect(await peer.heard()).toMatchObject([
      { kind: "response", seq: 1, reply: "still asked" },
    ]);
    expect(end.session.isAvailable).toBe(false);
    expect(peer.ear.ends).toBe(0);
    void end.session.finish();
    expect(await peer.heard()).toMatchObject([
      { kind: "goaway", lastSeq: 1 },
      { kind: "error", seq: 0 },
    ]);
  });
});

test("items that were read after the connection has ended are all there", async () => {
  const ends = twoEnds();
  const call = ends.dial.call("count", 500);
  await settle();
  await ends.accept.session.finish();
  await settle();
  expect(ends.dial.isClosed).toBe(true);
  const reading = new Reading(call.reply as AsyncIterable<unknown>);
  await settle();
  expect(reading.items).toHaveLength(500);
  expect(reading.end).toBe("done");
});
