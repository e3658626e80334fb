import { describe, expect, test } from "bun:test";
import type { SessionMessages } from "../../src/codec/codec.ts";
import { RpcError } from "../../src/errors.ts";
import type { SendBuffer } from "../../src/wire/send-buffer.ts";
import { kinds } from "../../src/wire/frame.ts";
import { frame } from "../codec/frames.ts";
import { settle } from "../support/manual-clock.ts";
import { type End, headOf, oneEnd, type RawPeer, twoEnds } from "./two-ends.ts";

const cut = [{ kind: "connection-cut", error: { code: "resource_exhausted" } }];

/** Says the same again and again until the session has ended; returns how often. */
async function flood(
  end: End,
  peer: RawPeer,
  write: (session: SessionMessages, out: SendBuffer) => void,
  most = 10_000,
): Promise<number> {
  const batch = 10;
  for (let sent = 0; sent < most; sent += batch) {
    if (!end.session.isAvailable) return sent;
    peer.say((codec, out) => {
      for (let at = 0; at < batch; at++) {
        write(codec.session as SessionMessages, out);
      }
    });
    await settle();
  }
  return most;
}

const frames: [
  string,
  (session: SessionMessages, out: SendBuffer, peer: RawPeer) => void,
][] = [
  ["cancels", (_, out, { codec }) => codec.writeCancel(out, 7)],
  ["credit for a stream", (s, out) => s.writeCredit(out, 7, false, 1)],
  ["credit for the connection", (s, out) => s.writeCredit(out, 0, false, 1)],
  ["ends of arguments", (s, out) => s.writeEnd(out, 7, false)],
  ["ends of replies", (s, out) => s.writeEnd(out, 7, true)],
  ["pongs", (s, out) => s.writePong(out, 0)],
  [
    "answers to nothing",
    (_, out, { codec }) => codec.writeResponse(out, 7, "", 1),
  ],
  ["streams to nothing", (s, out) => s.writeStreamed(out, 7)],
  [
    "errors to nothing",
    (_, out, { codec }) =>
      codec.writeError(out, 7, "", new RpcError("aborted", "no")),
  ],
  ["items of arguments to nothing", (s, out) => s.writeItem(out, 7, false, 1)],
  ["items of replies to nothing", (s, out) => s.writeItem(out, 7, true, 1)],
  [
    "pieces without bytes",
    (_, out) => out.writeBytes(frame({ kind: kinds.piece, seq: 7 })),
  ],
  [
    "frames of unknown kinds",
    (_, out) => out.writeBytes(frame({ kind: 0xff })),
  ],
];

test.each(frames)(
  "a flood of %s gets 3,000 through, then the connection is cut",
  async (_, write) => {
    const { end, peer } = oneEnd("accept");
    await peer.heard();
    const sent = await flood(end, peer, (s, out) => write(s, out, peer));
    expect(sent).toBe(3_010);
    expect(end.events).toMatchObject(cut);
    expect(await peer.heard()).toMatchObject([
      { kind: "error", seq: 0, code: "resource_exhausted" },
    ]);
    expect(peer.ear.ends).toBe(1);
  },
);

test("a flood of pings gets 30 answered, at either end", async () => {
  for (const role of ["accept", "dial"] as const) {
    const { end, peer } = oneEnd(role);
    await peer.heard();
    let number = 0;
    await flood(end, peer, (session, out) => session.writePing(out, ++number));
    expect(end.events).toMatchObject(cut);
    const heard = await peer.heard();
    const pongs = heard.filter(({ kind }) => kind === "pong");
    expect(pongs).toEqual(
      Array.from({ length: 30 }, (_, at) => ({ kind: "pong", number: at + 1 })),
    );
  }
});

test("one of goaways, too, though it ends the session by itself", async () => {
  const { end, peer } = oneEnd("accept");
  peer.request(1, "hold");
  await settle();
  const reason = new RpcError("unavailable", "going");
  for (let batch = 0; batch < 400; batch++) {
    peer.say((codec, out) => {
      for (let at = 0; at < 10; at++) {
        codec.session?.writeGoaway(out, 0, reason);
      }
    });
    await settle();
  }
  expect(end.events).toMatchObject(cut);
});

test("items that nobody waits for pay for no control frames", async () => {
  const { end, peer } = oneEnd("accept");
  await peer.heard();
  peer.request(7, "echo", 1);
  await peer.heard();
  const sent = await flood(end, peer, (session, out) => {
    session.writeItem(out, 7, false, 1);
    session.writePong(out, 0);
  });
  expect(sent).toBe(3_010);
  expect(end.events).toMatchObject(cut);
});

test("an honest peer is not cut: 20,000 calls taken back, and 20,000 items with all that belongs to them", async () => {
  const ends = twoEnds({
    limits: { streamWindowBytes: 128, connectionWindowBytes: 256 },
  });
  for (let batch = 0; batch < 200; batch++) {
    const controller = new AbortController();
    for (let call = 0; call < 100; call++) {
      ends.dial.call("echo", call, { signal: controller.signal });
    }
    controller.abort();
    await settle();
  }
  const call = ends.dial.call("count", 20_000);
  await settle();
  const reading = call.read();
  while (reading.end === undefined) await settle();
  expect(reading.items).toHaveLength(20_000);
  expect(reading.end).toBe("done");
  expect([...ends.dial.events, ...ends.accept.events]).toEqual([]);
});

