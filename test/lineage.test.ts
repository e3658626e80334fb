/**
 * The faults of the Go original (go/wire.md, "Faults of the original"), each
 * with the test that keeps it from coming back.
 */
import { describe, expect, test } from "bun:test";
import { Client } from "../src/client/client.ts";
import type { RequestHead } from "../src/codec/codec.ts";
import {
  binaryCodecType,
  createCodec,
  jsonCodecType,
} from "../src/codec/table.ts";
import { RegistryDiscovery } from "../src/discovery/registry.ts";
import { StaticDiscovery } from "../src/discovery/static.ts";
import { RpcError } from "../src/errors.ts";
import type { RpcEvent } from "../src/events.ts";
import { heartbeat } from "../src/registry/heartbeat.ts";
import { Registry } from "../src/registry/registry.ts";
import { Server } from "../src/server/server.ts";
import type { Context } from "../src/service/context.ts";
import { memoryPipe } from "../src/transport/memory.ts";
import { defaultLimits } from "../src/wire/limits.ts";
import { encodeOption, magicNumber } from "../src/wire/option.ts";
import { SendBuffer } from "../src/wire/send-buffer.ts";
import { XClient } from "../src/xclient/xclient.ts";
import { Recorder } from "./codec/recorder.ts";
import { FakeRegistry, listing } from "./discovery/fake-registry.ts";
import { ManualClock, settle } from "./support/manual-clock.ts";
import { PipeEar } from "./support/pipe-ear.ts";
import { Fleet, foo } from "./xclient/fleet.ts";

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

  fail(message: string): never {
    throw new Error(message);
  }
}

function setUp(codec = binaryCodecType) {
  const clock = new ManualClock();
  const service = new Foo();
  const server = new Server({ clock }).register(service);
  const [near, far] = memoryPipe();
  server.serve(far);
  const client = Client.over(near, { clock, codec });
  return { clock, service, client, far };
}

/** A client made of bytes: what it says, and what it hears. */
class RawClient {
  readonly #near;
  readonly #ear = new PipeEar();
  readonly #codec;
  readonly #recorder = new Recorder();
  readonly #codecType: string;
  #seq = 0;
  #read = 0;

  constructor(codecType: string) {
    this.#codecType = codecType;
    this.#codec = createCodec(codecType, {
      role: "dial",
      limits: defaultLimits,
      bodies: [],
    });
    const [near, far] = memoryPipe();
    near.attach(this.#ear);
    this.#near = near;
    new Server({ clock: new ManualClock() }).register(new Foo()).serve(far);
  }

  option(): Uint8Array {
    return encodeOption({
      MagicNumber: magicNumber,
      CodecType: this.#codecType,
      ConnectTimeout: 0,
      HandleTimeout: 0,
    });
  }

  request(serviceMethod: string, args: unknown): Uint8Array {
    const out = new SendBuffer();
    const head: RequestHead = {
      seq: ++this.#seq,
      serviceMethod,
      timeoutMs: 0,
      sentAtMs: 0,
      oneWay: false,
    };
    this.#codec.writeRequest(out, head, args);
    return out.pending().slice();
  }

  /** Sends each of `chunks` as one chunk. */
  send(...chunks: Uint8Array[]): void {
    for (const chunk of chunks) this.#near.write(chunk);
  }

  /** The answers since the last time, by seq; errors by their code. */
  async answers(): Promise<[seq: number, answer: unknown][]> {
    await settle();
    for (const chunk of this.#ear.chunks.slice(this.#read)) {
      this.#read++;
      this.#codec.push(chunk);
      while (this.#codec.read(this.#recorder));
    }
    return this.#recorder.take().flatMap((told): [number, unknown][] => {
      if (told.kind === "response") return [[told.seq, told.reply]];
      return told.kind === "error" ? [[told.seq, told.code]] : [];
    });
  }
}

