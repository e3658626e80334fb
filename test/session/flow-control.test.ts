import { describe, expect, test } from "bun:test";
import { bulkFlushBytes } from "../../src/transport/outbox.ts";
import { kinds } from "../../src/wire/frame.ts";
import { FrameReader } from "../../src/wire/frame-reader.ts";
import type { Limits } from "../../src/wire/limits.ts";
import { link, type LinkOptions } from "./link.ts";
import { twoEnds } from "./two-ends.ts";

const kib = 1024;

/** Two ends of a simulated link. */
function linked(
  options: LinkOptions,
  limits: Partial<Limits> = {},
  bothEnds = {},
) {
  return twoEnds({
    pipes: (clock) => link(clock, options),
    limits: { stallTimeoutMs: 1e9, ...limits },
    ...bothEnds,
  });
}

/** An endless stream, and how far it is on its way. */
class Flow {
  produced = 0;
  /** Items that the reader has got. */
  read = 0;
  /** The most that were produced and not read, at any time. */
  mostUnread = 0;
  readonly #item: Uint8Array;

  constructor(readonly itemBytes: number) {
    this.#item = new Uint8Array(itemBytes);
  }

  async *items(): AsyncGenerator<Uint8Array> {
    for (;;) {
      this.produced++;
      this.mostUnread = Math.max(this.mostUnread, this.produced - this.read);
      yield this.#item;
    }
  }

  get readBytes(): number {
    return this.read * this.itemBytes;
  }

  get unreadBytes(): number {
    return (this.produced - this.read) * this.itemBytes;
  }

  get mostUnreadBytes(): number {
    return this.mostUnread * this.itemBytes;
  }

  /** Reads on, up to so many items. */
  async readFrom(stream: unknown, most = Infinity): Promise<void> {
    const items = stream as AsyncIterator<unknown>;
    while (this.read < most) {
      const { done } = await items.next();
      if (done) return;
      this.read++;
    }
  }
}

/** Starts a download of an endless stream; it is read as far as `most`. */
async function download(
  { dial, accept, clock }: ReturnType<typeof linked>,
  flow: Flow,
  most = Infinity,
): Promise<void> {
  const call = dial.call("hold");
  while (accept.foo.held.length === 0) await clock.advance(1);
  accept.foo.held.pop()?.resolve(flow.items());
  while (!call.isOver) await clock.advance(1);
  flow.readFrom(call.reply, most).catch(() => {});
}

/** Counts the frames of a kind that an end writes. */
function tap(pipe: { write(bytes: Uint8Array): number }, kind: number) {
  const reader = new FrameReader();
  const write = pipe.write.bind(pipe);
  const counted = { frames: 0 };
  pipe.write = (bytes) => {
    const taken = write(bytes);
    reader.push(new Uint8Array(bytes.subarray(0, taken)));
    while (reader.next()) if (reader.kind === kind) counted.frames++;
    return taken;
  };
  return counted;
}

const itemBytes = 1_000;

describe("how fast a stream is", () => {
  const cases = [
    // The window decides.
    { rate: 10_000_000, roundTripMs: 100, window: 64 * kib },
    { rate: 2_000_000, roundTripMs: 200, window: 32 * kib },
    { rate: 2_000_000, roundTripMs: 50, window: 16 * kib },
    // The link decides.
    { rate: 200_000, roundTripMs: 100, window: 256 * kib },
    { rate: 500_000, roundTripMs: 20, window: 64 * kib },
    { rate: 1_000_000, roundTripMs: 1, window: 64 * kib },
  ];
  for (const limit of ["streamWindowBytes", "connectionWindowBytes"] as const) {
    test.each(cases)(
      `${limit} $window, $rate B/s, $roundTripMs ms there and back: as fast as these allow`,
      async ({ rate, roundTripMs, window }) => {
        const flow = new Flow(itemBytes);
        const ends = linked(
          { bytesPerSecond: rate, roundTripMs },
          { [limit]: window },
        );
        await download(ends, flow);
        // The first windows are filled.
        await ends.clock.advance(5 * roundTripMs);
        const before = flow.readBytes;
        const ms = 20 * roundTripMs + 200;
        await ends.clock.advance(ms);
        const measured = ((flow.readBytes - before) / ms) * 1_000;
        const possible = Math.min(rate, (window / roundTripMs) * 1_000);
        // A quarter of a window may be read and not be granted yet.
        expect(measured / possible).toBeGreaterThan(0.74);
        expect(measured / possible).toBeLessThan(1.05);
      },
    );
  }
});

