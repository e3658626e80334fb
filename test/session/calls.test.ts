import { describe, expect, test } from "bun:test";
import { jsonCodecType } from "../../src/codec/table.ts";
import { RpcError } from "../../src/errors.ts";
import { settle } from "../support/manual-clock.ts";
import { headOf, oneEnd, StartedCall, twoEnds } from "./two-ends.ts";

const gone = new RpcError("unavailable", "the test ended it");

describe("calls and answers", () => {
  test("in whatever order the answers come, each finds its call", async () => {
    const { dial, accept } = twoEnds();
    const calls = ["a", "b", "c", "d"].map((args) => dial.call("hold", args));
    await settle();
    const { held } = accept.foo;
    for (const at of [2, 0, 3, 1]) held[at]?.resolve(`re ${held[at]?.args}`);
    await settle();
    expect(calls.map(({ reply }) => reply)).toEqual([
      "re a",
      "re b",
      "re c",
      "re d",
    ]);
    expect(dial.session.inFlightCount).toBe(0);
  });

  test("both ends call at once, with the same seqs, and nothing is mixed", async () => {
    const { dial, accept } = twoEnds();
    const near = [1, 2, 3].map((args) => dial.call("hold", `near ${args}`));
    const far = [1, 2, 3].map((args) => accept.call("echo", `far ${args}`));
    await settle();
    for (const { args, resolve } of accept.foo.held.reverse()) resolve(args);
    await settle();
    expect(near.map(({ reply }) => reply)).toEqual([
      "near 1",
      "near 2",
      "near 3",
    ]);
    expect(far.map(({ reply }) => reply)).toEqual(["far 1", "far 2", "far 3"]);
  });

  test("a handler knows who calls", async () => {
    const { far, dial, accept } = twoEnds();
    dial.call("hold");
    await settle();
    expect(accept.foo.held[0]?.context.peer.address).toBe(far.peer);
  });

  test("seq begins with 1 and counts each call of the connection", async () => {
    const { end, peer } = oneEnd("dial");
    end.call("echo", "a");
    end.session.notify("Foo.echo", "b");
    end.call("echo", "c");
    const heard = await peer.heard();
    expect(heard).toMatchObject([
      { kind: "request", head: { seq: 1, oneWay: false }, args: "a" },
      { kind: "request", head: { seq: 2, oneWay: true }, args: "b" },
      { kind: "request", head: { seq: 3, oneWay: false }, args: "c" },
    ]);
  });

  test("an answer to a seq that is none is dropped and counted", async () => {
    const { end, peer } = oneEnd("dial");
    const call = end.call("hold");
    peer.say((codec, out) => {
      codec.writeResponse(out, 7, "Foo.hold", "nobody's");
      codec.writeError(out, 8, "Foo.hold", gone);
      codec.writeResponse(out, 1, "Foo.hold", "mine");
      codec.writeResponse(out, 1, "Foo.hold", "again");
    });
    await settle();
    expect(call.outcomes).toEqual([{ reply: "mine" }]);
    expect(end.session.lateReplies).toBe(3);
    expect(end.session.isAvailable).toBe(true);
  });

  test("a handler's failure is the call's, and the connection goes on", async () => {
    const { dial } = twoEnds();
    const failed = dial.call("fail", "it is broken");
    const unknown = dial.call("nope");
    const after = dial.call("echo", "on");
    await settle();
    expect(failed.error).toMatchObject({
      code: "unknown",
      message: "it is broken",
    });
    expect(unknown.error).toMatchObject({ code: "unimplemented" });
    expect(after.reply).toBe("on");
  });

  test("a reply that cannot be encoded is internal", async () => {
    const { dial } = twoEnds();
    const call = dial.call("unsendable");
    const after = dial.call("echo", "on");
    await settle();
    expect(call.error).toMatchObject({ code: "internal" });
    expect(after.reply).toBe("on");
  });

  test("a reply over the limit is resource_exhausted", async () => {
    const { dial } = twoEnds({
      accept: { limits: { maxMessageBytes: 1_000 } },
    });
    const call = dial.call("text", 1_001);
    const fits = dial.call("text", 900);
    await settle();
    expect(call.error).toMatchObject({ code: "resource_exhausted" });
    expect(fits.reply).toBe("x".repeat(900));
  });

  test("an argument that cannot be encoded fails its call, of which nothing is sent", async () => {
    const { end, peer } = oneEnd("dial");
    const call = end.call("echo", () => {});
    end.call("echo", "fine");
    expect(call.error).toMatchObject({ code: "invalid_argument" });
    expect(await peer.heard()).toMatchObject([{ head: { seq: 2 } }]);
    expect(end.session.inFlightCount).toBe(1);
  });

  test("an argument that cannot be decoded is answered, and its handler does not start", async () => {
    const { end, peer } = oneEnd("accept", { codec: jsonCodecType });
    const request = (seq: number, body: string) =>
      `${JSON.stringify({ ServiceMethod: "Foo.echo", Seq: seq })}\n${body}\n`;
    peer.sendBytes(Buffer.from(request(1, "{no json") + request(2, "2")));
    expect(await peer.heard()).toMatchObject([
      { kind: "error", seq: 1, code: "invalid_argument" },
      { kind: "response", seq: 2, reply: 2 },
    ]);
    expect(end.foo.started).toEqual([2]);
  });
});

