import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, spyOn, test } from "bun:test";
import { Client } from "../../src/client/client.ts";
import {
  binaryCodecType,
  createCodec,
  registerCodec,
} from "../../src/codec/table.ts";
import type { ClientOptions } from "../../src/client/options.ts";
import { Server } from "../../src/server/server.ts";
import { currentCall, detach } from "../../src/service/call-context.ts";
import type { CallOptions } from "../../src/service/call-options.ts";
import type { Context } from "../../src/service/context.ts";
import { memoryPipe } from "../../src/transport/memory.ts";
import { connect } from "../../src/xclient/connect.ts";
import { Holding } from "./holding.ts";
import { WatchedPipe } from "./watched-pipe.ts";

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/** What the last handler of a chain of calls sees. */
interface Sight {
  leftMs: number | undefined;
  traceparent: string | undefined;
}

class Back {
  look(_args: unknown, { deadlineAt, metadata }: Context): Sight {
    return {
      leftMs: deadlineAt && deadlineAt - performance.now(),
      traceparent: metadata.get("traceparent") as string | undefined,
    };
  }

  async *looks(args: unknown, context: Context): AsyncGenerator<Sight, void> {
    yield this.look(args, context);
  }
}

interface Inner extends AsyncDisposable {
  call<Reply>(
    serviceMethod: string,
    args?: unknown,
    options?: CallOptions,
  ): Promise<Reply>;
}

type Dial = (address: string, options: ClientOptions) => Promise<Inner>;

/** Passes calls on to another server, which it dials when it is first called. */
class Front {
  readonly #address: string;
  readonly #dial: Dial;
  inner: Promise<Inner> | undefined;

  constructor(address: string, dial: Dial) {
    this.#address = address;
    this.#dial = dial;
  }

  async relay(serviceMethod: string): Promise<unknown> {
    return (await this.#dialled()).call(serviceMethod, "relayed");
  }

  async relayDetached(serviceMethod: string): Promise<unknown> {
    const inner = await this.#dialled();
    return detach(() => inner.call(serviceMethod, "detached"));
  }

  async *relayItems(serviceMethod: string): AsyncGenerator<unknown, void> {
    const inner = await this.#dialled();
    yield* await inner.call<AsyncIterable<unknown>>(serviceMethod, "relayed");
  }

  #dialled(): Promise<Inner> {
    // Longer than any call here has, so that nobody's own limit is the shorter one.
    this.inner ??= this.#dial(this.#address, { callTimeoutMs: 200_000 });
    return this.inner;
  }
}

/** A server whose handlers call another server. */
async function setUp(dial: Dial) {
  const holding = new Holding();
  const back = new Server().register(new Back()).register(holding);
  const front = new Front(await back.listen(), dial);
  const server = new Server().register(front);
  const client = await Client.dial(await server.listen());
  return {
    front,
    diary: holding.diary,
    client,
    remote: client.as<{ Front: Front }>().Front,
    async [Symbol.asyncDispose]() {
      await client.close();
      await (await front.inner)?.[Symbol.asyncDispose]();
      await server.close();
      await back.close();
    },
  };
}

const metadata = { traceparent };

describe.each<[string, Dial]>([
  ["Client", Client.dial],
  ["XClient", connect],
])("a handler that calls by %s", (_name, dial) => {
  test("hands down what is left of its deadline, and its trace", async () => {
    await using both = await setUp(dial);
    const options = { timeoutMs: 20_000, metadata };
    const sight = (await both.remote.relay("Back.look", options)) as Sight;
    expect(sight.traceparent).toBe(traceparent);
    expect(sight.leftMs).toBeLessThanOrEqual(20_001);
    for await (const item of both.remote.relayItems("Back.looks", options)) {
      expect((item as Sight).traceparent).toBe(traceparent);
    }
  });

  test("hands down neither inside detach()", async () => {
    await using both = await setUp(dial);
    const options = { timeoutMs: 20_000, metadata };
    const sight = (await both.remote.relayDetached(
      "Back.look",
      options,
    )) as Sight;
    expect(sight.traceparent).toBeUndefined();
    expect(sight.leftMs).toBeGreaterThan(20_001);
  });

  test("that runs out of time takes its own call with it", async () => {
    await using both = await setUp(dial);
    const call = both.remote.relay("Holding.call", { timeoutMs: 50 });
    await expect(call).rejects.toMatchObject({ code: "deadline_exceeded" });
    const ends = ["cancelled", "deadline_exceeded"].map((code) =>
      both.diary.until(`relayed aborted: ${code}`),
    );
    await Promise.race(ends);
  });

  test("hands its caller's abort down, to calls and to streams", async () => {
    await using both = await setUp(dial);
    const { client, remote, diary } = both;
    const controller = new AbortController();
    const options = { signal: controller.signal, timeoutMs: 0 };
    const call = client.go("Front.relay", "Holding.call", options);
    await diary.until("relayed started");
    const items = await remote.relayItems("Holding.stream", options);
    await items.next();
    diary.write("the caller aborts");
    controller.abort();
    expect((await call.done).error).toMatchObject({ code: "cancelled" });
    await diary.until("relayed aborted: cancelled", 2);
    await diary.until("relayed ended");
    expect(diary.entries[1]).toBe("the caller aborts");
  });

  test("hands no abort down inside detach()", async () => {
    await using both = await setUp(dial);
    const { client, remote, diary } = both;
    const controller = new AbortController();
    const options = { signal: controller.signal, timeoutMs: 0 };
    const call = client.go("Front.relayDetached", "Holding.call", options);
    await diary.until("detached started");
    const other = client.go("Front.relay", "Holding.call", options);
    await diary.until("relayed started");
    controller.abort();
    await Promise.all([call.done, other.done]);
    // By now the abort has come this far.
    await diary.until("relayed aborted: cancelled");
    expect(await remote.relay("Back.look")).toBeDefined();
    expect(diary.entries).not.toContain("detached aborted: cancelled");
  });

  test("dials for later calls, too, which see nothing of the first", async () => {
    await using both = await setUp(dial);
    const controller = new AbortController();
    await both.remote.relay("Back.look", {
      timeoutMs: 20_000,
      metadata,
      signal: controller.signal,
    });
    controller.abort();
    const sight = (await both.remote.relay("Back.look", {
      timeoutMs: 0,
    })) as Sight;
    expect(sight.traceparent).toBeUndefined();
    expect(sight.leftMs).toBeGreaterThan(20_001);
  });
});

