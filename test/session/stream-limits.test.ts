import { describe, expect, test } from "bun:test";
import type { SessionMessages } from "../../src/codec/codec.ts";
import { RpcError } from "../../src/errors.ts";
import { SendBuffer } from "../../src/wire/send-buffer.ts";
import { settle } from "../support/manual-clock.ts";
import { Feed } from "./feed.ts";
import { Reading } from "./reading.ts";
import { headOf, oneEnd, type RawPeer, twoEnds } from "./two-ends.ts";

const exhausted = "resource_exhausted";

/** Lets the peer say what its codec has of streams. */
function say(
  peer: RawPeer,
  write: (session: SessionMessages, out: SendBuffer) => void,
): void {
  peer.say((codec, out) => write(codec.session as SessionMessages, out));
}

/** A request whose argument is a stream. */
function requestStream(peer: RawPeer, seq: number, method = "hold"): void {
  peer.say((codec, out) =>
    codec.writeRequest(out, { ...headOf(seq, method), isStream: true }, null),
  );
}

/** An item of so many bytes in its frame, quotes and all. */
function itemOf(bytes: number): string {
  return "x".repeat(bytes - 2);
}

/** The pieces that are still to be sent. */
function takePieces({ codec }: RawPeer): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  while (codec.heldBytes > 0) {
    const out = new SendBuffer();
    codec.writePiece(out);
    pieces.push(out.pending());
  }
  return pieces;
}

const limits = {
  streamWindowBytes: 1_000,
  connectionWindowBytes: 2_000,
  maxMessageBytes: 500,
};

describe("a stream's window", () => {
  test("an argument may come up to it, the last item beyond it; the next one cuts the connection", async () => {
    const { end, peer } = oneEnd("accept", { limits });
    await peer.heard();
    requestStream(peer, 1);
    say(peer, (session, out) => {
      for (const bytes of [500, 499, 500]) {
        session.writeItem(out, 1, false, itemOf(bytes));
      }
    });
    expect(await peer.heard()).toEqual([]);
    expect(end.session.isAvailable).toBe(true);
    say(peer, (session, out) => session.writeItem(out, 1, false, 1));
    expect(await peer.heard()).toMatchObject([
      { kind: "error", seq: 0, code: exhausted },
    ]);
    expect(end.events).toMatchObject([
      { kind: "connection-cut", error: { code: exhausted } },
    ]);
    expect(end.foo.held[0]?.context.signal.aborted).toBe(true);
    expect(peer.ear.ends).toBe(1);
  });

  test("a reply, too", async () => {
    const { end, peer } = oneEnd("dial", { limits });
    const call = end.call("feed");
    await peer.heard();
    say(peer, (session, out) => {
      session.writeStreamed(out, 1);
      for (const bytes of [500, 500]) {
        session.writeItem(out, 1, true, itemOf(bytes));
      }
    });
    await settle();
    expect(end.session.isAvailable).toBe(true);
    say(peer, (session, out) => session.writeItem(out, 1, true, 1));
    await settle();
    const reading = call.read();
    await settle();
    expect(reading.items).toHaveLength(2);
    expect(reading.code).toBe("unavailable");
    expect(end.events).toMatchObject([
      { kind: "connection-cut", error: { code: exhausted } },
    ]);
  });

  test("small items take 64 bytes of it", async () => {
    const { end, peer } = oneEnd("accept", { limits });
    requestStream(peer, 1);
    say(peer, (session, out) => {
      for (let item = 0; item < 16; item++) session.writeItem(out, 1, false, 1);
    });
    await settle();
    expect(end.session.isAvailable).toBe(true);
    say(peer, (session, out) => session.writeItem(out, 1, false, 1));
    await settle();
    expect(end.session.isAvailable).toBe(false);
  });

  test("what was read is granted again, a quarter of the window at a time", async () => {
    const { end, peer } = oneEnd("accept", {
      limits: { ...limits, connectionWindowBytes: 1e6 },
    });
    await peer.heard();
    requestStream(peer, 1);
    say(peer, (session, out) => {
      for (let item = 0; item < 5; item++) {
        session.writeItem(out, 1, false, itemOf(200));
      }
    });
    await settle();
    const items = end.foo.held[0]?.args as AsyncIterator<unknown>;
    const credits = [];
    for (let item = 0; item < 5; item++) {
      await items.next();
      credits.push(await peer.heard());
    }
    const credit = {
      kind: "credit" as const,
      seq: 1,
      isAnswer: true,
      bytes: 400,
    };
    expect(credits).toEqual([[], [credit], [], [credit], []]);
  });
});

