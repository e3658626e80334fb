import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import type { Context } from "../../src/service/context.ts";
import { kinds } from "../../src/wire/frame.ts";
import type { Metadata } from "../../src/wire/metadata.ts";
import { settle } from "../support/manual-clock.ts";
import { Feed } from "./feed.ts";
import { expectNothingLeft, oneEnd, StartedCall, twoEnds } from "./two-ends.ts";

const some: Metadata = new Map<string, string | Uint8Array>([
  ["user", "Zoë"],
  ["key-bin", Uint8Array.of(0, 255)],
]);
/** Over the 8 KiB of the limit. */
const long = "x".repeat(9_000);

/** A call of `hold` or `feed` that has started, and what it was told of metadata. */
async function started(method: "hold" | "feed") {
  const ends = twoEnds();
  const told: Metadata[] = [];
  const call = ends.dial.call(method, 0, {
    onMetadata: (metadata) => void told.push(metadata),
  });
  await settle();
  const [held] = ends.accept.foo.held;
  const [feed] = ends.accept.foo.feeds;
  const { responseMetadata } = (held ?? feed)?.context ?? {};
  return {
    ends,
    told,
    call,
    held,
    feed,
    metadata: responseMetadata as Map<string, string | Uint8Array>,
  };
}

describe("with a request", () => {
  test("reaches its handler: of a call, of a stream and of one without an answer", async () => {
    const { dial, accept } = twoEnds();
    dial.call("hold", 0, { metadata: some });
    dial.call("feed", 0, { metadata: some });
    dial.call("hold", new Feed().items(), { metadata: some });
    dial.session.notify("Foo.hold", 0, undefined, some);
    dial.call("hold");
    await settle();
    const { held, feeds } = accept.foo;
    const [lone, argument, oneWay, none] = held;
    for (const each of [lone, argument, oneWay, feeds[0]]) {
      expect(each?.context?.metadata).toEqual(some);
    }
    expect(none?.context.metadata).toEqual(new Map());
  });

  test("over the limits fails the call, of which nothing is sent", async () => {
    const ends = twoEnds();
    const metadata = new Map([["key", long]]);
    const feed = new Feed();
    const calls = [
      ends.dial.call("echo", 1, { metadata }),
      ends.dial.call("collect", feed.items(), { metadata }),
    ];
    await settle();
    for (const { error } of calls)
      expect(error?.code).toBe("resource_exhausted");
    expect(ends.accept.foo.started).toEqual([]);
    expect(feed.pulls).toBe(0);
    await expectNothingLeft(ends);
  });
});

describe("with an answer", () => {
  test("is told in front of the reply", async () => {
    const { dial, accept } = twoEnds();
    const order: unknown[] = [];
    const promise = dial.calls.call("Foo.hold", 0, {
      onMetadata: (metadata) => void order.push(metadata),
    });
    void promise.then((reply) => order.push(reply));
    await settle();
    const [held] = accept.foo.held;
    for (const [key, value] of some) {
      held?.context.responseMetadata.set(key, value);
    }
    held?.resolve("reply");
    await settle();
    expect(order).toEqual([some, "reply"]);
  });

  test("is not told where there is none, and costs nothing where nobody asks", async () => {
    const { told, call, held } = await started("hold");
    held?.resolve("reply");
    await settle();
    expect(call.reply).toBe("reply");
    expect(told).toEqual([]);
    const { dial, accept } = twoEnds();
    const unasked = dial.call("hold");
    await settle();
    accept.foo.held[0]?.context.responseMetadata.set("key", "value");
    accept.foo.held[0]?.resolve("reply");
    await settle();
    expect(unasked.reply).toBe("reply");
  });

  test("comes with an error", async () => {
    const { told, call, held, metadata } = await started("hold");
    metadata.set("key", "value");
    held?.reject(new RpcError("not_found", "no"));
    await settle();
    expect(call.error?.code).toBe("not_found");
    expect(told).toEqual([new Map([["key", "value"]])]);
  });

  test("that cannot go with a reply is the call's error", async () => {
    for (const [key, value, code] of [
      ["key", long, "resource_exhausted"],
      ["No Key", "value", "internal"],
      ["key", 5 as unknown as string, "internal"],
    ] as const) {
      const { ends, call, held, metadata } = await started("hold");
      metadata.set(key, value);
      held?.resolve("reply");
      await settle();
      expect(call.error?.code).toBe(code);
      await expectNothingLeft(ends);
    }
  });

  test("that is none is not sent: what goes out is the error", async () => {
    const { end, peer } = oneEnd("accept");
    await peer.heard();
    for (const method of ["hold", "feed"]) {
      peer.request(1, method);
      await settle();
      const [call] = method === "hold" ? end.foo.held : end.foo.feeds;
      call?.context?.responseMetadata.set("No Key", "value");
      if (method === "hold") end.foo.held[0]?.resolve("reply");
      else end.foo.feeds[0]?.end();
      const heard = await peer.heard();
      expect(heard.at(-1)).toMatchObject({ seq: 1, code: "internal" });
      // An answer that cannot be read would be told as one, too.
      expect(peer.ear.chunks.at(-1)?.[0]).toBe(kinds.error);
    }
  });

  test("that cannot go with an error is left out", async () => {
    const { told, call, held, metadata } = await started("hold");
    metadata.set("key", long);
    held?.reject(new RpcError("not_found", "no"));
    await settle();
    expect(call.error?.code).toBe("not_found");
    expect(told).toEqual([]);
  });
});

