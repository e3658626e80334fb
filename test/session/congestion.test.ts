import { describe, expect, test } from "bun:test";
import { jsonCodecType } from "../../src/codec/table.ts";
import { settle } from "../support/manual-clock.ts";
import { headOf, oneEnd, type RawPeer, twoEnds } from "./two-ends.ts";

describe("an accepting end whose answers are not taken", () => {
  const options = {
    capacityBytes: 100_000,
    limits: { maxQueuedBytes: 10_000 },
  };
  /** Answers that fit into what may be queued, and a few that are on their way. */
  const enough = 120;

  test("stops starting handlers inside the chunk, and goes on when there is room", async () => {
    const { far, end, peer } = oneEnd("accept", options);
    await peer.heard();
    far.pause();
    peer.say((codec, out) => {
      for (let seq = 1; seq <= 300; seq++) {
        codec.writeRequest(out, headOf(seq, "text"), 1_000);
      }
    });
    await settle();
    const { started } = end.foo;
    expect(started.length).toBeGreaterThan(90);
    expect(started.length).toBeLessThan(enough);
    far.resume();
    const heard = await peer.heard();
    expect(started).toHaveLength(300);
    expect(heard.map((told) => (told as { seq: number }).seq)).toEqual(
      Array.from({ length: 300 }, (_, at) => at + 1),
    );
  });

  test("stops reading, and reads on when there is room", async () => {
    const { near, far, end, peer } = oneEnd("accept", options);
    const paused: boolean[] = [];
    const { pause, resume } = near;
    near.pause = () => {
      paused.push(true);
      pause.call(near);
    };
    near.resume = () => {
      paused.push(false);
      resume.call(near);
    };
    await peer.heard();
    far.pause();
    for (let seq = 1; seq <= 300; seq++) peer.request(seq, "text", 1_000);
    await settle();
    expect(end.foo.started.length).toBeLessThan(enough);
    expect(paused).toEqual([true]);
    far.resume();
    expect(await peer.heard()).toHaveLength(300);
    expect(paused.at(-1)).toBe(false);
  });

  test("cuts a peer that takes nothing for too long", async () => {
    const { clock, far, end, peer } = oneEnd("accept", options);
    await peer.heard();
    far.pause();
    peer.request(1, "hold");
    for (let seq = 2; seq <= 200; seq++) peer.request(seq, "text", 1_000);
    await clock.advance(9_999);
    expect(end.isClosed).toBe(false);
    await clock.advance(1);
    expect(end.isClosed).toBe(true);
    expect(end.events).toMatchObject([{ kind: "connection-cut" }]);
    expect(end.foo.held[0]?.context.signal.aborted).toBe(true);
    expect(clock.timers).toBe(0);
  });
});

describe("a dialling end whose requests are not taken", () => {
  const options = { capacityBytes: 1_000, limits: { maxQueuedBytes: 10_000 } };

  test("lets its next calls wait, then sends them in order", async () => {
    const { far, dial, accept } = twoEnds(options);
    await settle();
    far.pause();
    const texts = Array.from({ length: 30 }, (_, at) => `${at}`.repeat(1_000));
    const calls = texts.map((text) => dial.call("echo", text));
    await settle();
    expect(accept.foo.started).toEqual([]);
    far.resume();
    await settle();
    expect(accept.foo.started).toEqual(texts);
    expect(calls.map(({ reply }) => reply)).toEqual(texts);
  });

  test("expires them where they wait: they are never sent", async () => {
    const { clock, far, dial, accept } = twoEnds(options);
    await settle();
    far.pause();
    const first = dial.call("echo", "x".repeat(20_000));
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = [
      dial.call("echo", "expires", { timeoutMs: 50 }),
      dial.call("echo", "cancelled", { signal }),
      dial.call("echo", "stays"),
    ];
    await clock.advance(50);
    controller.abort();
    expect(waiting[0]?.error).toMatchObject({ code: "deadline_exceeded" });
    expect(waiting[1]?.error).toMatchObject({ code: "cancelled" });
    far.resume();
    await settle();
    expect(first.reply).toHaveLength(20_000);
    expect(waiting[2]?.reply).toBe("stays");
    expect(accept.foo.started).toEqual(["x".repeat(20_000), "stays"]);
  });

  test("goes on reading meanwhile", async () => {
    const { far, end, peer } = oneEnd("dial", options);
    await peer.heard();
    const early = end.call("hold", "early");
    await peer.heard();
    far.pause();
    end.call("echo", "x".repeat(20_000));
    await settle();
    peer.say((codec, out) => codec.writeResponse(out, 1, "Foo.hold", "read"));
    await settle();
    expect(early.reply).toBe("read");
  });
});

test("two ends that echo much through little room do not wait for each other", async () => {
  const { clock, dial, accept } = twoEnds({ capacityBytes: 8 * 1024 });
  const body = "e".repeat(64 * 1024);
  const calls = Array.from({ length: 256 }, (_, at) =>
    dial.call("echo", `${at}${body}`, { timeoutMs: 5_000 }),
  );
  while (calls.some(({ isOver }) => !isOver)) await settle();
  calls.forEach(({ reply }, at) => expect(reply).toBe(`${at}${body}`));
  expect(accept.foo.started).toHaveLength(256);
  expect(clock.now()).toBe(1_000);
});