describe("the connection's window", () => {
  test("is for all streams together, and one largest message more", async () => {
    const { end, peer } = oneEnd("accept", { limits });
    await peer.heard();
    for (let seq = 1; seq <= 5; seq++) {
      requestStream(peer, seq);
      say(peer, (session, out) =>
        session.writeItem(out, seq, false, itemOf(500)),
      );
    }
    expect(await peer.heard()).toEqual([]);
    requestStream(peer, 6);
    say(peer, (session, out) => session.writeItem(out, 6, false, 1));
    expect(await peer.heard()).toMatchObject([
      { kind: "error", seq: 0, code: exhausted },
    ]);
    expect(end.session.isAvailable).toBe(false);
  });

  test("takes an item in pieces that longer ones have overtaken which were begun later", async () => {
    const { end, peer } = oneEnd("accept", {
      limits: { connectionWindowBytes: 100_000 },
    });
    await peer.heard();
    requestStream(peer, 1);
    requestStream(peer, 2);
    say(peer, (session, out) => {
      // 30,000 bytes are left behind it, so the other may begin.
      session.writeItem(out, 1, false, itemOf(70_000));
      session.writeItem(out, 2, false, itemOf(128_000));
      const pieces = takePieces(peer);
      // The last one of the first item comes behind all of the second.
      const isLast = ({ length }: Uint8Array) => length < 10_000;
      for (const piece of pieces) if (!isLast(piece)) out.writeBytes(piece);
      for (const piece of pieces) if (isLast(piece)) out.writeBytes(piece);
    });
    await settle();
    expect(end.session.isAvailable).toBe(true);
    const readings = end.foo.held.map(
      ({ args }) => new Reading(args as AsyncIterable<unknown>),
    );
    await settle();
    expect(readings.map(({ items }) => items)).toEqual([
      [itemOf(70_000)],
      [itemOf(128_000)],
    ]);
  });

  test("gets back what nobody waits for", async () => {
    const { end, peer } = oneEnd("accept", { limits });
    await peer.heard();
    let granted = 0;
    for (let item = 0; item < 100; item++) {
      say(peer, (session, out) =>
        session.writeItem(out, 9, false, itemOf(500)),
      );
      for (const told of await peer.heard()) {
        expect(told).toMatchObject({ kind: "credit", seq: 0 });
        granted += (told as { bytes: number }).bytes;
      }
    }
    expect(granted).toBe(100 * 500);
    expect(end.session.isAvailable).toBe(true);
  });
});