for (const codec of [binaryCodecType, jsonCodecType]) {
  describe(codec, () => {
    test("the body of an unknown method is consumed", async () => {
      const raw = new RawClient(codec);
      raw.send(raw.option());
      for (const name of ["Foo.nope", "Nope.echo", "ill-formed", "Foo."]) {
        raw.send(raw.request(name, { looks: "like", a: ["header", 1] }));
      }
      raw.send(raw.request("Foo.echo", "still in step"));
      expect(await raw.answers()).toEqual([
        [1, "unimplemented"],
        [2, "unimplemented"],
        [3, "invalid_argument"],
        [4, "unimplemented"],
        [5, "still in step"],
      ]);
    });

    test("bytes behind the Option are kept, wherever the chunks are cut", async () => {
      const whole = () => {
        const raw = new RawClient(codec);
        const bytes = Buffer.concat([
          raw.option(),
          raw.request("Foo.echo", "first"),
          raw.request("Foo.echo", "second"),
        ]);
        return { raw, bytes };
      };
      const expected = [
        [1, "first"],
        [2, "second"],
      ];
      const { length } = whole().bytes;
      for (let cut = 0; cut < length; cut++) {
        const { raw, bytes } = whole();
        raw.send(bytes.subarray(0, cut), bytes.subarray(cut));
        expect(await raw.answers()).toEqual(expected as [number, unknown][]);
      }
    });

    test("error text is never a format", async () => {
      const { client } = setUp(codec);
      for (const text of ["100% broken", "%s %d %v %!", "%", "%%", "%n%n"]) {
        const call = client.go("Foo.fail", text);
        expect((await call.done).error?.message).toBe(text);
      }
    });

    test("pending calls all fail, and fast, when the connection dies", async () => {
      const { clock, client, far } = setUp(codec);
      const calls = Array.from({ length: 1_000 }, () =>
        client.go("Foo.hold", 0, { timeoutMs: 0 }),
      );
      await settle();
      far.abort();
      await Promise.all(calls.map(({ done }) => done));
      for (const { error } of calls) {
        expect(error).toMatchObject({ code: "unavailable", sent: true });
      }
      expect(clock.now()).toBe(new ManualClock().now());
      expect(client.inFlight).toBe(0);
    });
  });
}

test("a handle timeout answers once and aborts the handler", async () => {
  const clock = new ManualClock();
  const service = new Foo();
  const server = new Server({ clock, handleTimeoutMs: 50 }).register(service);
  const [near, far] = memoryPipe();
  server.serve(far);
  const client = Client.over(near, { clock });
  const call = client.go("Foo.hold");
  await clock.advance(49);
  const [held] = service.held;
  expect(held?.context.signal.aborted).toBe(false);
  await clock.advance(1);
  expect((await call.done).error).toMatchObject({ code: "deadline_exceeded" });
  expect(held?.context.signal.aborted).toBe(true);
  held?.resolve("late");
  await settle();
  expect(client.lateReplies).toBe(0);
  expect(await client.call("Foo.echo", "on")).toBe("on");
});

test("a cancel reaches the server", async () => {
  const { client, service } = setUp();
  const controller = new AbortController();
  const call = client.go("Foo.hold", 0, { signal: controller.signal });
  await settle();
  const [held] = service.held;
  expect(held?.context.signal.aborted).toBe(false);
  controller.abort();
  expect((await call.done).error).toMatchObject({ code: "cancelled" });
  await settle();
  expect(held?.context.signal.aborted).toBe(true);
});

test("a deadline reaches the server, too", async () => {
  const { clock, client, service } = setUp();
  const call = client.go("Foo.hold", 0, { timeoutMs: 50 });
  await clock.advance(50);
  expect((await call.done).error).toMatchObject({ code: "deadline_exceeded" });
  expect(service.held[0]?.context.signal.aborted).toBe(true);
});

test("the heartbeat survives a registry that is away", async () => {
  const clock = new ManualClock();
  const address = "tcp@10.0.0.1:4000";
  const url = "http://registry.test/_geerpc_/registry";
  let registry: Registry | undefined = new Registry({ clock });
  const events: RpcEvent[] = [];
  const beat = heartbeat(
    url,
    { address },
    {
      clock,
      random: () => 0.5,
      onEvent: (event) => void events.push(event),
      fetch: async (target, init) => {
        if (registry === undefined) throw new TypeError("Unable to connect");
        return registry.fetch(new Request(target, init));
      },
    },
  );
  const listed = async () => {
    const answer = await registry?.fetch(new Request(url));
    return answer?.headers.get("X-Geerpc-Servers");
  };
  await beat.firstAttempt;
  expect(await listed()).toBe(address);
  registry = undefined;
  await clock.advance(60 * 60_000);
  expect(beat.isRegistered).toBe(false);
  expect(events.some(({ kind }) => kind === "heartbeat-missed")).toBe(true);
  // It comes back and knows nobody.
  registry = new Registry({ clock });
  expect(await listed()).toBe("");
  await clock.advance(7_000);
  expect(await listed()).toBe(address);
  await beat.close();
});

