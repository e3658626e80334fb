import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { defaultKeepAlive } from "../../src/session/keepalive.ts";
import { settle } from "../support/manual-clock.ts";
import { headOf, oneEnd, twoEnds } from "./two-ends.ts";

const { busyMs, idleMs, timeoutMs } = defaultKeepAlive;
const keepAlive = defaultKeepAlive;

/** One end whose peer says nothing any more, as if its machine had lost its power: its own kernel takes all. */
async function vanished(
  role: "dial" | "accept",
  begin: (set: ReturnType<typeof oneEnd>) => unknown,
) {
  const set = oneEnd(role, { keepAlive });
  await set.peer.heard();
  begin(set);
  await settle();
  set.near.write = (bytes) => bytes.length;
  return set;
}

describe("a peer that has vanished", () => {
  const cases: [
    what: string,
    silenceMs: number,
    role: "dial" | "accept",
    begin: (set: ReturnType<typeof oneEnd>) => unknown,
  ][] = [
    ["with a call in flight", busyMs, "dial", ({ end }) => end.call("hold")],
    [
      "with a stream that is read",
      busyMs,
      "dial",
      ({ end, peer }) => {
        end.call("feed");
        peer.say((codec, out) => codec.session?.writeStreamed(out, 1));
      },
    ],
    [
      "with a handler running",
      busyMs,
      "accept",
      ({ peer }) => peer.request(1, "hold"),
    ],
    [
      "with a stream that is sent",
      busyMs,
      "accept",
      ({ peer }) => peer.request(1, "feed"),
    ],
    ["while nothing runs", idleMs, "dial", () => {}],
    ["while nothing runs, seen by the server", idleMs, "accept", () => {}],
  ];
  test.each(cases)(
    "%s is found within %d ms, the timeout and a second",
    async (_, silenceMs, role, begin) => {
      const { clock, end } = await vanished(role, begin);
      await clock.advance(silenceMs + timeoutMs - 1);
      expect(end.isClosed).toBe(false);
      await clock.advance(1_001);
      expect(end.isClosed).toBe(true);
      expect(end.events).toMatchObject([
        { kind: "connection-cut", error: { code: "unavailable" } },
      ]);
      expect(end.session.inFlightCount).toBe(0);
      expect(clock.timers).toBe(0);
    },
  );

  test("fails its calls, as sent, and stops its handlers", async () => {
    const { clock, end } = await vanished("dial", ({ end: near, peer }) => {
      near.call("feed");
      peer.say((codec, out) => codec.session?.writeStreamed(out, 1));
      peer.request(1, "feed");
      peer.request(2, "hold");
    });
    const call = end.call("hold");
    await clock.advance(busyMs + timeoutMs + 1_000);
    expect(call.error).toMatchObject({ code: "unavailable", sent: true });
    const { held, feeds } = end.foo;
    expect(held[0]?.context.signal.aborted).toBe(true);
    expect(feeds[0]?.ends).toBe(1);
    held[0]?.resolve("late");
    await settle();
    expect(end.runningCount).toBe(0);
  });
});

test("one that answers pings is left alone, however long it is silent", async () => {
  const ends = twoEnds({ keepAlive });
  const call = ends.dial.call("hold");
  await ends.clock.advance(1e6);
  expect(call.isOver).toBe(false);
  ends.accept.foo.held[0]?.resolve("late");
  await settle();
  expect(call.reply).toBe("late");
  expect([...ends.dial.events, ...ends.accept.events]).toEqual([]);
});

test("a ping is answered with its number, and pings are sent when it is silent", async () => {
  const { clock, end, peer } = oneEnd("accept", { keepAlive });
  await peer.heard();
  peer.say((codec, out) => codec.session?.writePing(out, 2 ** 40));
  expect(await peer.heard()).toEqual([{ kind: "pong", number: 2 ** 40 }]);
  await clock.advance(idleMs + 500);
  expect(await peer.heard()).toMatchObject([{ kind: "ping" }]);
  peer.say((codec, out) => codec.session?.writePong(out, 0));
  await clock.advance(timeoutMs + 1_000);
  expect(end.isClosed).toBe(false);
});