describe("an item of which only a part has come", () => {
  const partLimits = { connectionWindowBytes: 200_000 };
  const totalBytes = 150_000;

  /** Sends the beginning of an item, and its first piece. */
  function sendPart(peer: RawPeer, seq: number, isAnswer: boolean): void {
    const { codec, out } = peer;
    codec.session?.writeItem(out, seq, isAnswer, itemOf(totalBytes));
    codec.writePiece(out);
    peer.sendBytes(out.pending());
    out.clear();
    codec.session?.dropItem(seq, isAnswer);
  }

  const credit = { kind: "credit", seq: 0, bytes: totalBytes };

  const givenBack: [
    what: string,
    happen: (
      set: ReturnType<typeof oneEnd>,
      controller: AbortController,
    ) => unknown,
    otherBytes?: number,
  ][] = [
    ["the call is cancelled", (_, controller) => controller.abort()],
    ["its time is over", ({ clock }) => clock.advance(1_000)],
    [
      "an error comes",
      ({ peer }) =>
        peer.say((codec, out) =>
          codec.writeError(out, 1, "", new RpcError("not_found", "no")),
        ),
    ],
    [
      "the end comes",
      ({ peer }) => say(peer, (s, out) => s.writeEnd(out, 1, true)),
    ],
    [
      "the next item comes",
      ({ peer }) => say(peer, (s, out) => s.writeItem(out, 1, true, 1)),
      64,
    ],
  ];
  test.each(givenBack)(
    "of a reply is given back when %s",
    async (_, happen, otherBytes = 0) => {
      const set = oneEnd("dial", { limits: partLimits });
      const { end, peer } = set;
      const controller = new AbortController();
      end.call("feed", 0, {
        signal: controller.signal,
        timeoutMs: 1_000,
      });
      await peer.heard();
      say(peer, (session, out) => session.writeStreamed(out, 1));
      sendPart(peer, 1, true);
      expect(await peer.heard()).toEqual([]);
      await happen(set, controller);
      const heard = await peer.heard();
      expect(heard.filter(({ kind }) => kind === "credit")).toMatchObject([
        { ...credit, bytes: totalBytes + otherBytes },
      ]);
      expect(end.session.inFlightCount).toBe(0);
      // What still comes of it is nobody's.
      const piece = Buffer.alloc(16 + 10);
      piece.set([6, 0x80, 0, 0, 10, 0, 0, 0, 1]);
      peer.sendBytes(piece);
      expect(await peer.heard()).toEqual([]);
      expect(end.session.isAvailable).toBe(true);
    },
  );

  test("of a reply is given back when its reader leaves", async () => {
    const { end, peer } = oneEnd("dial", { limits: partLimits });
    const call = end.call("feed");
    await peer.heard();
    say(peer, (session, out) => session.writeStreamed(out, 1));
    sendPart(peer, 1, true);
    await settle();
    await (call.reply as AsyncIterator<unknown>).return?.();
    expect(await peer.heard()).toMatchObject([
      credit,
      { kind: "cancel", seq: 1 },
    ]);
  });

  test("of an argument is given back when the call is over, however that is", async () => {
    const ways: ((set: ReturnType<typeof oneEnd>) => unknown)[] = [
      ({ peer }) => peer.say((codec, out) => codec.writeCancel(out, 1)),
      ({ end }) => end.foo.held[0]?.resolve("enough"),
      ({ end }) => (end.foo.held[0]?.args as AsyncIterator<unknown>).return?.(),
    ];
    for (const happen of ways) {
      const set = oneEnd("accept", { limits: partLimits });
      const { end, peer } = set;
      await peer.heard();
      requestStream(peer, 1);
      sendPart(peer, 1, false);
      expect(await peer.heard()).toEqual([]);
      await happen(set);
      const heard = await peer.heard();
      expect(heard.filter(({ kind }) => kind === "credit")).toMatchObject([
        credit,
      ]);
      expect(end.session.isAvailable).toBe(true);
    }
  });

  test("of an argument, and no more for 10 to 20 s, fails its call", async () => {
    const { clock, end, peer } = oneEnd("accept", { limits: partLimits });
    await peer.heard();
    requestStream(peer, 1);
    sendPart(peer, 1, false);
    await clock.advance(9_999);
    expect(await peer.heard()).toEqual([]);
    await clock.advance(10_001);
    const heard = await peer.heard();
    expect(heard).toMatchObject([
      credit,
      {
        kind: "error",
        seq: 1,
        code: "deadline_exceeded",
        error: { sent: true },
      },
    ]);
    expect(end.foo.held[0]?.context.signal.reason).toMatchObject({
      code: "deadline_exceeded",
    });
    await clock.advance(1e6);
    expect(clock.timers).toBe(0);
  });
});

