import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { Invocation } from "../../src/service/invocation.ts";
import { silentPeer } from "../../src/service/silent-peer.ts";
import { Flow } from "../../src/session/flow.ts";
import type { Sender } from "../../src/session/sender.ts";
import { ServedStreams } from "../../src/session/served-streams.ts";
import { defaultLimits } from "../../src/wire/limits.ts";
import { settle } from "../support/manual-clock.ts";
import { Feed } from "./feed.ts";
import { Reading } from "./reading.ts";

const itemBytes = 100;
const reason = new RpcError("cancelled", "the test");

/** A sender that writes down what it is given. */
class Told {
  readonly told: unknown[][] = [];
  readonly hasItemRoom = true;
  /** What of an item of each argument has come. */
  readonly partialBytes = new Map<number, number>();
  onStreamed: () => void = () => {};
  onEnd: () => void = () => {};
  holds = false;

  streamed(seq: number): void {
    this.onStreamed();
    this.told.push(["streamed", seq]);
  }
  item(seq: number, isAnswer: boolean, item: unknown): number {
    expect(isAnswer).toBe(true);
    this.told.push(["item", seq, item]);
    return itemBytes;
  }
  end(seq: number, isAnswer: boolean): void {
    expect(isAnswer).toBe(true);
    this.onEnd();
    this.told.push(["end", seq]);
  }
  credit(seq: number, isAnswer: boolean, bytes: number): void {
    if (seq > 0) expect(isAnswer).toBe(true);
    this.told.push(["credit", seq, bytes]);
  }
  forgetItem(seq: number, isAnswer: boolean): number {
    expect(isAnswer).toBe(false);
    const bytes = this.partialBytes.get(seq) ?? 0;
    this.partialBytes.delete(seq);
    return bytes;
  }
  holdsItem(): boolean {
    return this.holds;
  }
  scheduleItems(): void {}
  readonly hasSession = true;

  dropItem(seq: number): void {
    this.told.push(["dropItem", seq]);
  }
}

function setUp({ maxStreams = 10, windowBytes = 1_000 } = {}) {
  const sender = new Told();
  const flow = new Flow(sender as unknown as Sender, {
    ...defaultLimits,
    streamWindowBytes: windowBytes,
    connectionWindowBytes: 10 * windowBytes,
    maxMessageBytes: windowBytes,
  });
  flow.open(windowBytes, 10 * windowBytes);
  const streams = new ServedStreams(
    sender as unknown as Sender,
    flow,
    maxStreams,
  );
  /** Sends a reply, and says how that ended. */
  const send = (seq: number, items: AsyncIterable<unknown>) => {
    const invocation = new Invocation(
      seq,
      "Foo.feed",
      undefined,
      0,
      false,
      silentPeer("here"),
    );
    const sent = { end: undefined as unknown };
    streams.send(invocation, items).then(
      () => (sent.end = "done"),
      (thrown) => (sent.end = thrown),
    );
    return sent;
  };
  return { sender, flow, streams, send };
}

function codeThrownBy(work: () => void): string | undefined {
  try {
    work();
  } catch (thrown) {
    return RpcError.from(thrown).code;
  }
  return undefined;
}