test("a dialling end is not pinged before it has been accepted", async () => {
  const { clock, end, peer } = oneEnd("dial", { keepAlive, isSilent: true });
  await clock.advance(1e6);
  expect(await peer.heard()).toEqual([]);
  expect(end.isClosed).toBe(false);
  peer.say((codec, out) =>
    codec.writeSettings(out, { protocol: 1, maxMessageBytes: 1_000 }),
  );
  await clock.advance(idleMs + 500);
  expect(await peer.heard()).toMatchObject([{ kind: "ping" }]);
});

test("while this end has stopped reading, its peer is not late", async () => {
  const { clock, far, end, peer } = oneEnd("accept", {
    keepAlive,
    capacityBytes: 1_000,
    limits: { maxQueuedBytes: 2_000, stallTimeoutMs: 1e9 },
  });
  await peer.heard();
  far.pause();
  peer.request(1, "text", 5_000);
  await clock.advance(1e6);
  expect(end.isClosed).toBe(false);
  far.resume();
  // Bytes are taken again, which is life.
  await clock.advance(idleMs + timeoutMs - 1);
  expect(end.isClosed).toBe(false);
  await clock.advance(1_001);
  expect(end.isClosed).toBe(true);
});

test("while its kernel makes room it is not late, though it says nothing", async () => {
  const { clock, near, end, peer } = oneEnd("dial", { keepAlive });
  await peer.heard();
  near.write = (bytes) => Math.min(bytes.length, 100);
  const call = end.call("hold", "x".repeat(10_000));
  for (let turn = 0; turn < 10; turn++) {
    await clock.advance(4_000);
    end.session.drain();
  }
  expect(call.isOver).toBe(false);
  await clock.advance(busyMs + timeoutMs + 1_000);
  expect(call.error?.code).toBe("unavailable");
});

test("nobody is pinged behind the end of the connection, and no timer is left", async () => {
  const ends = twoEnds({ keepAlive });
  await settle();
  expect(ends.clock.timers).toBe(1);
  ends.dial.session.abort(new RpcError("unavailable", "gone"));
  await settle();
  expect(ends.clock.timers).toBe(0);
});

describe("what a request has waited on its way", () => {
  /** A request of 100 ms that says when it was sent. */
  const asking = (seq: number, sentAtMs: number) => ({
    ...headOf(seq, "hold", 100),
    sentAtMs,
  });

  test("is taken off its time", async () => {
    const { clock, end, peer } = oneEnd("accept");
    await peer.heard();
    peer.say((codec, out) => codec.writeRequest(out, asking(1, 5_000), 1));
    await settle();
    // 40 ms later it says 10 ms: 30 in a queue.
    await clock.advance(40);
    peer.say((codec, out) => codec.writeRequest(out, asking(2, 5_010), 2));
    await settle();
    const [first, second] = end.foo.held.map(({ context }) => context);
    expect(first?.deadlineAt).toBe(clock.now() - 40 + 100);
    // A millisecond less, since the sender cuts its own down.
    expect(second?.deadlineAt).toBe(clock.now() - 29 + 100);
  });

  test("may be all of it: it is answered and not started", async () => {
    const { clock, end, peer } = oneEnd("accept");
    await peer.heard();
    peer.say((codec, out) => codec.writeRequest(out, asking(1, 0), "fresh"));
    await clock.advance(101);
    peer.say((codec, out) => {
      codec.writeRequest(out, asking(2, 0), "late");
      const stream = { ...asking(3, 0), isStream: true };
      codec.writeRequest(out, stream, undefined);
      codec.session?.writeItem(out, 3, false, "late");
    });
    const heard = await peer.heard();
    expect(heard.slice(1)).toMatchObject([
      { seq: 2, code: "deadline_exceeded", error: { sent: false } },
      { seq: 3, code: "deadline_exceeded", error: { sent: false } },
    ]);
    expect(end.foo.started).toEqual(["fresh"]);
  });

  test("in the pipe between two sessions is seen", async () => {
    const { clock, far, dial, accept } = twoEnds();
    dial.call("hold", "fresh", { timeoutMs: 1_000 });
    await settle();
    far.pause();
    const call = dial.call("hold", "waits", { timeoutMs: 1_000 });
    await clock.advance(600);
    far.resume();
    await settle();
    const { deadlineAt } = accept.foo.held[1]?.context ?? {};
    expect(deadlineAt).toBe(clock.now() + 401);
    await clock.advance(400);
    expect(call.error?.code).toBe("deadline_exceeded");
  });
});
