import { describe, expect, test } from "bun:test";
import { Client } from "../../src/client/client.ts";
import type { Settings } from "../../src/codec/codec.ts";
import { binaryCodecType, createCodec } from "../../src/codec/table.ts";
import type { ServerOptions } from "../../src/server/server.ts";
import { memoryPipe } from "../../src/transport/memory.ts";
import { contextOf, readAll, Recorder } from "../codec/recorder.ts";
import { neverPings } from "../session/two-ends.ts";
import { settle } from "../support/manual-clock.ts";
import { option, setUp, watch } from "./set-up.ts";

/** What the server says of itself to a peer whose Option has those fields. */
async function settingsOf(
  options: ServerOptions,
  fields: Record<string, unknown> = {},
): Promise<Settings | undefined> {
  const { connect } = setUp(options);
  const peer = connect(option({ CodecType: binaryCodecType, ...fields }));
  await settle();
  const codec = createCodec(binaryCodecType, contextOf("dial"));
  const recorder = new Recorder();
  readAll(codec, recorder, peer.ear.bytes);
  const [told] = recorder.take();
  return told?.kind === "settings" ? told.settings : undefined;
}

describe("settings", () => {
  test("say nothing of what is the default", async () => {
    expect(await settingsOf({})).toEqual({
      protocol: 1,
      maxMessageBytes: 4_194_304,
    });
  });

  test("have the windows that are not", async () => {
    const limits = { streamWindowBytes: 70_000, connectionWindowBytes: 80_000 };
    expect(await settingsOf({ limits })).toMatchObject(limits);
  });

  test("have compression where both ends want it", async () => {
    const asked = { Compression: ["zstd"] };
    const agreed = await settingsOf({ compression: true }, asked);
    expect(agreed).toMatchObject({ compression: "zstd" });
    for (const [options, fields] of [
      [{ compression: true }, {}],
      [{ compression: true }, { Compression: ["brotli"] }],
      [{}, asked],
    ] as const) {
      const settings = await settingsOf(options, fields);
      expect(settings).not.toHaveProperty("compression");
    }
  });
});

describe("streams", () => {
  /** A service that streams, and says how far it has come. */
  class Count {
    yielded = 0;
    hasEnded = false;

    async *up(to: number): AsyncGenerator<number, void> {
      try {
        while (this.yielded < to) yield ++this.yielded;
      } finally {
        this.hasEnded = true;
      }
    }
  }

  function setUpCount(options?: ServerOptions) {
    const all = setUp(options);
    const count = new Count();
    all.server.register(count);
    const client = all.dial();
    return {
      ...all,
      count,
      client,
      remote: client.as<{ Count: Count }>().Count,
    };
  }

  test("have the window that the client's Option has", async () => {
    const { server, count, clock } = setUpCount();
    const [mine, theirs] = memoryPipe();
    server.serve(theirs);
    const client = Client.over(mine, {
      clock,
      limits: { streamWindowBytes: 640, connectionWindowBytes: 6_400 },
    });
    const items = await client.call<AsyncIterable<number>>("Count.up", 100);
    await settle();
    // Each takes 64 bytes, and one is asked for only when it could go.
    expect(count.yielded).toBe(10);
    let last = 0;
    for await (const item of items) last = item;
    expect(last).toBe(100);
  });

  test("that run are let finish by a drain, which waits for them", async () => {
    const { server, count, client, remote } = setUpCount();
    const items = (await remote.up(50_000))[Symbol.asyncIterator]();
    await items.next();
    const drained = watch(server.drain());
    await settle();
    expect(client.isAvailable).toBe(false);
    expect(drained.isDone).toBe(false);
    let last = 0;
    for (;;) {
      const { done, value } = await items.next();
      if (done === true) break;
      last = value;
    }
    expect(last).toBe(50_000);
    expect(count.hasEnded).toBe(true);
    await client.closed;
    await settle();
    expect(drained.isDone).toBe(true);
  });

  test("that run on are ended when the drain's time is over", async () => {
    const { clock, server, count, client, remote } = setUpCount();
    const items = (await remote.up(50_000))[Symbol.asyncIterator]();
    await items.next();
    const drained = server.drain(1_000);
    await clock.advance(999);
    expect(count.hasEnded).toBe(false);
    await clock.advance(1);
    await drained;
    expect(count.hasEnded).toBe(true);
    const error = await (async () => {
      while (!(await items.next()).done);
    })().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "unavailable" });
    await client.closed;
  });
});

describe("keepAlive", () => {
  test.each<[string, ServerOptions, number]>([
    ["by default an idle client is asked after 30 s", {}, 30_000],
    [
      "or after what the server was told",
      { keepAlive: { idleMs: 2_000 } },
      2_000,
    ],
  ])("%s; 5 s later it is gone", async (_name, options, idleMs) => {
    const { clock, server } = setUp(options);
    const [mine, theirs] = memoryPipe();
    server.serve(theirs);
    const client = Client.over(mine, { clock, keepAlive: neverPings });
    const sum = { a: 1, b: 2 };
    await client.call("Arith.sum", sum);
    await clock.advance(10 * idleMs);
    await client.call("Arith.sum", sum);
    mine.pause();
    await clock.advance(idleMs + 4_000);
    expect(server.connectionCount).toBe(1);
    await clock.advance(2_000);
    expect(server.connectionCount).toBe(0);
  });
});