describe("what is kept", () => {
  const slow = { bytesPerSecond: 1_000_000, roundTripMs: 20 };

  test("a reader that stops stops the generator, within its window and an item", async () => {
    const window = 32 * kib;
    const ends = linked(slow, { streamWindowBytes: window });
    const flow = new Flow(itemBytes);
    await download(ends, flow, 100);
    await ends.clock.advance(10_000);
    expect(flow.read).toBe(100);
    const { produced } = flow;
    expect(flow.mostUnreadBytes).toBeLessThanOrEqual(window + itemBytes);
    expect(flow.unreadBytes).toBeGreaterThan(0.74 * window);
    await ends.clock.advance(10_000);
    expect(flow.produced).toBe(produced);
  });

  test("small items are counted as 64 bytes", async () => {
    const window = 32 * kib;
    const ends = linked(slow, { streamWindowBytes: window });
    const flow = new Flow(1);
    await download(ends, flow, 0);
    await ends.clock.advance(10_000);
    expect(flow.produced).toBe(window / 64);
  });

  test("one item may be longer than the window, and then nothing follows it", async () => {
    const ends = linked(slow, { streamWindowBytes: 1_000 });
    const flow = new Flow(300_000);
    await download(ends, flow, 0);
    await ends.clock.advance(10_000);
    expect(flow.produced).toBe(1);
    await download(ends, flow, 2);
    await ends.clock.advance(10_000);
    expect(flow.produced).toBe(4);
  });

  test("of all streams together it is the connection's window, and an item of each", async () => {
    const window = 100 * kib;
    const ends = linked(slow, { connectionWindowBytes: window });
    const flows = Array.from({ length: 20 }, () => new Flow(itemBytes));
    let most = 0;
    for (const [at, flow] of flows.entries()) {
      // Some read nothing, some a little, one all.
      await download(ends, flow, at === 19 ? Infinity : at * 3);
    }
    for (let ms = 0; ms < 3_000; ms += 10) {
      await ends.clock.advance(10);
      most = Math.max(
        most,
        flows.reduce((sum, { unreadBytes }) => sum + unreadBytes, 0),
      );
    }
    expect(most).toBeLessThanOrEqual(window + flows.length * itemBytes);
    expect(most).toBeGreaterThan(0.74 * window);
  });

  test("at the sender it is little more than 192 KiB, whatever the windows are", async () => {
    const ends = linked(slow, {
      streamWindowBytes: 1e9,
      connectionWindowBytes: 1e9,
    });
    const flows = Array.from({ length: 10 }, () => new Flow(itemBytes));
    for (const flow of flows) await download(ends, flow);
    await ends.clock.advance(1_000);
    // Behind them 64 KiB in the kernel, and what is on the link.
    const least = bulkFlushBytes + 64 * kib;
    const unread = flows.reduce((sum, { unreadBytes }) => sum + unreadBytes, 0);
    expect(unread).toBeGreaterThan(0.9 * least);
    expect(unread).toBeLessThan(least + 20 * kib + 10 * itemBytes);
  });

  test("an upload is held in the same way", async () => {
    const window = 32 * kib;
    const ends = linked(slow, { streamWindowBytes: window });
    const flow = new Flow(itemBytes);
    ends.dial.call("hold", flow.items());
    await ends.clock.advance(1_000);
    expect(flow.mostUnreadBytes).toBeLessThanOrEqual(window + itemBytes);
    const [held] = ends.accept.foo.held;
    flow.readFrom(held?.args).catch(() => {});
    await ends.clock.advance(1_000);
    expect(flow.readBytes).toBeGreaterThan(10 * window);
    expect(flow.mostUnreadBytes).toBeLessThanOrEqual(window + itemBytes);
  });
});