describe("an item that cannot be read", () => {
  /** An item that says JSON and is none. */
  function sendBad(peer: RawPeer, flag: number): void {
    const frame = Buffer.alloc(16 + 1);
    frame.set([7, flag, 1, 0, 1, 0, 0, 0, 1]);
    frame[16] = 0x7b;
    peer.sendBytes(frame);
  }
  const smallWindow = { connectionWindowBytes: 128 };

  test("of a reply fails its call behind those in front, takes it back and gives its bytes back", async () => {
    const { end, peer } = oneEnd("dial", { limits: smallWindow });
    const call = end.call("feed");
    await peer.heard();
    say(peer, (session, out) => session.writeStreamed(out, 1));
    await settle();
    const reading = call.read();
    sendBad(peer, 0x80);
    await settle();
    expect(reading.code).toBe("internal");
    expect(await peer.heard()).toMatchObject([
      { kind: "credit", seq: 0, bytes: 64 },
      { kind: "cancel", seq: 1 },
    ]);
    expect(end.session.isAvailable).toBe(true);
  });

  test("of an argument fails its call, and its handler is told", async () => {
    const { end, peer } = oneEnd("accept", { limits: smallWindow });
    await peer.heard();
    requestStream(peer, 1);
    await settle();
    sendBad(peer, 0);
    expect(await peer.heard()).toMatchObject([
      { kind: "credit", seq: 0, bytes: 64 },
      { kind: "error", seq: 1, code: "invalid_argument" },
    ]);
    const [held] = end.foo.held;
    expect(held?.context.signal.reason).toMatchObject({
      code: "invalid_argument",
    });
    const reading = new Reading(held?.args as AsyncIterable<unknown>);
    held?.resolve("late");
    await settle();
    expect(reading.code).toBe("invalid_argument");
    expect(await peer.heard()).toEqual([]);
    expect(end.runningCount).toBe(0);
  });

  test("of an argument whose handler has not started fails its call, which never does", async () => {
    const { end, peer } = oneEnd("accept", { limits: { maxStreams: 1 } });
    await peer.heard();
    const frame = Buffer.alloc(16 + 1);
    frame.set([7, 0, 1, 0, 1, 0, 0, 0, 1]);
    frame[16] = 0x7b;
    peer.say((codec, out) => {
      const head = { ...headOf(1, "hold"), isStream: true };
      codec.writeRequest(out, head, null);
      out.writeBytes(frame);
      codec.writeRequest(out, headOf(2, "echo"), "behind it");
    });
    expect(await peer.heard()).toMatchObject([
      { kind: "error", seq: 1, code: "invalid_argument" },
      { kind: "response", seq: 2, reply: "behind it" },
    ]);
    expect(end.foo.started).toEqual(["behind it"]);
    // Nothing of it is left, nor in the number of streams.
    requestStream(peer, 3, "collect");
    say(peer, (session, out) => session.writeEnd(out, 3, false));
    expect(await peer.heard()).toMatchObject([{ kind: "response", seq: 3 }]);
  });

  test("again and again, from a peer that does not read the errors, cuts the connection of the dialling end", async () => {
    const { far, end, peer } = oneEnd("dial", {
      capacityBytes: 4_000,
      limits: { maxQueuedBytes: 500, maxMessageBytes: 500 },
    });
    await peer.heard();
    far.pause();
    const frame = Buffer.alloc(16 + 1);
    frame.set([7, 0, 1, 0, 1, 0, 0, 0, 1]);
    frame[16] = 0x7b;
    for (let seq = 1; seq <= 250; seq++) {
      frame[8] = seq;
      peer.say((codec, out) => {
        const head = { ...headOf(seq, "hold"), isStream: true };
        codec.writeRequest(out, head, undefined);
        out.writeBytes(frame);
      });
      await settle();
      if (end.isClosed) break;
    }
    expect(end.events).toMatchObject([
      { kind: "connection-cut", error: { code: exhausted } },
    ]);
  });

  test("an end whose metadata cannot be read fails its call, and takes nothing of the window", async () => {
    const { end, peer } = oneEnd("dial", { limits: smallWindow });
    const call = end.call("feed");
    await peer.heard();
    say(peer, (session, out) => {
      session.writeStreamed(out, 1);
      session.writeItem(out, 1, true, itemOf(128));
    });
    await settle();
    const reading = call.read();
    const cutOff = Buffer.alloc(16);
    cutOff.set([8, 0x84, 0, 0, 0, 0, 0, 0, 1]);
    peer.sendBytes(cutOff);
    await settle();
    expect(reading.items).toHaveLength(1);
    expect(reading.code).toBe("internal");
    expect(end.session.isAvailable).toBe(true);
  });
});

describe("the number of calls with streams", () => {
  test("is limited: those beyond it are refused, as not started where that is true", async () => {
    const { end, peer } = oneEnd("accept", { limits: { maxStreams: 2 } });
    await peer.heard();
    requestStream(peer, 1);
    peer.request(2, "feed");
    requestStream(peer, 3);
    peer.request(4, "count", 3);
    peer.request(5, "echo", "no stream");
    const heard = await peer.heard();
    expect(heard).toContainEqual(
      expect.objectContaining({ kind: "streamed", seq: 2 }),
    );
    expect(heard.filter(({ kind }) => kind === "error")).toMatchObject([
      { seq: 3, code: exhausted, error: { sent: false } },
      { seq: 4, code: exhausted, error: { sent: true } },
    ]);
    expect(heard).toContainEqual(
      expect.objectContaining({ kind: "response", seq: 5 }),
    );
    // When one is over there is room again.
    end.foo.held[0]?.resolve("done");
    await settle();
    peer.request(6, "count", 0);
    expect(await peer.heard()).toMatchObject([
      { kind: "response", seq: 1 },
      { kind: "streamed", seq: 6 },
      { kind: "halfClose", seq: 6 },
    ]);
  });

  test("does not limit what this end itself calls", async () => {
    const { dial, accept } = twoEnds({ dial: { limits: { maxStreams: 1 } } });
    const calls = [1, 2, 3].map(() => dial.call("feed"));
    await settle();
    for (const call of calls) expect(call.reply).toBeDefined();
    expect(accept.foo.feeds).toHaveLength(3);
    const refused = [1, 2].map(() => accept.call("feed"));
    await settle();
    expect(refused.map(({ error }) => error?.code)).toEqual([
      undefined,
      exhausted,
    ]);
  });

  test("counts a call that has both once", async () => {
    const { dial } = twoEnds({ limits: { maxStreams: 1 } });
    const feed = new Feed();
    const call = dial.call("mirror", feed.items());
    feed.give("a");
    feed.end();
    await settle();
    const reading = call.read();
    await settle();
    expect(reading).toMatchObject({ items: ["a"], end: "done" });
  });
});