describe("deadlines", () => {
  test("a call without an answer ends at its deadline, and its handler's signal aborts", async () => {
    const { clock, dial, accept } = twoEnds();
    const call = dial.call("hold", 0, { timeoutMs: 100 });
    await clock.advance(99);
    expect(call.isOver).toBe(false);
    const { context } = accept.foo.held[0] ?? {};
    expect(context?.signal.aborted).toBe(false);
    await clock.advance(1);
    expect(call.error).toMatchObject({ code: "deadline_exceeded" });
    expect(context?.signal.aborted).toBe(true);
    expect(dial.session.inFlightCount).toBe(0);
  });

  test("one that is no whole number is told as one", async () => {
    const { clock, dial } = twoEnds();
    const call = dial.call("hold", 0, { timeoutMs: 99.97473200000002 });
    await clock.advance(100);
    expect(call.error?.message).toEndWith("within 100 ms");
  });

  test("what is left of it travels with the request", async () => {
    const { end, peer } = oneEnd("dial");
    end.call("echo", 1, { timeoutMs: 250 });
    end.call("echo", 2);
    end.call("echo", 3, { timeoutMs: 0.25 });
    const heard = (await peer.heard()) as { head: { timeoutMs: number } }[];
    expect(heard.map(({ head }) => head.timeoutMs)).toEqual([250, 0, 1]);
  });

  test("a request says when it was sent, in ms since the connection began", async () => {
    const { clock, end, peer } = oneEnd("dial");
    end.call("echo", 1);
    await clock.advance(1_500);
    end.call("echo", 2);
    const heard = (await peer.heard()) as { head: { sentAtMs: number } }[];
    expect(heard.map(({ head }) => head.sentAtMs)).toEqual([0, 1_500]);
  });

  test("each call has its own, and 0 is none", async () => {
    const { clock, dial } = twoEnds();
    const times = [30, 10, 0, 20];
    const calls = times.map((timeoutMs) => dial.call("hold", 0, { timeoutMs }));
    const over = [];
    for (let turn = 0; turn < 3; turn++) {
      await clock.advance(10);
      over.push(calls.map(({ isOver }) => isOver));
    }
    expect(over).toEqual([
      [false, true, false, false],
      [false, true, false, true],
      [true, true, false, true],
    ]);
    await clock.advance(1e9);
    expect(calls[2]?.isOver).toBe(false);
  });

  test("holds while the peer reads nothing, whether the call was written or waits", async () => {
    const { clock, far, dial, accept } = twoEnds({
      capacityBytes: 1_000,
      limits: { maxQueuedBytes: 10_000 },
    });
    await settle();
    far.pause();
    const big = "x".repeat(5_000);
    const calls = Array.from({ length: 6 }, () =>
      dial.call("echo", big, { timeoutMs: 100 }),
    );
    await clock.advance(100);
    for (const call of calls) {
      expect(call.error).toMatchObject({ code: "deadline_exceeded" });
    }
    expect(dial.session.inFlightCount).toBe(0);
    // Those that were written have been taken back behind their requests; those that waited were never sent.
    far.resume();
    await settle();
    expect(accept.foo.started.length).toBeGreaterThan(0);
    expect(accept.foo.started.length).toBeLessThan(calls.length);
    const after = dial.call("echo", "on");
    await settle();
    expect(after.reply).toBe("on");
  });

  test("a server's limit answers once, and drops the late result", async () => {
    const { clock, dial, accept } = twoEnds({
      accept: { handleTimeoutMs: 50 },
    });
    const call = dial.call("hold");
    await clock.advance(50);
    expect(call.error).toMatchObject({ code: "deadline_exceeded" });
    accept.foo.held[0]?.resolve("late");
    await settle();
    expect(call.outcomes).toHaveLength(1);
    expect(dial.session.lateReplies).toBe(0);
  });
});