describe("an argument", () => {
  test("gives its items to the handler, and grants what that has read", async () => {
    const { sender, streams } = setUp();
    const reading = new Reading(streams.receive(3));
    expect(streams.awaits(3)).toBe(true);
    for (let item = 0; item < 6; item++) streams.item(3, item, itemBytes);
    streams.halfClose(3);
    expect(streams.awaits(3)).toBe(false);
    await settle();
    expect(reading.items).toEqual([0, 1, 2, 3, 4, 5]);
    expect(reading.end).toBe("done");
    expect(sender.told).toEqual([
      ["credit", 3, 300],
      ["credit", 3, 300],
    ]);
    expect(streams.count).toBe(1);
    streams.end(3, reason);
    expect(streams.count).toBe(0);
  });

  test("of a call that is over drops what was not read, and gives that back", async () => {
    const { sender, streams } = setUp();
    const items = streams.receive(3);
    streams.item(3, "a", 500);
    streams.item(3, "b", 4_500);
    streams.end(3, reason);
    // To the connection only: the stream is not to go on.
    expect(sender.told).toEqual([["credit", 0, 5_000]]);
    const { value } = (await items.next().catch((error) => ({
      value: error,
    }))) as { value: unknown };
    expect(value).toBe(reason);
  });

  test("items of none are dropped and given back", () => {
    const { sender, streams } = setUp();
    expect(streams.awaits(3)).toBe(false);
    for (let item = 0; item < 10; item++) {
      expect(streams.item(3, item, 500)).toBe(false);
    }
    expect(sender.told).toEqual([
      ["credit", 0, 2_500],
      ["credit", 0, 2_500],
    ]);
  });

  test("one that was half here when the call was over is given back", () => {
    const { sender, streams } = setUp();
    streams.receive(3);
    sender.partialBytes.set(3, 5_000);
    streams.end(3, reason);
    expect(sender.told).toEqual([["credit", 0, 5_000]]);
  });

  test("that its handler leaves is granted nothing, and one that was half here is given back", async () => {
    const { sender, streams } = setUp();
    const items = streams.receive(3);
    sender.partialBytes.set(3, 2_300);
    for (let item = 0; item < 5; item++) streams.item(3, item, 100);
    await items.return();
    expect(sender.told).toEqual([["credit", 0, 2_800]]);
    expect(streams.awaits(3)).toBe(false);
    // Its caller cannot know of that yet.
    expect(streams.item(3, "late", 100)).toBe(true);
    expect(streams.halfClose(3)).toBe(true);
    expect(sender.told).toHaveLength(1);
    streams.end(3, reason);
    expect(streams.count).toBe(0);
  });

  test("behind its end takes neither an item nor an end", () => {
    const { streams } = setUp();
    streams.receive(3);
    expect(streams.halfClose(3)).toBe(true);
    expect(streams.item(3, "a", 100)).toBe(false);
    expect(streams.halfClose(3)).toBe(false);
  });

  test.each([false, true])(
    "an item over its window is refused (reader gone: %p)",
    async (isLeft) => {
      const { streams } = setUp();
      const items = streams.receive(3);
      if (isLeft) await items.return();
      streams.item(3, "a", 1_000);
      expect(codeThrownBy(() => streams.item(3, "b", 1))).toBe(
        "resource_exhausted",
      );
    },
  );

  test("is there until its call is over", () => {
    const { streams, send } = setUp();
    streams.receive(3);
    send(4, new Feed().items());
    const seqs = [2, 3, 4];
    expect(seqs.filter((seq) => streams.has(seq))).toEqual([3, 4]);
  });
});