test("credit is said at most twice for half a window", async () => {
  const [stream, connection] = [32 * kib, 100 * kib];
  const ends = linked(
    { bytesPerSecond: 1_000_000, roundTripMs: 20 },
    { streamWindowBytes: stream, connectionWindowBytes: connection },
  );
  const credits = tap(ends.near, kinds.credit);
  const flow = new Flow(itemBytes);
  await download(ends, flow);
  await ends.clock.advance(5_000);
  expect(flow.readBytes).toBeGreaterThan(4e6);
  const most =
    (2 * flow.readBytes) / (stream / 2) +
    (2 * flow.readBytes) / (connection / 2);
  expect(credits.frames).toBeGreaterThan(most / 2);
  expect(credits.frames).toBeLessThanOrEqual(most);
});

describe("streams side by side", () => {
  const slow = { bytesPerSecond: 500_000, roundTripMs: 20 };

  test.each([2, 5])("%d of them share the link fairly", async (count) => {
    const ends = linked(slow);
    const flows = Array.from({ length: count }, () => new Flow(itemBytes));
    for (const flow of flows) await download(ends, flow);
    const before = flows.map(({ readBytes }) => readBytes);
    await ends.clock.advance(5_000);
    const shares = flows.map(
      ({ readBytes }, at) => readBytes - (before[at] as number),
    );
    const sum = shares.reduce((all, share) => all + share, 0);
    expect(sum / 5).toBeGreaterThan(0.95 * slow.bytesPerSecond);
    for (const share of shares) {
      expect((share / sum) * count).toBeGreaterThan(0.9);
      expect((share / sum) * count).toBeLessThan(1.1);
    }
  });

  test.each([
    [100_000, 1_000],
    [3_000_000, 1_000],
    [1_000, 100_000],
  ])(
    "one of items of %d bytes and one of %d leave each other their turns",
    async (first, second) => {
      const ends = linked(slow);
      const flows = [new Flow(first), new Flow(second)];
      for (const flow of flows) await download(ends, flow);
      await ends.clock.advance(30_000);
      const shares = flows.map(
        ({ readBytes }) => readBytes / (30 * slow.bytesPerSecond),
      );
      for (const share of shares) expect(share).toBeGreaterThan(0.3);
    },
  );

  test("a large answer gets through beside one that fills the link", async () => {
    const ends = linked(slow);
    await download(ends, new Flow(itemBytes));
    await ends.clock.advance(1_000);
    const call = ends.dial.call("text", 1_000_000);
    await ends.clock.advance(6_000);
    expect(call.reply).toHaveLength(1_000_000);
  });

  test("one that nobody reads costs the others nothing", async () => {
    const ends = linked(slow);
    await download(ends, new Flow(itemBytes), 0);
    const flow = new Flow(itemBytes);
    // The first window is under way.
    await ends.clock.advance(4_000);
    await download(ends, flow);
    await ends.clock.advance(2_000);
    expect(flow.readBytes).toBeGreaterThan(0.9 * 2 * slow.bytesPerSecond);
  });

  test("a call gets through within what is queued in front of it", async () => {
    const ends = linked(slow);
    for (let stream = 0; stream < 5; stream++) {
      await download(ends, new Flow(itemBytes));
    }
    await ends.clock.advance(2_000);
    for (let turn = 0; turn < 5; turn++) {
      const startedAt = ends.clock.now();
      const call = ends.dial.call("echo", turn);
      while (!call.isOver) await ends.clock.advance(5);
      const tookMs = ends.clock.now() - startedAt;
      // 192 KiB and an item in the queue, 64 KiB in the kernel, and what goes there and back.
      const queuedMs = (320 * kib * 1_000) / slow.bytesPerSecond;
      expect(tookMs).toBeLessThan(queuedMs + 2 * slow.roundTripMs + 50);
    }
  });
});