describe("cancelling", () => {
  test("an abort ends the call at once and reaches the handler's signal", async () => {
    const { dial, accept } = twoEnds();
    const controller = new AbortController();
    const call = dial.call("hold", 0, { signal: controller.signal });
    await settle();
    controller.abort();
    expect(call.error).toMatchObject({ code: "cancelled" });
    await settle();
    const [held] = accept.foo.held;
    expect(held?.context.signal.reason).toMatchObject({ code: "cancelled" });
    held?.resolve("late");
    await settle();
    expect(call.outcomes).toHaveLength(1);
    expect(dial.session.lateReplies).toBe(0);
  });

  test("an answer that crosses it is dropped and counted", async () => {
    const { end, peer } = oneEnd("dial");
    const controller = new AbortController();
    const call = end.call("hold", 0, { signal: controller.signal });
    peer.say((codec, out) => codec.writeResponse(out, 1, "Foo.hold", "late"));
    controller.abort();
    await settle();
    expect(call.outcomes).toMatchObject([{ error: { code: "cancelled" } }]);
    expect(end.session.lateReplies).toBe(1);
  });

  test("right behind its request, in the same chunk, it never starts", async () => {
    const { dial, accept } = twoEnds();
    const controller = new AbortController();
    dial.call("hold", "taken back", { signal: controller.signal });
    dial.call("hold", "meant");
    controller.abort();
    await settle();
    expect(accept.foo.started).toEqual(["meant"]);
  });

  test("a signal is let go of when the call is over", async () => {
    const { dial } = twoEnds();
    const signal = new EventTarget() as AbortSignal;
    let listeners = 0;
    signal.addEventListener = () => void listeners++;
    signal.removeEventListener = () => void listeners--;
    dial.call("echo", 1, { signal });
    expect(listeners).toBe(1);
    await settle();
    expect(listeners).toBe(0);
    dial.call("hold", 1, { signal });
    dial.session.abort(gone);
    expect(listeners).toBe(0);
  });

  test("a codec without cancels sends none", async () => {
    const { clock, dial, accept } = twoEnds({ codec: jsonCodecType });
    const call = dial.call("hold", 0, { timeoutMs: 10 });
    await clock.advance(10);
    expect(call.error).toMatchObject({ code: "deadline_exceeded" });
    expect(accept.foo.held[0]?.context.signal.aborted).toBe(false);
    accept.foo.held[0]?.resolve("late");
    await settle();
    expect(dial.session.lateReplies).toBe(1);
    expect(dial.session.isAvailable).toBe(true);
  });
});