describe("at the limit of running handlers", () => {
  test("a binary connection refuses and reads on, so that cancels get through", async () => {
    const { dial, accept } = twoEnds({
      accept: { limits: { maxRunningHandlers: 2 } },
    });
    const controller = new AbortController();
    dial.call("hold", 0, { signal: controller.signal });
    dial.call("hold");
    const refused = dial.call("hold");
    await settle();
    expect(refused.error).toMatchObject({
      code: "resource_exhausted",
      sent: false,
    });
    controller.abort();
    await settle();
    const [cancelled] = accept.foo.held;
    expect(cancelled?.context.signal.aborted).toBe(true);
    cancelled?.resolve(0);
    await settle();
    dial.call("hold");
    await settle();
    expect(accept.foo.held).toHaveLength(3);
  });

  test("a JSON connection stops reading, and refuses nothing", async () => {
    const { dial, accept } = twoEnds({
      codec: jsonCodecType,
      accept: { limits: { maxRunningHandlers: 2 } },
    });
    const calls = [1, 2, 3, 4].map((args) => dial.call("hold", args));
    await settle();
    expect(accept.foo.started).toEqual([1, 2]);
    dial.call("echo", "behind");
    await settle();
    expect(accept.foo.started).toEqual([1, 2]);
    for (let at = 0; at < 4; at++) {
      accept.foo.held[at]?.resolve(at);
      await settle();
    }
    expect(calls.map(({ reply }) => reply)).toEqual([0, 1, 2, 3]);
    expect(accept.foo.started).toEqual([1, 2, 3, 4, "behind"]);
  });
});

describe("a peer that asks on and on and does not read", () => {
  const limits = { maxQueuedBytes: 1_000, maxMessageBytes: 2_000 };

  for (const [what, method] of [
    ["unknown methods", "n".repeat(500)],
    ["real ones", "text"],
  ] as const) {
    test(`is cut by the dialling end: ${what}`, async () => {
      const { far, end, peer } = oneEnd("dial", {
        capacityBytes: 400_000,
        limits,
      });
      const call = end.call("hold");
      await peer.heard();
      far.pause();
      // The pipe takes 400,000 bytes; then the queue grows.
      peer.say((codec, out) => {
        for (let seq = 1; seq <= 3_000; seq++) {
          codec.writeRequest(out, headOf(seq, method), 500);
        }
      });
      await settle();
      expect(end.isClosed).toBe(true);
      expect(call.error).toMatchObject({
        code: "unavailable",
        cause: { code: "resource_exhausted" },
      });
      expect(end.events).toMatchObject([
        { kind: "connection-cut", error: { code: "resource_exhausted" } },
      ]);
      expect(end.foo.started.length).toBeLessThan(1_000);
    });
  }

  test("one whose requests meet a queue of this end's own calls is not", async () => {
    const { far, end, peer } = oneEnd("dial", { capacityBytes: 1_000, limits });
    await peer.heard();
    far.pause();
    for (let turn = 0; turn < 5; turn++) end.call("echo", "x".repeat(900));
    peer.request(1, "echo", "meanwhile");
    await settle();
    far.resume();
    expect(await peer.heard()).toContainEqual({
      kind: "response",
      seq: 1,
      reply: "meanwhile",
    });
    expect(end.events).toEqual([]);
  });
});

describe("a request that stops half-way", () => {
  const limits = { stallTimeoutMs: 100 };

  function sayHalf(peer: RawPeer, seq: number): void {
    peer.codec.writeRequest(peer.out, headOf(seq, "echo"), "x".repeat(100_000));
    peer.codec.writePiece(peer.out);
    peer.sendBytes(peer.out.pending());
    peer.out.clear();
  }

  test("is answered and forgotten, and the connection goes on", async () => {
    const { clock, end, peer } = oneEnd("accept", { limits });
    await peer.heard();
    sayHalf(peer, 1);
    await clock.advance(199);
    expect(await peer.heard()).toEqual([]);
    await clock.advance(1);
    expect(await peer.heard()).toMatchObject([
      { kind: "error", seq: 1, code: "deadline_exceeded" },
    ]);
    expect(clock.timers).toBe(0);
    peer.request(2, "echo", "on");
    expect(await peer.heard()).toMatchObject([{ seq: 2, reply: "on" }]);
    expect(end.foo.started).toEqual(["on"]);
  });

  test("goes on where its pieces come again in time", async () => {
    const { clock, end, peer } = oneEnd("accept", { limits });
    await peer.heard();
    sayHalf(peer, 1);
    await clock.advance(150);
    peer.say(() => {});
    await settle();
    expect(end.foo.started).toHaveLength(1);
    await clock.advance(1_000);
    expect(clock.timers).toBe(0);
  });

  test("has its time again once this end reads again", async () => {
    const { clock, far, end, peer } = oneEnd("accept", {
      capacityBytes: 200_000,
      limits: { stallTimeoutMs: 100, maxQueuedBytes: 1_000 },
    });
    await peer.heard();
    far.pause();
    peer.codec.writeRequest(peer.out, headOf(1, "text"), 900_000);
    sayHalf(peer, 2);
    // This end stops reading, and its peer takes the answer bit by bit.
    for (let turn = 0; turn < 3; turn++) {
      await clock.advance(90);
      expect(end.events).toEqual([]);
      far.resume();
      await Promise.resolve();
      far.pause();
    }
    far.resume();
    await peer.heard();
    await clock.advance(99);
    peer.say(() => {});
    await peer.heard();
    expect(end.foo.started).toEqual([900_000, "x".repeat(100_000)]);
  });

  test("leaves no timer behind when the connection ends", async () => {
    const { clock, far, peer } = oneEnd("accept", { limits });
    await peer.heard();
    sayHalf(peer, 1);
    await settle();
    expect(clock.timers).toBe(1);
    far.abort();
    expect(clock.timers).toBe(0);
  });
});
