import { expect, test } from "bun:test";
import { randomIndex } from "../../src/base/random.ts";
import { flags, kinds } from "../../src/wire/frame.ts";
import { frame, name, uint32 } from "../codec/frames.ts";
import { settle } from "../support/manual-clock.ts";
import { testRandom } from "../support/seed.ts";
import { headOf, oneEnd } from "./two-ends.ts";

const maxArgumentBytes = 100_000;

/** Text whose JSON is so long. */
function textOf(bytes: number): string {
  return "x".repeat(bytes - 2);
}

const methods = [
  "echo",
  "fail",
  "hold",
  "hold",
  "hold",
  "feed",
  "unsendable",
  "nope",
];

/**
 * A peer that does to its large arguments what it can, and a server whose
 * handlers end in any order. `finish` ends what runs; then what is held shows
 * itself in what more is taken.
 */
function setUp() {
  const random = testRandom();
  const one = oneEnd("accept", {
    limits: { maxArgumentBytes, stallTimeoutMs: 50 },
    handleTimeoutMs: 200,
    capacityBytes: 1e9,
  });
  const { clock, end, peer } = one;
  const { foo } = end;
  let seq = 0;
  /** Calls whose arguments are streams. */
  const streams = new Set<number>();
  const chance = (share: number) => random() < share;

  function request(method: string): void {
    const isSecond = seq > 0 && chance(0.1);
    const of = isSecond ? 1 + randomIndex(seq, random) : ++seq;
    const head = headOf(of, method, chance(0.3) ? 50 : 0);
    const args = textOf(100 + randomIndex(60_000, random));
    const oneWay = chance(0.2);
    const isStream = chance(0.1);
    peer.say((codec, out) => {
      if (isStream) {
        streams.add(of);
        codec.writeRequest(out, { ...head, isStream }, undefined);
        codec.session?.writeItem(out, of, false, args);
      } else codec.writeRequest(out, { ...head, oneWay }, args);
      // Behind it in the same chunk.
      if (chance(0.1)) codec.writeCancel(out, of);
      if (chance(0.1)) codec.session?.writeItem(out, of, false, 1);
      if (chance(0.1)) codec.session?.writeCredit(out, of, false, 1);
    });
  }

  function broken(): void {
    const flag = flags.named | (chance(0.5) ? flags.pieces : 0);
    const body = Buffer.alloc(40_000, "[");
    const isInPieces = (flag & flags.pieces) !== 0;
    const content = Buffer.concat([
      Buffer.alloc(10),
      name("Foo.hold"),
      isInPieces ? uint32(body.length) : body,
    ]);
    const head = { flags: flag, encoding: 1, seq: ++seq };
    peer.sendBytes(frame({ kind: kinds.request, ...head, content }));
    if (!isInPieces) return;
    // Of some the rest never comes.
    const length = chance(0.5) ? body.length : 100;
    const piece = { kind: kinds.piece, seq, content: body.subarray(0, length) };
    peer.sendBytes(frame(piece));
  }

  function endOne(): void {
    const { held, feeds } = foo;
    if (held.length > 0 && chance(0.5)) {
      const [call] = held.splice(randomIndex(held.length, random), 1);
      if (chance(0.5)) call?.resolve("done");
      else call?.reject(new Error("broken"));
    } else if (feeds.length > 0) {
      const [feed] = feeds.splice(randomIndex(feeds.length, random), 1);
      if (chance(0.5)) feed?.end();
      else feed?.fail(new Error("broken"));
    }
  }

  async function step(): Promise<void> {
    const drawn = random();
    if (drawn < 0.5)
      request(methods[randomIndex(methods.length, random)] ?? "");
    else if (drawn < 0.55) broken();
    else if (drawn < 0.65) {
      const of = Math.max(1, seq - randomIndex(12, random));
      peer.say((codec, out) => codec.writeCancel(out, of));
    } else if (drawn < 0.9) endOne();
    else if (drawn < 0.95) await clock.advance(randomIndex(100, random));
    else await settle();
  }

  async function finish(): Promise<void> {
    await settle();
    for (const { resolve } of foo.held.splice(0)) resolve("done");
    for (const feed of foo.feeds.splice(0)) feed.cut();
    peer.say((codec, out) => {
      for (const of of streams) codec.writeCancel(out, of);
    });
    streams.clear();
    // Requests whose rest does not come are given up.
    await clock.advance(1_000);
    await peer.heard();
  }

  return { ...one, step, finish, nextSeq: () => ++seq };
}

test("whatever becomes of calls, nothing of their arguments is counted when they are over", async () => {
  const { end, peer, step, finish, nextSeq } = setUp();
  let refusedCount = 0;
  for (let round = 0; round < 30; round++) {
    for (let at = 0; at < 40; at++) await step();
    const heard = await peer.heard();
    refusedCount += heard.filter(
      (told) => told.kind === "error" && told.code === "resource_exhausted",
    ).length;
    await finish();
    expect(end.runningCount).toBe(0);
    // Just as much as is allowed is taken, and no byte more.
    for (const bytes of [60_000, 40_000, 20_000]) {
      peer.request(nextSeq(), "hold", textOf(bytes));
    }
    const answers = await peer.heard();
    expect(answers).toMatchObject([
      { kind: "error", code: "resource_exhausted", error: { sent: false } },
    ]);
    expect(end.foo.held).toHaveLength(2);
    await finish();
  }
  expect(refusedCount).toBeGreaterThan(5);
  expect(end.events.filter(({ kind }) => kind === "connection-cut")).toEqual(
    [],
  );
});
