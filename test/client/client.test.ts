import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, spyOn, test } from "bun:test";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { jsonCodecType } from "../../src/codec/table.ts";
import { Client } from "../../src/client/client.ts";
import type { ClientOptions } from "../../src/client/options.ts";
import { UnansweredError } from "../../src/client/unanswered-error.ts";
import { RpcError } from "../../src/errors.ts";
import { Server } from "../../src/server/server.ts";
import type { Context, Peer } from "../../src/service/context.ts";
import type { Interceptor } from "../../src/service/interceptor.ts";
import { parseAddress } from "../../src/transport/address.ts";
import { listenPipes } from "../../src/transport/listen.ts";
import { memoryPipe } from "../../src/transport/memory.ts";
import type { Pipe } from "../../src/transport/pipe.ts";
import { parseOption } from "../../src/wire/option.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import { neverPings } from "../session/two-ends.ts";
import { PipeEar } from "../support/pipe-ear.ts";

class Foo {
  readonly held: { context: Context; resolve(reply: unknown): void }[] = [];

  echo(args: unknown): unknown {
    return args;
  }

  hold(_args: unknown, context: Context): Promise<unknown> {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.held.push({ context, resolve });
    return promise;
  }
}

/** A server and a client of it over memory, with one clock. */
function setUp(options: ClientOptions = {}) {
  const clock = new ManualClock();
  const foo = new Foo();
  const server = new Server({ clock, keepAlive: neverPings }).register(foo);
  const [near, far] = memoryPipe();
  server.serve(far);
  const client = Client.over(near, { clock, ...options });
  return { clock, foo, server, client, near, far };
}

/** What the client says first, as its Option. */
async function optionOf(options: ClientOptions) {
  const [near, far] = memoryPipe();
  const ear = new PipeEar();
  far.attach(ear);
  const client = Client.over(near, { clock: new ManualClock(), ...options });
  await ear.until(() => ear.byteCount > 0);
  far.abort();
  await client.closed;
  return ear.bytes.toString();
}

/** A listener that accepts, and says what `greet` makes it say. */
async function stranger(greet: (pipe: Pipe) => void) {
  const ear = new PipeEar();
  const listener = await listenPipes(
    parseAddress("tcp@127.0.0.1:0"),
    (pipe) => {
      pipe.attach(ear);
      greet(pipe);
    },
  );
  return { ear, listener, address: listener.address };
}

const notConnected = { code: "unavailable", sent: false };

test("one of many connections writes once a turn of the loop, others once the code that runs has ended", async () => {
  for (const [isOneOfMany, writes] of [
    [false, 2],
    [true, 1],
  ] as const) {
    const { client, near } = setUp({ isOneOfMany });
    await client.call("Foo.echo");
    const write = spyOn(near, "write");
    const first = client.call("Foo.echo", 1);
    await Promise.resolve();
    const second = client.call("Foo.echo", 2);
    expect(await Promise.all([first, second])).toEqual([1, 2]);
    expect(write).toHaveBeenCalledTimes(writes);
    await client.close();
  }
});

test("a call without an answer is written once the code that runs has ended: then its process may exit", async () => {
  const { client, near } = setUp({ isOneOfMany: true });
  await client.call("Foo.echo");
  const write = spyOn(near, "write");
  await client.notify("Foo.echo", 1);
  expect(write).toHaveBeenCalledTimes(1);
  await client.close();
});