describe("one slow address", () => {
  const [slow, quick] = ["tcp@10.0.0.1:1", "tcp@10.0.0.2:1"] as const;

  test("XClient never waits for it on behalf of another", async () => {
    const clock = new ManualClock();
    await using fleet = new Fleet(clock);
    fleet.add(slow, foo("slow"));
    fleet.add(quick, foo("quick"));
    const release = fleet.hold(slow);
    const client = new XClient(new StaticDiscovery([slow, quick]), {
      clock,
      mode: "round-robin",
      dial: fleet.dial,
    });
    const calls = Array.from({ length: 10 }, () => client.go("Foo.whoami"));
    await settle();
    const quickOnes = calls.filter(({ reply }) => reply === "quick");
    expect(quickOnes).toHaveLength(5);
    // The slow one is dialled once, however many wait for it.
    expect(fleet.dials.toSorted()).toEqual([slow, quick]);
    release();
    await Promise.all(calls.map(({ done }) => done));
    expect(calls.filter(({ reply }) => reply === "slow")).toHaveLength(5);
    await client.close();
  });

  test("a slow registry holds up nobody who has a list", async () => {
    const clock = new ManualClock();
    await using fleet = new Fleet(clock);
    fleet.add(quick, foo("quick"));
    const registry = new FakeRegistry(() => listing(quick));
    const discovery = new RegistryDiscovery("http://registry.test/", {
      clock,
      random: () => 0.5,
      fetch: registry.fetch,
    });
    const client = new XClient(discovery, { clock, dial: fleet.dial });
    expect(await client.call("Foo.whoami")).toBe("quick");
    registry.hang();
    await clock.advance(60_000);
    const call = client.go("Foo.whoami");
    await settle();
    expect(registry.requestCount).toBe(2);
    expect(call.reply).toBe("quick");
    await client.close();
  });
});

test("a broadcast cancels what is left once it has failed, and does not change the caller's options", async () => {
  const clock = new ManualClock();
  await using fleet = new Fleet(clock);
  const waiting = [foo("one"), foo("two")];
  const names = ["tcp@10.0.0.1:1", "tcp@10.0.0.2:1", "tcp@10.0.0.3:1"];
  waiting.forEach((service, at) => fleet.add(names[at] as string, service));
  const failing = Promise.withResolvers<never>();
  fleet.add(names[2] as string, { wait: () => failing.promise });
  const client = new XClient(new StaticDiscovery(names), {
    clock,
    dial: fleet.dial,
  });
  const controller = new AbortController();
  const options = { timeoutMs: 1_000, signal: controller.signal };
  const before = { ...options };
  const outcome = client.broadcast("Foo.wait", 0, options).catch((e) => e);
  await settle();
  for (const { waits } of waiting) expect(waits[0]?.signal.aborted).toBe(false);
  failing.reject(new RpcError("data_loss", "the third fails"));
  expect(await outcome).toMatchObject({ code: "data_loss" });
  await settle();
  for (const { waits } of waiting) expect(waits[0]?.signal.aborted).toBe(true);
  expect(options).toEqual(before);
  expect(options.signal).toBe(controller.signal);
  expect(controller.signal.aborted).toBe(false);
  await client.close();
});

describe("the debug page", () => {
  const names = ["Zoo", "Arith", "Mid"];
  const server = new Server();
  for (const name of names) {
    server.register({ z: () => 0, a: () => 0, M: () => 0 }, name);
  }
  const get = (accept: string) =>
    server.fetch(
      new Request("http://server.test/debug/geerpc", {
        headers: { Accept: accept },
      }),
    );

  test("is sorted as JSON", async () => {
    const answer = await get("application/json");
    const { services } = (await answer.json()) as {
      services: Record<string, object>;
    };
    expect(Object.keys(services)).toEqual(["Arith", "Mid", "Zoo"]);
    for (const methods of Object.values(services)) {
      expect(Object.keys(methods)).toEqual(["M", "a", "z"]);
    }
  });

  test("is sorted as a page", async () => {
    const page = await (await get("text/html")).text();
    const places = ["Arith", "Mid", "Zoo"].map((name) => page.indexOf(name));
    expect(places).toEqual(places.toSorted((left, right) => left - right));
    expect(Math.min(...places)).toBeGreaterThan(0);
  });
});
