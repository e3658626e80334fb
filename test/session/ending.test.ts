import { describe, expect, test } from "bun:test";
import { jsonCodecType } from "../../src/codec/table.ts";
import { RpcError } from "../../src/errors.ts";
import { encodeRefusal } from "../../src/wire/refusal.ts";
import { settle } from "../support/manual-clock.ts";
import { PipeEar } from "../support/pipe-ear.ts";
import { headOf, oneEnd, twoEnds } from "./two-ends.ts";

const gone = new RpcError("unavailable", "the test ended it");

/** Whether a promise has been fulfilled or rejected by now. */
async function stateOf(promise: Promise<unknown>) {
  let state = "pending";
  promise.then(
    () => (state = "fulfilled"),
    () => (state = "rejected"),
  );
  await settle();
  return state;
}

describe("the connection dies", () => {
  test("every call fails at once, and says whether it had been sent", async () => {
    const { clock, far, dial } = twoEnds({
      capacityBytes: 1_000,
      limits: { maxQueuedBytes: 4_000 },
    });
    await settle();
    const taken = dial.call("hold", "taken");
    await settle();
    far.pause();
    const begun = dial.call("echo", "x".repeat(2_000));
    await settle();
    const queued = dial.call("echo", "x".repeat(3_000));
    const waiting = dial.call("echo", "waiting", { timeoutMs: 50 });
    far.abort();
    const calls = [taken, begun, queued, waiting];
    for (const call of calls) expect(call.error?.code).toBe("unavailable");
    expect(calls.map(({ error }) => error?.sent)).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(dial.session.isAvailable).toBe(false);
    expect(dial.isClosed).toBe(true);
    expect(clock.timers).toBe(0);
    await clock.advance(1_000);
    for (const { outcomes } of calls) expect(outcomes).toHaveLength(1);
  });

  test("a call of the turn in which it dies was not sent", async () => {
    const { far, dial, accept } = twoEnds();
    await settle();
    const call = dial.call("echo", 1);
    far.abort();
    expect(call.error).toMatchObject({ code: "unavailable", sent: false });
    await settle();
    expect(accept.foo.started).toEqual([]);
  });

  test("handlers are told, and answer nobody", async () => {
    const { near, dial, accept } = twoEnds();
    dial.call("hold");
    await settle();
    const [held] = accept.foo.held;
    near.abort();
    expect(held?.context.signal.reason).toMatchObject({ code: "unavailable" });
    held?.resolve("late");
    await settle();
    expect(accept.isClosed).toBe(true);
    expect(await stateOf(accept.session.closed)).toBe("fulfilled");
  });

  test("a call that starts afterwards fails with sent: false, for the first reason", async () => {
    const { far, dial } = twoEnds();
    await settle();
    dial.session.abort(gone);
    far.abort();
    const call = dial.call("echo", 1);
    expect(call.error).toMatchObject({ code: "unavailable", sent: false });
    expect(call.error?.cause).toBe(gone);
  });
});