describe("notify", () => {
  test("runs the handler and is answered nothing, not even a failure", async () => {
    const { dial, accept } = twoEnds();
    dial.session.notify("Foo.echo", "one");
    dial.session.notify("Foo.fail", "two");
    dial.session.notify("Foo.nope", "three");
    await settle();
    expect(accept.foo.started).toEqual(["one"]);
    expect(dial.session.lateReplies).toBe(0);
    expect(dial.session.inFlightCount).toBe(0);
  });

  test("what is wrong is thrown at once", async () => {
    const { dial, far } = twoEnds({
      capacityBytes: 1_000,
      limits: { maxQueuedBytes: 2_000 },
    });
    const notify = (args: unknown) => () =>
      dial.session.notify("Foo.echo", args);
    const failing = (code: string) => expect.objectContaining({ code });
    expect(notify(() => {})).toThrow(failing("invalid_argument"));
    far.pause();
    notify("x".repeat(5_000))();
    await settle();
    expect(notify("one more")).toThrow(failing("resource_exhausted"));
    dial.session.abort(gone);
    expect(notify("late")).toThrow(
      expect.objectContaining({ code: "unavailable", sent: false }),
    );
    const json = twoEnds({ codec: jsonCodecType });
    expect(() => json.dial.session.notify("Foo.echo", 1)).toThrow(
      failing("unimplemented"),
    );
  });
});

describe("large bodies", () => {
  test("go in pieces, and a small call overtakes them, in both directions", async () => {
    // The memory of a pipe that holds less than the body: so its pieces wait.
    const { dial } = twoEnds({ capacityBytes: 32 * 1024 });
    const order: string[] = [];
    const watched = (name: string, method: string, args: unknown) => {
      const call = new StartedCall(`Foo.${method}`, args, 0, undefined);
      const { succeeded } = call;
      call.succeeded = (reply) => {
        order.push(name);
        succeeded.call(call, reply);
      };
      dial.session.start(call.pending);
      return call;
    };
    const upload = watched("upload", "echo", "u".repeat(1_000_000));
    watched("behind the upload", "echo", 1);
    await settle();
    expect(upload.reply).toBe("u".repeat(1_000_000));
    const download = watched("download", "text", 2_000_000);
    watched("behind the download", "echo", 2);
    await settle();
    expect(download.reply).toBe("x".repeat(2_000_000));
    expect(order).toEqual([
      "behind the upload",
      "upload",
      "behind the download",
      "download",
    ]);
  });

  test("one that is given up half-way is sent no further", async () => {
    const { far, dial, accept } = twoEnds({ capacityBytes: 32 * 1024 });
    await settle();
    far.pause();
    const controller = new AbortController();
    const call = dial.call("echo", "u".repeat(4_000_000), {
      signal: controller.signal,
    });
    await settle();
    controller.abort();
    expect(call.error).toMatchObject({ code: "cancelled" });
    far.resume();
    await settle();
    expect(accept.foo.started).toEqual([]);
    const after = dial.call("echo", "on");
    await settle();
    expect(after.reply).toBe("on");
  });
});

test("a request that waited longer than its time is answered, not started", async () => {
  const { clock, far, end, peer } = oneEnd("accept", {
    capacityBytes: 1_000_000,
    limits: { maxQueuedBytes: 1_000, stallTimeoutMs: 1e6 },
  });
  await peer.heard();
  far.pause();
  // The first answer fills the queue behind a pipe that nobody reads.
  peer.say((codec, out) => {
    codec.writeRequest(out, headOf(1, "text"), 3_000_000);
    codec.writeRequest(out, headOf(2, "echo", 100), "too late");
    codec.writeRequest(out, headOf(3, "echo", 1_000), "in time");
  });
  await clock.advance(500);
  expect(end.foo.started).toEqual([3_000_000]);
  far.resume();
  const heard = await peer.heard();
  expect(heard).toMatchObject([
    { kind: "response", seq: 1 },
    { kind: "error", seq: 2, code: "deadline_exceeded" },
    { kind: "response", seq: 3, reply: "in time" },
  ]);
  expect(end.foo.started).toEqual([3_000_000, "in time"]);
});