test("nor is one whose reader leaves each of 300 streams with all of its window under way", async () => {
  const ends = twoEnds();
  for (let stream = 0; stream < 300; stream++) {
    const call = ends.dial.call("count", 1e9);
    await settle();
    await (call.reply as AsyncIterator<unknown>).return?.();
    await settle();
  }
  expect(ends.accept.foo.endedCounts).toBe(300);
  expect([...ends.dial.events, ...ends.accept.events]).toEqual([]);
  const call = ends.dial.call("echo", "on");
  await settle();
  expect(call.reply).toBe("on");
});

describe("large arguments", () => {
  const large = "x".repeat(20_000);
  const limits = { maxArgumentBytes: 50_000 };
  const refused = {
    kind: "error",
    code: "resource_exhausted",
    error: { sent: false },
  };

  test("of handlers that run are counted until they have answered", async () => {
    const { end, peer } = oneEnd("accept", { limits });
    for (const seq of [1, 2, 3]) peer.request(seq, "hold", large);
    peer.request(4, "echo", "small");
    expect((await peer.heard()).slice(1)).toMatchObject([
      { ...refused, seq: 3 },
      { kind: "response", seq: 4 },
    ]);
    end.foo.held[0]?.resolve("done");
    await peer.heard();
    peer.request(5, "echo", large);
    expect(await peer.heard()).toMatchObject([{ kind: "response", seq: 5 }]);
  });

  test.each(["echo", "fail", "count", "nope"])(
    "of calls of %s that are over count no more",
    async (method) => {
      const { peer } = oneEnd("accept", { limits });
      await peer.heard();
      for (let seq = 1; seq <= 9; seq++) {
        peer.request(seq, method, large);
        const heard = await peer.heard();
        expect(heard).not.toMatchObject([{ code: "resource_exhausted" }]);
      }
    },
  );

  test.each([
    "is taken back",
    "is answered at its deadline",
    "wants no answer",
  ])(
    "of a handler that goes on when its call %s are counted until it settles",
    async (how) => {
      const { clock, end, peer } = oneEnd("accept", { limits });
      await peer.heard();
      const oneWay = how === "wants no answer";
      const timeoutMs = how === "is answered at its deadline" ? 10 : 0;
      for (const seq of [1, 2]) {
        peer.say((codec, out) =>
          codec.writeRequest(
            out,
            { ...headOf(seq, "hold", timeoutMs), oneWay },
            large,
          ),
        );
      }
      await settle();
      for (const seq of [1, 2]) {
        if (how === "is taken back") {
          peer.say((codec, out) => codec.writeCancel(out, seq));
        }
      }
      await clock.advance(timeoutMs);
      await peer.heard();
      peer.request(3, "echo", large);
      expect(await peer.heard()).toMatchObject([{ ...refused, seq: 3 }]);
      end.foo.held[1]?.resolve("done");
      await peer.heard();
      peer.request(4, "echo", large);
      expect(await peer.heard()).toMatchObject([{ kind: "response", seq: 4 }]);
    },
  );

  test("of one chunk are refused before they are decoded", async () => {
    const { end, peer } = oneEnd("accept", { limits });
    await peer.heard();
    peer.say((codec, out) => {
      for (let seq = 1; seq <= 9; seq++) {
        codec.writeRequest(out, headOf(seq, "echo"), large);
      }
    });
    const heard = await peer.heard();
    expect(end.foo.started).toHaveLength(2);
    expect(heard.filter(({ kind }) => kind === "error")).toHaveLength(7);
  });

  test("of one chunk come to eight largest messages, whatever is allowed of those that run", async () => {
    const { end, peer } = oneEnd("accept", {
      limits: { maxMessageBytes: large.length + 2 },
      capacityBytes: 1e6,
    });
    await peer.heard();
    for (const first of [1, 11]) {
      peer.say((codec, out) => {
        for (let seq = first; seq < first + 10; seq++) {
          codec.writeRequest(out, headOf(seq, "hold"), large);
        }
      });
      expect(await peer.heard()).toMatchObject([
        { ...refused, seq: first + 8 },
        { ...refused, seq: first + 9 },
      ]);
    }
    expect(end.foo.held).toHaveLength(16);
  });

  test("of one chunk are held until their turn, also where each is taken back behind it", async () => {
    const { end, peer } = oneEnd("accept", { limits });
    await peer.heard();
    peer.say((codec, out) => {
      for (let seq = 1; seq <= 9; seq++) {
        codec.writeRequest(out, headOf(seq, "hold"), large);
        codec.writeCancel(out, seq);
      }
    });
    const heard = await peer.heard();
    expect(heard.map(({ kind }) => kind)).toEqual(Array(7).fill("error"));
    expect(end.foo.started).toEqual([]);
  });

  test("of calls that were taken back before their turn count no more", async () => {
    const { end, peer } = oneEnd("accept", { limits });
    await peer.heard();
    for (let seq = 1; seq <= 9; seq++) {
      peer.say((codec, out) => {
        codec.writeRequest(out, headOf(seq, "hold"), large);
        codec.writeCancel(out, seq);
      });
    }
    expect(await peer.heard()).toEqual([]);
    expect(end.foo.started).toEqual([]);
    peer.request(10, "echo", large);
    expect(await peer.heard()).toMatchObject([{ kind: "response", seq: 10 }]);
  });
});