describe("the peer ends it", () => {
  test("calls in flight fail, and what is queued for it never arrives: sent is true to that", async () => {
    const { end, far, peer } = oneEnd("dial");
    const asked = end.call("hold", "asked");
    await peer.heard();
    far.shutdown();
    // Two turns of microtasks later the end has been read; this call is queued before that.
    const queued = end.call("hold", "queued");
    end.session.end();
    expect(asked.error).toMatchObject({ code: "unavailable", sent: true });
    expect(queued.error).toMatchObject({ code: "unavailable", sent: false });
    expect(await peer.heard()).toEqual([]);
    await peer.ear.until(() => peer.ear.closes.length > 0);
    expect(end.isClosed).toBe(true);
  });

  test("answers that are queued at an accepting end are still sent", async () => {
    const { far, peer } = oneEnd("accept", { capacityBytes: 1_000 });
    await peer.heard();
    far.pause();
    peer.request(1, "text", 5_000);
    await settle();
    far.shutdown();
    await settle();
    far.resume();
    expect(await peer.heard()).toMatchObject([{ kind: "response", seq: 1 }]);
    expect(peer.ear.closes).toEqual([undefined]);
  });

  test("in JSON a half-close behind the last request leaves its handler its answer", async () => {
    const { far, end, peer } = oneEnd("accept", { codec: jsonCodecType });
    peer.request(1, "hold");
    far.shutdown();
    await peer.heard();
    const [held] = end.foo.held;
    expect(held?.context.signal.aborted).toBe(false);
    expect(end.session.isAvailable).toBe(false);
    held?.resolve("answered");
    expect(await peer.heard()).toMatchObject([
      { kind: "response", seq: 1, reply: "answered" },
    ]);
    expect(peer.ear.closes).toEqual([undefined]);
    expect(end.isClosed).toBe(true);
  });

  test("in frames the peer's end stops what runs for it: its process may have died", async () => {
    const { far, end, peer } = oneEnd("accept");
    peer.request(1, "hold");
    far.shutdown();
    await peer.heard();
    expect(end.foo.held[0]?.context.signal.aborted).toBe(true);
    expect(peer.ear.closes).toEqual([undefined]);
    expect(end.isClosed).toBe(true);
  });

  test("after a half-close a reset still aborts what runs", async () => {
    const { far, end, peer } = oneEnd("accept", { codec: jsonCodecType });
    peer.request(1, "hold");
    far.shutdown();
    await settle();
    far.abort();
    expect(end.foo.held[0]?.context.signal.aborted).toBe(true);
    expect(end.isClosed).toBe(true);
  });

  test("after a half-close the callee's own calls fail at once", async () => {
    const { far, end } = oneEnd("accept");
    const call = end.call("echo", 1);
    await settle();
    far.shutdown();
    await settle();
    expect(call.error).toMatchObject({ code: "unavailable", sent: true });
    expect(end.isClosed).toBe(true);
  });
});