describe("a reply", () => {
  test("is begun, sent and ended, and then nothing of it is left", async () => {
    const { sender, streams, send } = setUp();
    const feed = new Feed();
    const sent = send(3, feed.items());
    feed.give("a", "b");
    await settle();
    expect(streams.count).toBe(1);
    expect(sent.end).toBe(undefined);
    feed.end();
    await settle();
    expect(sender.told).toEqual([
      ["streamed", 3],
      ["item", 3, "a"],
      ["item", 3, "b"],
      ["end", 3],
    ]);
    expect(sent.end).toBe("done");
    expect(streams.count).toBe(0);
  });

  test("goes on as its caller grants", async () => {
    const { sender, streams, send } = setUp({ windowBytes: itemBytes });
    const feed = new Feed();
    feed.give("a", "b", "c");
    send(3, feed.items());
    await settle();
    expect(sender.told).toHaveLength(2);
    streams.grant(3, 1);
    streams.grant(9, 1_000);
    await settle();
    expect(sender.told).toHaveLength(3);
  });

  test("that fails is told behind its items, and has no end", async () => {
    const { sender, streams, send } = setUp();
    const feed = new Feed();
    const thrown = new Error("the source");
    feed.give("a");
    feed.fail(thrown);
    const sent = send(3, feed.items());
    await settle();
    expect(sender.told).toEqual([
      ["streamed", 3],
      ["item", 3, "a"],
    ]);
    expect(sent.end).toBe(thrown);
    expect(streams.count).toBe(0);
  });

  test("that nobody wants is over when its source is", async () => {
    const { sender, streams, send } = setUp();
    const feed = new Feed();
    const sent = send(3, feed.items());
    feed.give("a");
    await settle();
    streams.end(3, reason);
    streams.end(3, reason);
    await settle();
    expect(sent.end).toBe(undefined);
    expect(streams.count).toBe(1);
    feed.cut();
    await settle();
    expect(sent.end).toBe("done");
    expect(feed.ends).toBe(1);
    expect(sender.told).toEqual([
      ["streamed", 3],
      ["item", 3, "a"],
      ["dropItem", 3],
    ]);
    expect(streams.count).toBe(0);
  });

  const ill = new RpcError("internal", "no such metadata");

  test("that cannot begin is ended without being asked", async () => {
    const { sender, streams, send } = setUp();
    sender.onStreamed = () => {
      throw ill;
    };
    let returns = 0;
    const sent = send(3, {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.reject(new Error("asked")),
        return: () => {
          returns++;
          return Promise.reject(new Error("nor can it end"));
        },
      }),
    });
    await settle();
    expect(sent.end).toBe(ill);
    expect(returns).toBe(1);
    expect(streams.count).toBe(0);
  });

  test("whose end cannot be sent fails", async () => {
    const { sender, streams, send } = setUp();
    sender.onEnd = () => {
      throw ill;
    };
    const feed = new Feed();
    feed.end();
    const sent = send(3, feed.items());
    await settle();
    expect(sent.end).toBe(ill);
    expect(streams.count).toBe(0);
  });

  test("whose connection ends while it is begun is not asked", async () => {
    const { sender, streams, send } = setUp();
    sender.onStreamed = () => streams.end(3, reason);
    const feed = new Feed();
    const sent = send(3, feed.items());
    await settle();
    expect(feed.pulls).toBe(0);
    expect(sent.end).toBe("done");
    expect(streams.count).toBe(0);
  });
});

describe("the number of calls with streams", () => {
  const exhausted = "resource_exhausted";

  test("is limited: an argument beyond it was not started, a reply fails", async () => {
    const { streams, send } = setUp({ maxStreams: 2 });
    streams.receive(1);
    send(2, new Feed().items());
    let error: unknown;
    try {
      streams.receive(3);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: exhausted, sent: false });
    const unread = new Feed();
    const sent = send(4, unread.items());
    await settle();
    expect(sent.end).toMatchObject({ code: exhausted, sent: undefined });
    expect(unread.pulls).toBe(0);
    expect(streams.count).toBe(2);
    streams.end(1, reason);
    streams.receive(5);
  });

  test("counts a call once that has both", async () => {
    const { streams, send } = setUp({ maxStreams: 1 });
    streams.receive(1);
    const feed = new Feed();
    const sent = send(1, feed.items());
    await settle();
    expect(streams.count).toBe(1);
    feed.end();
    await settle();
    expect(sent.end).toBe("done");
    // Its argument may still be read.
    expect(streams.awaits(1)).toBe(true);
    streams.end(1, reason);
    expect(streams.count).toBe(0);
  });

  test("counts one whose reply goes on when its argument is over", async () => {
    const { streams, send } = setUp({ maxStreams: 1 });
    streams.receive(1);
    const feed = new Feed();
    send(1, feed.items());
    streams.end(1, reason);
    expect(codeThrownBy(() => streams.receive(2))).toBe(exhausted);
    feed.cut();
    await settle();
    streams.receive(2);
  });
});