/** A user's own storage, in which a connection is dialled. */
const storage = new AsyncLocalStorage<string>();

/** The binary codec; at dialling ends it writes down in whose context it reads. */
const watchedCodec = "application/x-watched";
const seenByCodec: unknown[] = [];
registerCodec(watchedCodec, (context) => {
  const codec = createCodec(binaryCodecType, context);
  if (context.role === "accept") return codec;
  const push = codec.push.bind(codec);
  codec.push = (chunk) => {
    seenByCodec.push(storage.getStore(), currentCall());
    push(chunk);
  };
  return codec;
});

describe.each<[string, Dial]>([
  ["Client", Client.dial],
  ["XClient", connect],
])("a connection that a handler has dialled by %s", (_name, dial) => {
  test("reads what comes over it outside of every call", async () => {
    await using back = new Server().register(new Back());
    const address = await back.listen();
    let inner: Inner | undefined;
    const handlers = {
      async first() {
        await storage.run("of the first call", async () => {
          inner = await dial(address, { codec: watchedCodec });
          await inner.call("Back.look");
        });
      },
      async next() {
        await inner?.call("Back.look");
      },
    };
    await using front = new Server().register(handlers, "Front");
    await using client = await Client.dial(await front.listen());
    await client.call("Front.first");
    seenByCodec.length = 0;
    await client.call("Front.next");
    expect(seenByCodec).toEqual([undefined, undefined]);
    await inner?.[Symbol.asyncDispose]();
  });

  test("serves the other end's calls in their own context", async () => {
    const seen: unknown[] = [];
    const asking = {
      ask: (_args: unknown, { peer }: Context) =>
        peer.call("Spot.look", 0, { metadata: { of: "the next call" } }),
    };
    await using back = new Server().register(asking, "Back");
    const address = await back.listen();
    const look = () => {
      seen.push(storage.getStore(), currentCall()?.metadata.get("of"));
    };
    let inner: Inner | undefined;
    const handlers = {
      async first() {
        await storage.run("of the first call", async () => {
          inner = await dial(address, { services: { Spot: { look } } });
          await inner.call("Back.ask");
        });
      },
      async next() {
        await inner?.call("Back.ask");
      },
    };
    await using front = new Server().register(handlers, "Front");
    await using client = await Client.dial(await front.listen());
    await client.call("Front.first", 0, { metadata: { of: "the first call" } });
    await client.call("Front.next");
    expect(seen).toEqual([
      undefined,
      "the next call",
      undefined,
      "the next call",
    ]);
    await inner?.[Symbol.asyncDispose]();
  });
});

test("a connection in memory keeps nothing of whoever calls over it, at neither end", async () => {
  const seen: unknown[] = [];
  const look = () => seen.push(storage.getStore());
  const [near, far] = memoryPipe();
  const server = new Server().register(new Back());
  server.serve(new WatchedPipe(far, { onRead: look, onClose: look }));
  await storage.run("of the first call", async () => {
    const client = Client.over(near);
    await client.call("Back.look");
    near.abort();
    await client.closed;
  });
  expect(seen.length).toBeGreaterThan(1);
  expect(new Set(seen)).toEqual(new Set([undefined]));
  await server.close();
});

test("one that is closed leaves no timer inside of whoever closes it", async () => {
  await using server = new Server().register(new Back());
  const client = await Client.dial(await server.listen());
  const seen: unknown[] = [];
  const start = globalThis.setTimeout;
  const spy = spyOn(globalThis, "setTimeout").mockImplementation(((
    ...args: Parameters<typeof start>
  ) => {
    seen.push(storage.getStore());
    return start(...args);
  }) as typeof start);
  try {
    await storage.run("of the last call", () => client.close());
  } finally {
    spy.mockRestore();
  }
  expect(seen.length).toBeGreaterThan(0);
  expect(new Set(seen)).toEqual(new Set([undefined]));
});