describe("shutdown", () => {
  test("sends what is queued, and calls that this includes count as sent", async () => {
    const { far, dial, accept } = twoEnds({
      capacityBytes: 1_000,
      limits: { maxQueuedBytes: 4_000 },
    });
    await settle();
    far.pause();
    const queued = dial.call("echo", "x".repeat(4_000));
    const waiting = dial.call("echo", "never encoded");
    const closed = dial.session.shutdown(gone);
    expect(queued.error).toMatchObject({ code: "unavailable", sent: true });
    expect(waiting.error).toMatchObject({ code: "unavailable", sent: false });
    far.resume();
    await closed;
    expect(accept.session.isAvailable).toBe(false);
  });

  test("takes back what the peer has, so that its handlers stop", async () => {
    const { dial, accept } = twoEnds();
    const call = dial.call("hold");
    await settle();
    const closed = dial.session.shutdown(gone);
    await settle();
    const [held] = accept.foo.held;
    expect(call.error).toMatchObject({ code: "unavailable", sent: true });
    expect(held?.context.signal.reason).toMatchObject({ code: "cancelled" });
    // Though it has not settled, nobody waits for it.
    await closed;
    expect(accept.isClosed).toBe(true);
  });

  test("what handlers answer afterwards is not sent, though the queue still is", async () => {
    const { far, end, peer } = oneEnd("accept", { capacityBytes: 1_000 });
    await peer.heard();
    peer.request(1, "hold");
    peer.request(2, "hold");
    await settle();
    far.pause();
    peer.request(3, "text", 5_000);
    await settle();
    const closed = end.session.shutdown(gone);
    end.foo.held[0]?.resolve("late");
    end.foo.held[1]?.reject(gone);
    await settle();
    far.resume();
    expect(await peer.heard()).toMatchObject([{ kind: "response", seq: 3 }]);
    far.shutdown();
    await closed;
  });

  test("in a codec that cannot take them back it resets after a second what the peer does not end", async () => {
    const { clock, dial, accept } = twoEnds({ codec: jsonCodecType });
    dial.call("hold");
    await settle();
    const closed = dial.session.shutdown(gone);
    await clock.advance(999);
    expect(await stateOf(closed)).toBe("pending");
    expect(accept.foo.held[0]?.context.signal.aborted).toBe(false);
    await clock.advance(1);
    await closed;
    expect(accept.foo.held[0]?.context.signal.aborted).toBe(true);
    const ended = twoEnds({ codec: jsonCodecType });
    const last = ended.dial.call("hold");
    await settle();
    const ending = ended.dial.session.shutdown(gone);
    ended.accept.foo.held[0]?.resolve("answered in time");
    await ending;
    expect(last.outcomes).toHaveLength(1);
    expect(ended.clock.timers).toBe(0);
  });

  test("a notification right before it arrives", async () => {
    const { dial, accept } = twoEnds();
    dial.session.notify("Foo.echo", "last words");
    await dial.session.shutdown(gone);
    expect(accept.foo.started).toEqual(["last words"]);
  });

  test("ends both ends once, however often it is asked for", async () => {
    const { clock, dial, accept } = twoEnds();
    await settle();
    const all = [
      dial.session.shutdown(gone),
      dial.session.shutdown(gone),
      accept.session.shutdown(gone),
    ];
    await Promise.all(all);
    dial.session.abort(gone);
    expect([dial.isClosed, accept.isClosed]).toEqual([true, true]);
    expect(clock.timers).toBe(0);
  });

  test("while this end has stopped reading", async () => {
    const { far, end, peer } = oneEnd("accept", {
      capacityBytes: 1_000,
      limits: { maxQueuedBytes: 2_000 },
    });
    await peer.heard();
    far.pause();
    peer.request(1, "text", 5_000);
    await settle();
    // Not read, since the answers wait.
    peer.request(2, "echo", "unread");
    const closed = end.session.shutdown(gone);
    far.resume();
    far.shutdown();
    await closed;
    expect(end.foo.started).toEqual([5_000]);
  });

  test("a peer that takes nothing is cut", async () => {
    const { clock, far, end } = oneEnd("accept", {
      capacityBytes: 10,
      limits: { stallTimeoutMs: 500 },
    });
    far.pause();
    await settle();
    const closed = end.session.shutdown(gone);
    await clock.advance(499);
    expect(await stateOf(closed)).toBe("pending");
    await clock.advance(1);
    expect(await stateOf(closed)).toBe("fulfilled");
    expect(end.events).toMatchObject([
      { kind: "connection-cut", error: { code: "unavailable" } },
    ]);
    expect(clock.timers).toBe(0);
  });
});