describe("with a stream", () => {
  test("what is set before it begins comes with its beginning, the rest with its end", async () => {
    const { ends, told, call, held, metadata } = await started("hold");
    const feed = new Feed();
    metadata.set("early", "1");
    held?.resolve(feed.items());
    await settle();
    expect(told).toEqual([new Map([["early", "1"]])]);
    const reading = call.read();
    held?.context.responseMetadata.set("late", "2");
    feed.end();
    await settle();
    expect(reading.end).toBe("done");
    expect(told).toEqual([new Map([["early", "1"]]), new Map([["late", "2"]])]);
    await expectNothingLeft(ends);
  });

  test("that fails comes with its error", async () => {
    const { told, call, feed, metadata } = await started("feed");
    const reading = call.read();
    metadata.set("late", "2");
    feed?.fail(new RpcError("not_found", "no"));
    await settle();
    expect(reading.code).toBe("not_found");
    expect(told).toEqual([new Map([["late", "2"]])]);
  });

  test("that cannot go with its beginning is the call's error, and the source is not asked", async () => {
    for (const [key, value, code] of [
      ["key", long, "resource_exhausted"],
      ["No Key", "value", "internal"],
    ] as const) {
      const { ends, call, held, metadata } = await started("hold");
      const feed = new Feed();
      metadata.set(key, value);
      held?.resolve(feed.items());
      await settle();
      expect(call.error?.code).toBe(code);
      expect(feed.pulls).toBe(0);
      await expectNothingLeft(ends);
    }
  });

  test("that cannot go with its end is its error, behind its items", async () => {
    for (const [key, value, code] of [
      ["key", long, "resource_exhausted"],
      ["No Key", "value", "internal"],
    ] as const) {
      const { ends, call, feed, metadata } = await started("feed");
      const reading = call.read();
      metadata.set(key, value);
      feed?.give("a");
      feed?.end();
      await settle();
      expect(reading).toMatchObject({ items: ["a"], code });
      await expectNothingLeft(ends);
    }
  });
});

test("a map that a handler holds goes on with a stream's end", async () => {
  const { told, call, feed, metadata } = await startedStream();
  metadata.set("second", "2");
  feed?.end();
  await settle();
  call.read();
  await settle();
  expect(told).toEqual([new Map([["first", "1"]]), new Map([["second", "2"]])]);
});

/** A stream whose handler has set metadata before it began, and holds the map. */
async function startedStream() {
  const ends = twoEnds();
  const told: Metadata[] = [];
  let metadata = new Map<string, string | Uint8Array>();
  const feed = new Feed();
  ends.accept.services.register(
    {
      items(_: unknown, context: Context) {
        metadata = context.responseMetadata;
        metadata.set("first", "1");
        return feed.items();
      },
    },
    "Bar",
  );
  const call = new StartedCall("Bar.items", 0, 0, undefined);
  call.pending.onMetadata = (each) => void told.push(each);
  ends.dial.session.start(call.pending);
  await settle();
  return { told, call, feed, metadata };
}

test.each([
  ["throws", () => throwOwn()],
  ["rejects", async () => throwOwn()],
])(
  "an onMetadata that %s is a warning, and costs no call",
  async (_, listen) => {
    const warned: Error[] = [];
    const onWarning = (warning: Error) => void warned.push(warning);
    process.on("warning", onWarning);
    try {
      const { dial, accept } = twoEnds();
      const call = dial.call("hold", 0, { onMetadata: listen });
      await settle();
      accept.foo.held[0]?.context.responseMetadata.set("key", "value");
      accept.foo.held[0]?.resolve("reply");
      await settle();
      expect(call.reply).toBe("reply");
      await new Promise((resolve) => setImmediate(resolve));
      expect(warned.map(({ cause }) => cause)).toEqual([own]);
    } finally {
      process.off("warning", onWarning);
    }
  },
);

const own = new Error("a listener's own");

function throwOwn(): never {
  throw own;
}