describe("the Option", () => {
  test("has the original's keys in its units, then ours, on one line", async () => {
    const text = await optionOf({ handleTimeoutMs: 1_500 });
    expect(text.endsWith("}\n")).toBe(true);
    expect(JSON.parse(text)).toEqual({
      MagicNumber: 0x3bef5c,
      CodecType: "application/x-geerpc",
      ConnectTimeout: 10_000_000_000,
      HandleTimeout: 1_500_000_000,
      Protocol: 1,
    });
  });

  const odd = [33.333333333, 0.07, 1e-9, Infinity, 1e12];
  for (const timeoutMs of odd) {
    test(`is acceptable with a timeout of ${timeoutMs} ms, which does not become none`, async () => {
      const text = await optionOf({
        codec: jsonCodecType,
        connectTimeoutMs: timeoutMs,
        handleTimeoutMs: timeoutMs,
      });
      const { option, error } = parseOption(text);
      expect(error).toBeUndefined();
      expect(option.HandleTimeout).toBeGreaterThan(0);
      expect(option.ConnectTimeout).toBeGreaterThan(0);
      // Go takes plain digits only.
      expect(text).toMatch(/"HandleTimeout":\d+,/);
    });
  }
});

describe("the Option, where they are not the default,", () => {
  test("has the windows", async () => {
    const text = await optionOf({
      limits: { streamWindowBytes: 70_000, connectionWindowBytes: 80_000 },
    });
    expect(JSON.parse(text)).toMatchObject({
      StreamWindow: 70_000,
      ConnectionWindow: 80_000,
    });
  });

  test("has windows without end as the largest whole number", async () => {
    const text = await optionOf({
      limits: { streamWindowBytes: Infinity, connectionWindowBytes: Infinity },
    });
    const { option, error } = parseOption(text);
    expect(error).toBeUndefined();
    expect(option).toMatchObject({
      StreamWindow: Number.MAX_SAFE_INTEGER,
      ConnectionWindow: Number.MAX_SAFE_INTEGER,
    });
  });

  test("asks for compression", async () => {
    const asked = JSON.parse(await optionOf({ compression: true }));
    expect(asked).toMatchObject({ Compression: ["zstd"] });
    const not = JSON.parse(await optionOf({ compression: false }));
    expect(not).not.toHaveProperty("Compression");
  });
});