describe("finish", () => {
  test("lets what runs finish, refuses what comes, then ends", async () => {
    const { dial, accept } = twoEnds();
    const running = dial.call("hold");
    await settle();
    const finished = accept.session.finish();
    const late = dial.call("echo", "late");
    await settle();
    expect(late.error).toMatchObject({ code: "unavailable", sent: false });
    expect(await stateOf(finished)).toBe("pending");
    accept.foo.held[0]?.resolve("done");
    await finished;
    expect(running.reply).toBe("done");
    expect(accept.foo.started).toHaveLength(1);
    expect(dial.isClosed).toBe(true);
  });

  test("one that is idle ends at once", async () => {
    const { dial, accept } = twoEnds();
    await accept.session.finish();
    expect([dial.isClosed, accept.isClosed]).toEqual([true, true]);
  });

  test("requests that were read before wait for room, run and are answered", async () => {
    const { far, end, peer } = oneEnd("accept", {
      capacityBytes: 1_000_000,
      limits: { maxQueuedBytes: 1_000 },
    });
    await peer.heard();
    far.pause();
    peer.say((codec, out) => {
      codec.writeRequest(out, headOf(1, "text"), 2_000_000);
      codec.writeRequest(out, headOf(2, "echo"), "waits for room");
    });
    await settle();
    const finished = end.session.finish();
    far.resume();
    expect(await peer.heard()).toMatchObject([
      { kind: "goaway", lastSeq: 2, code: "unavailable" },
      { kind: "response", seq: 1 },
      { kind: "response", seq: 2, reply: "waits for room" },
      { kind: "error", seq: 0, code: "unavailable" },
    ]);
    expect(peer.ear.ends).toBe(1);
    far.shutdown();
    await finished;
  });

  test("a caller that cancels the last call lets it end", async () => {
    const { dial, accept } = twoEnds();
    const controller = new AbortController();
    dial.call("hold", 0, { signal: controller.signal });
    await settle();
    const finished = accept.session.finish();
    controller.abort();
    // Though its handler never settles.
    await finished;
    expect(accept.runningCount).toBe(1);
  });

  test("one that is out of time lets it end, too, also where it was to get no answer", async () => {
    const { clock, dial, accept } = twoEnds({
      accept: { handleTimeoutMs: 100 },
    });
    const call = dial.call("hold");
    dial.session.notify("Foo.hold", 0);
    await settle();
    const finished = accept.session.finish();
    await clock.advance(99);
    expect(await stateOf(finished)).toBe("pending");
    await clock.advance(1);
    await finished;
    expect(call.error).toMatchObject({ code: "deadline_exceeded" });
    expect(accept.runningCount).toBe(2);
  });

  test.each([0, 1, 5, 50, 1_000])(
    "loses no call of 64 that are on their way after %p turns",
    async (turns) => {
      const { dial, accept } = twoEnds({ capacityBytes: 300 });
      await settle();
      const calls = Array.from({ length: 64 }, (_, at) =>
        dial.call("echo", `${at} ${"x".repeat(60)}`),
      );
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      await accept.session.finish();
      await settle();
      const answered = calls.filter(({ reply }) => reply !== undefined);
      expect(answered.map(({ pending }) => pending.args)).toEqual(
        accept.foo.started,
      );
      for (const call of calls) {
        expect(call.outcomes).toHaveLength(1);
        if (call.reply !== undefined) continue;
        expect(call.error).toMatchObject({ code: "unavailable", sent: false });
      }
    },
  );

  test("a large answer arrives whole in front of the last word", async () => {
    const { dial, accept } = twoEnds({ capacityBytes: 32 * 1024 });
    await settle();
    const call = dial.call("text", 1_000_000);
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
    const finished = accept.session.finish();
    await finished;
    expect(accept.foo.started).toHaveLength(1);
    expect(call.reply).toBe("x".repeat(1_000_000));
  });
});

describe("the handshake", () => {
  test("the dialling end is accepted by the peer's settings", async () => {
    const { end, peer } = oneEnd("dial", { isSilent: true });
    expect(await stateOf(end.session.accepted)).toBe("pending");
    peer.say((codec, out) =>
      codec.writeSettings(out, { protocol: 1, maxMessageBytes: 1_000 }),
    );
    expect(await stateOf(end.session.accepted)).toBe("fulfilled");
  });

  test("with a codec that has none it is accepted from the start", async () => {
    const { end } = oneEnd("dial", { codec: jsonCodecType });
    expect(await stateOf(end.session.accepted)).toBe("fulfilled");
  });

  test("settings of another version end it", async () => {
    const { end, peer } = oneEnd("dial", { isSilent: true });
    const call = end.call("echo", 1);
    peer.say((codec, out) =>
      codec.writeSettings(out, { protocol: 2, maxMessageBytes: 1_000 }),
    );
    const error = await end.session.accepted.catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "unimplemented" });
    expect(call.error).toMatchObject({ code: "unavailable" });
    await settle();
    expect(peer.ear.ends).toBe(1);
  });

  const refusal = new RpcError("resource_exhausted", "too many connections", {
    sent: false,
  });

  test("a refusal in the codec's own error fails every call, of which none ran", async () => {
    const { end, peer } = oneEnd("dial", { isSilent: true });
    const call = end.call("echo", 1);
    await peer.heard();
    peer.say((codec, out) => codec.writeError(out, 0, "", refusal));
    const error = await end.session.accepted.catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "resource_exhausted", sent: false });
    expect(call.error).toMatchObject({ code: "unavailable", sent: false });
    expect(call.error?.cause).toBe(error);
    expect(end.session.isAvailable).toBe(false);
  });

  for (const codec of [undefined, jsonCodecType]) {
    test(`a refusal in one line is read by ${codec ?? "the binary codec"}, too`, async () => {
      const { end, peer } = oneEnd("dial", {
        isSilent: true,
        ...(codec === undefined ? {} : { codec }),
      });
      const call = end.call("echo", 1);
      await peer.heard();
      peer.sendBytes(encodeRefusal(refusal));
      await settle();
      expect(call.error).toMatchObject({
        code: "unavailable",
        sent: false,
        cause: { code: "resource_exhausted" },
      });
    });
  }

  test("after a refusal nothing is left that could stall", async () => {
    const { clock, far, end, peer } = oneEnd("dial", { capacityBytes: 1_000 });
    end.call("echo", "x".repeat(5_000));
    await settle();
    far.pause();
    peer.say((codec, out) => codec.writeError(out, 0, "", refusal));
    await settle();
    expect(end.session.isAvailable).toBe(false);
    expect(clock.timers).toBe(0);
    await clock.advance(60_000);
    expect(end.events).toEqual([]);
    far.shutdown();
    await end.session.closed;
  });

  test("one that is lost before is no handshake", async () => {
    const { end, far } = oneEnd("dial");
    far.abort();
    expect(await stateOf(end.session.accepted)).toBe("rejected");
  });

  test("refuse tells the peer in its codec, with seq 0, that nothing ran, and ends", async () => {
    const { clock, end, peer } = oneEnd("accept");
    await peer.heard();
    end.session.refuse(new RpcError("unimplemented", "not this version"));
    expect(await peer.heard()).toMatchObject([
      { kind: "error", seq: 0, code: "unimplemented", error: { sent: false } },
    ]);
    expect(peer.ear.ends).toBe(1);
    expect(clock.timers).toBe(0);
  });

  test("a call at a server that is none fails as not sent, and its answer is quoted", async () => {
    const { end, peer } = oneEnd("dial", { isSilent: true });
    const call = end.call("echo", 1);
    await peer.heard();
    peer.sendBytes(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await settle();
    expect(call.error).toMatchObject({ code: "unavailable", sent: false });
    expect(call.error?.message).toContain("HTTP/1.1 400 Bad Request");
    expect(end.session.isAvailable).toBe(false);
  });

  test("an LF in front of the first frame is the Option's, also when it comes alone", async () => {
    const { end, peer } = oneEnd("accept");
    peer.sendBytes(Buffer.from("\n"));
    await settle();
    peer.request(1, "echo", "after");
    await settle();
    expect(end.foo.started).toEqual(["after"]);
    expect(end.events).toEqual([]);
  });

  test("one that begins another chunk is content, at either end", async () => {
    const body = Uint8Array.of(10);
    const accepting = oneEnd("accept");
    const dialling = oneEnd("dial");
    const call = dialling.end.call("hold");
    accepting.peer.codec.writeRequest(
      accepting.peer.out,
      headOf(1, "echo"),
      body,
    );
    dialling.peer.codec.writeResponse(dialling.peer.out, 1, "Foo.hold", body);
    for (const { peer } of [accepting, dialling]) {
      const bytes = peer.out.pending().slice();
      peer.sendBytes(bytes.subarray(0, -1));
      peer.sendBytes(bytes.subarray(-1));
    }
    await settle();
    expect(accepting.end.foo.started).toEqual([body]);
    expect(call.reply).toEqual(body);
  });

  test("a second one is broken framing", async () => {
    const { end, peer } = oneEnd("accept");
    peer.sendBytes(Buffer.concat([Buffer.from("\n\n"), Buffer.alloc(16)]));
    await settle();
    expect(end.events).toMatchObject([{ kind: "connection-cut" }]);
  });
});