describe("dial", () => {
  test("resolves once the server has accepted, and leaves no timer", async () => {
    await using server = new Server().register(new Foo());
    const clock = new ManualClock();
    await using client = await Client.dial(await server.listen(), {
      clock,
      keepAlive: neverPings,
    });
    expect(clock.timers).toBe(0);
    expect(client.isAvailable).toBe(true);
    expect(await client.call("Foo.echo", 1, { timeoutMs: 0 })).toBe(1);
  });

  test("keeps nothing of the asynchronous context that it is called in", async () => {
    await using server = new Server().register(new Foo());
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const clock: Clock = {
      now: () => systemClock.now(),
      after: (delayMs, run) => {
        seen.push(storage.getStore());
        return systemClock.after(delayMs, run);
      },
    };
    const address = await server.listen();
    await storage.run("of the first call", async () => {
      await using _client = await Client.dial(address, { clock });
    });
    // Of the dial, of the handshake and of keepalive at least.
    expect(seen.length).toBeGreaterThan(2);
    expect(new Set(seen)).toEqual(new Set([undefined]));
  });

  test("the connect timeout covers a server that accepts and says nothing", async () => {
    const { ear, listener, address } = await stranger(() => {});
    const clock = new ManualClock();
    const outcome = Client.dial(address, {
      clock,
      connectTimeoutMs: 700,
    }).catch((thrown) => thrown);
    await ear.until(() => ear.byteCount > 0);
    await clock.advance(699);
    expect(ear.closes).toEqual([]);
    await clock.advance(1);
    expect(await outcome).toMatchObject(notConnected);
    await ear.until(() => ear.closes.length > 0);
    expect(clock.timers).toBe(0);
    listener.close();
  });

  test("with no connect timeout it waits, until its signal aborts", async () => {
    const { ear, listener, address } = await stranger(() => {});
    const clock = new ManualClock();
    const controller = new AbortController();
    const outcome = Client.dial(address, {
      clock,
      connectTimeoutMs: 0,
      signal: controller.signal,
    }).catch((thrown) => thrown);
    await ear.until(() => ear.byteCount > 0);
    await clock.advance(1e9);
    controller.abort();
    expect(await outcome).toMatchObject({ code: "cancelled" });
    await ear.until(() => ear.closes.length > 0);
    listener.close();
  });

  test("its signal is for dialling only", async () => {
    await using server = new Server().register(new Foo());
    const controller = new AbortController();
    const { signal } = controller;
    await using client = await Client.dial(await server.listen(), { signal });
    controller.abort();
    expect(client.isAvailable).toBe(true);
    expect(await client.call("Foo.echo", 1)).toBe(1);
  });

  test("a signal that has aborted before dials nobody", async () => {
    const { listener, address } = await stranger(() => {});
    listener.close();
    await expect(
      Client.dial(address, { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: "cancelled" });
  });

  test("a server that hangs up instead of accepting was sent nothing", async () => {
    for (const way of ["abort", "shutdown"] as const) {
      const { listener, address } = await stranger((pipe) => pipe[way]());
      const dialled = Client.dial(address, { clock: new ManualClock() });
      await expect(dialled).rejects.toMatchObject(notConnected);
      listener.close();
    }
  });

  test("one that does so without a byte is told from one that said something", async () => {
    const mute = await stranger((pipe) => pipe.shutdown());
    const torn = await stranger((pipe) => {
      pipe.write(Buffer.of(1));
      pipe.shutdown();
    });
    const errorOf = (address: string) =>
      Client.dial(address).catch((thrown) => thrown);
    expect(await errorOf(mute.address)).toBeInstanceOf(UnansweredError);
    expect(await errorOf(torn.address)).not.toBeInstanceOf(UnansweredError);
    expect(await errorOf(torn.address)).toMatchObject(notConnected);
    mute.listener.close();
    torn.listener.close();
  });

  test("a stranger's words are an error", async () => {
    const { listener, address } = await stranger((pipe) =>
      pipe.write(Buffer.from("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")),
    );
    const outcome = await Client.dial(address, {
      clock: new ManualClock(),
    }).catch((thrown) => thrown);
    expect(outcome).toBeInstanceOf(RpcError);
    listener.close();
  });

  test("without a codec or a body encoding of that name nobody is dialled", async () => {
    let connections = 0;
    const { listener, address } = await stranger(() => connections++);
    for (const options of [
      { codec: "application/nope" },
      { bodies: ["nope"] },
    ]) {
      await expect(Client.dial(address, options)).rejects.toMatchObject({
        code: "unimplemented",
      });
      expect(() => Client.over(memoryPipe()[0], options)).toThrow(
        expect.objectContaining({ code: "unimplemented" }),
      );
    }
    await settle();
    expect(connections).toBe(0);
    listener.close();
  });

  test("an address or a timeout that is none is an invalid argument", async () => {
    const wrong: [string, ClientOptions][] = [
      ["nowhere", {}],
      ["tcp@h:1", { keepAlive: { idleMs: -1 } }],
      ["tcp@h:1", { compression: { minBytes: NaN } }],
      ["tcp@h:1", { limits: { streamWindowBytes: -1 } }],
      ["tcp@h:1", { services: { Empty: {} } }],
      ["tcp@h:1", { connectTimeoutMs: -1 }],
      ["tcp@h:1", { callTimeoutMs: NaN }],
      ["tcp@h:1", { handleTimeoutMs: -0.5 }],
    ];
    for (const [address, options] of wrong) {
      await expect(Client.dial(address, options)).rejects.toMatchObject({
        code: "invalid_argument",
      });
    }
  });

  test("what the server refuses with is the result", async () => {
    await using server = new Server({ limits: { maxConnections: 1 } });
    server.register(new Foo());
    const address = await server.listen();
    await using _first = await Client.dial(address);
    await expect(Client.dial(address)).rejects.toMatchObject({
      code: "resource_exhausted",
      sent: false,
    });
  });
});

describe("over", () => {
  test("calls may start at once, before the server has accepted", async () => {
    const { client } = setUp();
    expect(await client.call("Foo.echo", "early")).toBe("early");
  });

  test("they fail where it refuses", async () => {
    const clock = new ManualClock();
    const server = new Server({ clock });
    await server.close();
    const [near, far] = memoryPipe();
    server.serve(far);
    const client = Client.over(near, { clock });
    await expect(client.call("Foo.echo", 1)).rejects.toMatchObject(
      notConnected,
    );
    expect(client.isAvailable).toBe(false);
  });
});

describe("call", () => {
  test("has 5 s by default, or what the client was told, or the call", async () => {
    const cases: [ClientOptions, { timeoutMs?: number }, number][] = [
      [{}, {}, 5_000],
      [{ callTimeoutMs: 200 }, {}, 200],
      [{ callTimeoutMs: 200 }, { timeoutMs: 300 }, 300],
    ];
    for (const [options, callOptions, timeoutMs] of cases) {
      const { clock, client } = setUp(options);
      const { done } = client.go("Foo.hold", 0, callOptions);
      await clock.advance(timeoutMs - 1);
      expect(client.inFlight).toBe(1);
      await clock.advance(1);
      expect((await done).error).toMatchObject({ code: "deadline_exceeded" });
    }
  });

  test("its body goes as JSON where that is asked for, whatever JSON makes of it", async () => {
    const { client } = setUp();
    const date = new Date(7);
    expect(await client.call("Foo.echo", date)).toEqual(date);
    expect(await client.call("Foo.echo", date, { body: "json" })).toBe(
      date.toJSON(),
    );
  });

  test("0 is for ever", async () => {
    const { clock, client } = setUp({
      callTimeoutMs: 0,
      keepAlive: neverPings,
    });
    void client.go("Foo.hold");
    void client.go("Foo.hold", 0, { timeoutMs: 0 });
    await clock.advance(1e9);
    expect(client.inFlight).toBe(2);
  });

  for (const timeoutMs of [-1, NaN, -Infinity]) {
    test(`a timeout of ${timeoutMs} is an invalid argument, and nothing is sent`, async () => {
      const { client } = setUp();
      await expect(
        client.call("Foo.echo", 1, { timeoutMs }),
      ).rejects.toMatchObject({ code: "invalid_argument" });
      expect(client.inFlight).toBe(0);
    });
  }

  test("a signal that has aborted before sends nothing", async () => {
    const { client, foo } = setUp();
    const signal = AbortSignal.abort();
    await expect(client.call("Foo.hold", 1, { signal })).rejects.toMatchObject({
      code: "cancelled",
    });
    await settle();
    expect(foo.held).toEqual([]);
  });

  test("one that aborts later gives it up with its reason", async () => {
    const { client, foo } = setUp();
    const controller = new AbortController();
    const { signal } = controller;
    const call = client.go("Foo.hold", 1, { signal });
    await settle();
    controller.abort("enough");
    const { error } = await call.done;
    expect(error).toMatchObject({ code: "cancelled", cause: "enough" });
    await settle();
    expect(foo.held[0]?.context.signal.aborted).toBe(true);
    foo.held[0]?.resolve(1);
    await settle();
    expect(client.lateReplies).toBe(0);
  });

  test("the server spends no more on it than handleTimeoutMs", async () => {
    const { clock, client, foo } = setUp({ handleTimeoutMs: 300 });
    const call = client.go("Foo.hold");
    await clock.advance(299);
    expect(foo.held[0]?.context.signal.aborted).toBe(false);
    await clock.advance(1);
    expect((await call.done).error?.code).toBe("deadline_exceeded");
    expect(foo.held[0]?.context.signal.aborted).toBe(true);
  });
});

describe("go", () => {
  test("gives the call, which is done once it has its reply or its error", async () => {
    const { client } = setUp();
    const good = client.go("Foo.echo", { a: 1 });
    const bad = client.go("Foo.nope");
    const wrong = client.go("Foo.echo", 1, { timeoutMs: -1 });
    expect(good).toMatchObject({
      serviceMethod: "Foo.echo",
      args: { a: 1 },
      reply: undefined,
      error: undefined,
    });
    expect(await good.done).toBe(good);
    expect(good.reply).toEqual({ a: 1 });
    expect(good.error).toBeUndefined();
    expect((await bad.done).error).toMatchObject({ code: "unimplemented" });
    expect((await wrong.done).error).toMatchObject({
      code: "invalid_argument",
    });
  });
});

describe("notify", () => {
  test("resolves when it is queued", async () => {
    const { client, foo } = setUp();
    await client.notify("Foo.hold", 1);
    await settle();
    expect(foo.held).toHaveLength(1);
    expect(client.inFlight).toBe(0);
  });

  test("rejects with what is wrong", async () => {
    const { client } = setUp();
    await expect(client.notify("Foo.echo", () => {})).rejects.toMatchObject({
      code: "invalid_argument",
    });
    await client.close();
    await expect(client.notify("Foo.echo", 1)).rejects.toMatchObject(
      notConnected,
    );
    const json = setUp({ codec: jsonCodecType });
    await expect(json.client.notify("Foo.echo", 1)).rejects.toMatchObject({
      code: "unimplemented",
    });
  });
});

/** A service that knows its callers, and calls them back. */
class Desk {
  peer: Peer | undefined;

  enter(_args: unknown, { peer }: Context): void {
    this.peer = peer;
  }

  async ask(name: string, { peer }: Context): Promise<unknown> {
    return peer.call(`Bell.${name}`, name);
  }
}

const bell = {
  ring: (args: unknown) => `rung ${String(args)}`,
  async *peal(): AsyncGenerator<string, void> {
    yield "ding";
    yield "dong";
  },
};

describe("services", () => {
  test("are called over the client's own connection, also when no call of its runs", async () => {
    const { client, server } = setUp({ services: { Bell: bell } });
    const desk = new Desk();
    server.register(desk);
    expect(await client.call("Desk.ask", "ring")).toBe("rung ring");
    await client.call("Desk.enter");
    const peer = desk.peer as Peer;
    expect(peer.isAvailable).toBe(true);
    const remote = peer.as<{ Bell: typeof bell }>();
    expect(await remote.Bell.ring(7)).toBe("rung 7");
    const heard: string[] = [];
    for await (const item of remote.Bell.peal()) heard.push(item);
    expect(heard).toEqual(["ding", "dong"]);
    await client.close();
    expect(peer.isAvailable).toBe(false);
    await expect(peer.call("Bell.ring")).rejects.toMatchObject(notConnected);
  });

  test("that are not there are unimplemented", async () => {
    const { client, server } = setUp();
    server.register(new Desk());
    await expect(client.call("Desk.ask", "ring")).rejects.toMatchObject({
      code: "unimplemented",
    });
  });

  test("that expose nothing are an invalid argument", () => {
    expect(() =>
      Client.over(memoryPipe()[0], { services: { Empty: {} } }),
    ).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  });
});

/** What passes an interceptor, in order. */
function noting(seen: string[], name: string): Interceptor {
  return (call, next) => {
    seen.push(`${name} ${call.side} ${call.serviceMethod}`);
    return next(call);
  };
}

describe("interceptors", () => {
  test("stand around what a client serves and what a server calls, too", async () => {
    const seen: string[] = [];
    const clock = new ManualClock();
    const server = new Server({
      clock,
      keepAlive: neverPings,
      interceptors: [noting(seen, "server")],
    }).register(new Desk());
    const [near, far] = memoryPipe();
    server.serve(far);
    const client = Client.over(near, {
      clock,
      services: { Bell: bell },
      interceptors: [noting(seen, "client")],
    });
    expect(await client.call("Desk.ask", "ring")).toBe("rung ring");
    expect(seen).toEqual([
      "client client Desk.ask",
      "server server Desk.ask",
      "server client Bell.ring",
      "client server Bell.ring",
    ]);
  });

  test("of calls that are served may be others", async () => {
    const seen: string[] = [];
    const { client, server } = setUp({
      services: { Bell: bell },
      interceptors: [noting(seen, "made")],
      servedInterceptors: [noting(seen, "served")],
    });
    server.register(new Desk());
    await client.call("Desk.ask", "ring");
    expect(seen).toEqual(["made client Desk.ask", "served server Bell.ring"]);
  });

  test("of a client may refuse what a server calls", async () => {
    const { client, server } = setUp({
      services: { Bell: bell },
      interceptors: [
        (call, next) => {
          if (call.side === "client") return next(call);
          throw new RpcError("permission_denied", "not this bell");
        },
      ],
    });
    server.register(new Desk());
    const failed = client.call("Desk.ask", "ring").catch((e) => e);
    expect(await failed).toMatchObject({ code: "permission_denied" });
  });
});

describe("keepAlive", () => {
  test.each<[string, ClientOptions, number]>([
    ["by default an idle server is asked after 30 s", {}, 30_000],
    [
      "or after what the client was told",
      { keepAlive: { idleMs: 2_000 } },
      2_000,
    ],
  ])("%s; 5 s later it is gone", async (_name, options, idleMs) => {
    const { clock, client, far } = setUp(options);
    await client.call("Foo.echo", 1);
    await clock.advance(10 * idleMs);
    expect(await client.call("Foo.echo", 2)).toBe(2);
    far.pause();
    await clock.advance(idleMs + 4_000);
    expect(client.isAvailable).toBe(true);
    await clock.advance(2_000);
    expect(client.isAvailable).toBe(false);
    await client.closed;
  });

  test("with calls in flight it is asked sooner", async () => {
    const { clock, client, far } = setUp();
    const call = client.go("Foo.hold", 1, { timeoutMs: 0 });
    await settle();
    far.pause();
    await clock.advance(16_000);
    expect((await call.done).error).toMatchObject({
      code: "unavailable",
      sent: true,
    });
  });

  test("0 asks nobody", async () => {
    const { clock, client, far } = setUp({ keepAlive: neverPings });
    await client.call("Foo.echo", 1);
    far.pause();
    await clock.advance(1e7);
    expect(client.isAvailable).toBe(true);
  });
});

describe("close", () => {
  test("fails what is in flight, and whatever is called afterwards", async () => {
    const { client, foo, server } = setUp();
    const inFlight = client.go("Foo.hold");
    await settle();
    const closed = client.close();
    expect(client.isAvailable).toBe(false);
    expect((await inFlight.done).error).toMatchObject({
      code: "unavailable",
      sent: true,
    });
    await expect(client.call("Foo.echo", 1)).rejects.toMatchObject(
      notConnected,
    );
    await closed;
    await client.closed;
    await settle();
    expect(foo.held[0]?.context.signal.aborted).toBe(true);
    expect(server.connectionCount).toBe(0);
  });

  test("a call of the same turn is taken back, and counts as sent all the same", async () => {
    const { client, foo } = setUp();
    const call = client.go("Foo.hold");
    await client.close();
    expect(call.error).toMatchObject({ code: "unavailable", sent: true });
    expect(foo.held).toHaveLength(0);
  });

  test("twice is once; await using closes", async () => {
    const { client } = setUp();
    {
      await using _used = client;
    }
    expect(client.isAvailable).toBe(false);
    await client.close();
  });

  test("a connection that is lost makes the client unavailable", async () => {
    const { client, far } = setUp();
    await settle();
    far.abort();
    expect(client.isAvailable).toBe(false);
    await client.closed;
  });
});