test("behind the peer's last word nothing is read", async () => {
  const { end, peer } = oneEnd("dial");
  const call = end.call("hold");
  await peer.heard();
  peer.say((codec, out) => {
    codec.writeError(out, 0, "", gone);
    codec.writeResponse(out, 1, "Foo.hold", "late");
  });
  await settle();
  expect(call.error).toMatchObject({ code: "unavailable", sent: true });
  expect(end.session.lateReplies).toBe(0);
});

describe("broken framing", () => {
  const garbage = Buffer.alloc(16, 0x7f);

  test("what came before it in the chunk is served, then an error with seq 0 and the end", async () => {
    const { end, peer } = oneEnd("accept");
    await peer.heard();
    peer.say((codec, out) => {
      codec.writeRequest(out, headOf(1, "echo"), "before");
      out.writeBytes(garbage);
      codec.writeRequest(out, headOf(2, "echo"), "behind");
    });
    expect(await peer.heard()).toMatchObject([
      { kind: "response", seq: 1, reply: "before" },
      { kind: "error", seq: 0 },
    ]);
    expect(peer.ear.ends).toBe(1);
    expect(end.foo.started).toEqual(["before"]);
    expect(end.events).toMatchObject([{ kind: "connection-cut" }]);
  });

  test("what comes behind it is not read", async () => {
    const { end, peer } = oneEnd("accept");
    peer.sendBytes(garbage);
    await settle();
    peer.request(1, "echo", "late");
    await settle();
    expect(end.foo.started).toEqual([]);
  });

  test("handlers that run are told", async () => {
    const { end, peer } = oneEnd("accept");
    peer.request(1, "hold");
    await settle();
    peer.sendBytes(garbage);
    await settle();
    expect(end.foo.held[0]?.context.signal.aborted).toBe(true);
  });

  test("at the dialling end it fails what is in flight and ends, without a word", async () => {
    const { end, peer } = oneEnd("dial");
    const call = end.call("echo", 1);
    await peer.heard();
    peer.sendBytes(garbage);
    await settle();
    expect(call.error).toMatchObject({ code: "unavailable", sent: true });
    expect(await peer.heard()).toEqual([]);
    expect(peer.ear.ends).toBe(1);
    expect(end.events).toMatchObject([{ kind: "connection-cut" }]);
  });

  test("frames that declare 4 GiB keep nothing", async () => {
    const { end, peer } = oneEnd("accept");
    await peer.heard();
    const frame = Buffer.alloc(16);
    frame[0] = 2;
    frame.writeUInt32LE(0xffff_ffff, 4);
    frame[8] = 1;
    peer.sendBytes(frame);
    expect(await peer.heard()).toMatchObject([
      { kind: "error", seq: 0, code: "resource_exhausted" },
    ]);
    expect(end.session.isAvailable).toBe(false);
  });
});

test("events of a pipe that is over change nothing", async () => {
  const { near, dial, accept } = twoEnds();
  await settle();
  dial.session.abort(gone);
  await settle();
  const ear = new PipeEar();
  near.attach(ear);
  dial.session.close(undefined);
  dial.session.drain();
  dial.session.end();
  dial.session.data(Buffer.from("late"));
  await settle();
  expect(dial.events).toEqual([]);
  expect(accept.isClosed).toBe(true);
});

test("a call whose signal cannot be let go keeps none of the others in flight", async () => {
  const { dial } = twoEnds();
  const { signal } = new AbortController();
  signal.removeEventListener = () => {
    throw new Error("not this one");
  };
  const calls = [dial.call("hold", 1, { signal }), dial.call("hold", 2)];
  await settle();
  dial.session.abort(new RpcError("unavailable", "gone"));
  await settle();
  expect(calls.map(({ outcomes }) => outcomes.length)).toEqual([1, 1]);
  expect(dial.session.inFlightCount).toBe(0);
});

test("a call whose signal cannot be watched is not in flight", () => {
  const { dial } = twoEnds();
  const { signal } = new AbortController();
  const own = new Error("not this one");
  signal.addEventListener = () => {
    throw own;
  };
  expect(() => dial.call("hold", 1, { signal })).toThrow(own);
  expect(dial.session.inFlightCount).toBe(0);
});
