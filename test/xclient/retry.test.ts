import { describe, expect, test } from "bun:test";
import { StaticDiscovery } from "../../src/discovery/static.ts";
import { RpcError } from "../../src/errors.ts";
import type { Attempt, CallError } from "../../src/xclient/call-error.ts";
import { XClient, type XClientOptions } from "../../src/xclient/xclient.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import { firstMode } from "./first-picker.ts";
import { Fleet, foo } from "./fleet.ts";

const [a, b, c] = ["tcp@a:1", "tcp@b:1", "tcp@c:1"] as const;

/** Servers and a client on one clock. Pauses are 100 and 200 ms. */
function setUp(addresses: readonly string[], options: XClientOptions = {}) {
  const clock = new ManualClock();
  const fleet = new Fleet(clock);
  const xc = new XClient(new StaticDiscovery(addresses), {
    mode: firstMode,
    clock,
    dial: fleet.dial,
    random: () => 0.5,
    keepAlive: { busyMs: 0, idleMs: 0 },
    ...options,
  });
  return { clock, fleet, xc };
}

/** Of a method that says it is idempotent, and of one that does not. */
class Declaring {
  static rpc = { methods: { read: { idempotent: true } } };
  readonly #name: string;
  readonly running: ((value: string) => void)[] = [];
  constructor(name: string) {
    this.#name = name;
  }
  read() {
    return this.#run();
  }
  write() {
    return this.#run();
  }
  whoami() {
    return this.#name;
  }
  #run() {
    return new Promise<string>((resolve) => this.running.push(resolve));
  }
}

/** Every call fails as if the server could not be reached; counted. */
function failing(code: "unavailable" | "resource_exhausted" = "unavailable") {
  const service = {
    calls: 0,
    run: () => {
      service.calls++;
      throw new RpcError(code, "no");
    },
  };
  return service;
}

const failed = (call: Promise<unknown>) =>
  call.catch((thrown: CallError) => thrown) as Promise<CallError>;

const times = (address: string, count: number): Attempt[] =>
  Array.from({ length: count }, () => ({ address, code: "unavailable" }));

describe("a call that may have run", () => {
  test("goes to another server after 100 ms where its caller says that it is idempotent", async () => {
    const { clock, fleet, xc } = setUp([a, b]);
    fleet.add(a, foo("a"));
    const other = foo("b");
    fleet.add(b, other);
    const call = xc.call("Foo.wait", undefined, { idempotent: true });
    await settle();
    fleet.kill(a);
    await clock.advance(99);
    expect(other.waits.length).toBe(0);
    await clock.advance(1);
    expect(other.waits.length).toBe(1);
    other.waits[0]?.finish("b");
    expect(await call).toBe("b");
    expect(fleet.dials).toEqual([a, b]);
    await xc.close();
  });

  test("and where its service declares it", async () => {
    const { clock, fleet, xc } = setUp([a, b]);
    fleet.add(a, new Declaring("a"));
    const other = new Declaring("b");
    fleet.add(b, other);
    const read = xc.call("Foo.read");
    const write = failed(xc.call("Foo.write"));
    const forbidden = failed(
      xc.call("Foo.read", undefined, { idempotent: false }),
    );
    await settle();
    fleet.kill(a);
    for (const error of [await write, await forbidden]) {
      expect(error).toMatchObject({ code: "unavailable", sent: true });
      expect(error.attempts).toEqual([{ address: a, code: "unavailable" }]);
    }
    await clock.advance(100);
    expect(other.running.length).toBe(1);
    other.running[0]?.("b");
    expect(await read).toBe("b");
    await xc.close();
  });

  test("goes to the same server where there is no other, three times in all", async () => {
    const { clock, fleet, xc } = setUp([a]);
    const service = failing();
    fleet.add(a, service);
    const startedAt = clock.now();
    const call = failed(xc.call("Foo.run", undefined, { idempotent: true }));
    const instants: number[] = [];
    for (let ms = 0; ms <= 400; ms += 10) {
      await settle();
      while (instants.length < service.calls) {
        instants.push(clock.now() - startedAt);
      }
      await clock.advance(10);
    }
    expect(instants).toEqual([0, 100, 300]);
    const error = await call;
    expect(error.attempts).toEqual(times(a, 3));
    expect(error.sent).toBe(true);
    expect(fleet.dials).toEqual([a]);
    await xc.close();
  });

  test("finds a server that is back after a failed dial", async () => {
    const { clock, fleet, xc } = setUp([a]);
    fleet.add(a, foo("a"));
    const call = xc.call("Foo.wait", undefined, { idempotent: true });
    await settle();
    fleet.kill(a);
    await clock.advance(100);
    expect(fleet.dials).toEqual([a, a]);
    const back = foo("back");
    fleet.add(a, back);
    await clock.advance(1_249);
    expect(fleet.dials).toEqual([a, a]);
    await clock.advance(1);
    expect(fleet.dials).toEqual([a, a, a]);
    back.waits[0]?.finish("back");
    expect(await call).toBe("back");
    await xc.close();
  });

  test("is not made again for an error that would come again", async () => {
    const { fleet, xc } = setUp([a, b]);
    for (const address of [a, b]) fleet.add(address, foo(address));
    const error = await failed(
      xc.call("Foo.fail", undefined, { idempotent: true }),
    );
    expect(error).toMatchObject({ code: "failed_precondition", sent: true });
    expect(error.attempts).toEqual([
      { address: a, code: "failed_precondition" },
    ]);
    await xc.close();
  });

  test("fails at once where its pause would outlast its deadline", async () => {
    const { clock, fleet, xc } = setUp([a]);
    const service = failing();
    fleet.add(a, service);
    const startedAt = clock.now();
    const ended = failed(
      xc.call("Foo.run", undefined, { idempotent: true, timeoutMs: 300 }),
    ).then((error) => ({ error, atMs: clock.now() - startedAt }));
    await clock.advance(1_000);
    const { error, atMs } = await ended;
    expect(atMs).toBe(100);
    expect(error.attempts.length).toBe(2);
    expect(error.code).toBe("unavailable");
    await xc.close();
  });

  test("ends with its caller's abort during a pause, and says what was tried", async () => {
    const { clock, fleet, xc } = setUp([a]);
    fleet.add(a, failing());
    const abort = new AbortController();
    const options = {
      idempotent: true,
      signal: abort.signal,
      timeoutMs: 0,
    };
    const call = failed(xc.call("Foo.run", undefined, options));
    await clock.advance(50);
    abort.abort();
    const error = await call;
    expect(error).toMatchObject({ code: "cancelled", sent: true });
    expect(error.attempts).toEqual(times(a, 1));
    expect(clock.timers).toBe(0);
    await xc.close();
  });

  test("is not made again once the client is closed", async () => {
    const { clock, fleet, xc } = setUp([a]);
    const service = failing();
    fleet.add(a, service);
    const call = failed(xc.call("Foo.run", undefined, { idempotent: true }));
    await settle();
    await xc.close();
    await clock.advance(100);
    expect(await call).toMatchObject({ code: "unavailable" });
    expect(service.calls).toBe(1);
    expect(fleet.dials).toEqual([a]);
  });
});

describe("streams", () => {
  test("a call whose argument was read is not made again", async () => {
    const { clock, fleet, xc } = setUp([a, b]);
    let calls = 0;
    const service = {
      take: async (items: AsyncIterable<unknown>) => {
        calls++;
        for await (const _ of items) break;
        throw new RpcError("unavailable", "no");
      },
    };
    for (const address of [a, b]) fleet.add(address, service);
    const items = async function* () {
      yield 1;
      yield 2;
    };
    const call = failed(xc.call("Foo.take", items(), { idempotent: true }));
    await clock.advance(500);
    expect((await call).attempts).toEqual(times(a, 1));
    expect(calls).toBe(1);
    await xc.close();
  });

  test("a reply that has begun is not asked for again", async () => {
    const { clock, fleet, xc } = setUp([a, b]);
    let calls = 0;
    const service = {
      count: async function* () {
        calls++;
        yield 1;
        await new Promise(() => {});
      },
    };
    for (const address of [a, b]) fleet.add(address, service);
    const reply = (await xc.call("Foo.count", undefined, {
      idempotent: true,
    })) as AsyncIterator<unknown>;
    expect((await reply.next()).value).toBe(1);
    const next = reply.next().catch((thrown: RpcError) => thrown);
    fleet.kill(a);
    expect(await next).toMatchObject({ code: "unavailable" });
    await clock.advance(500);
    expect(calls).toBe(1);
    await xc.close();
  });
});

describe("attempts", () => {
  test("are all told, those without a connection too", async () => {
    const { fleet, xc } = setUp([a, b, c]);
    fleet.refuse(a, new RpcError("resource_exhausted", "too many"));
    fleet.add(c, failing());
    const error = await failed(xc.call("Foo.run"));
    expect(error.attempts).toEqual([
      { address: a, code: "resource_exhausted" },
      { address: b, code: "unavailable" },
      { address: c, code: "unavailable" },
    ]);
    expect(error.sent).toBe(true);
    await xc.close();
  });

  test("stay below 1.2 for each call and 10 a second where all servers fail everything", async () => {
    const { clock, fleet, xc } = setUp([a, b, c], { mode: "random" });
    const service = failing();
    for (const address of [a, b, c]) fleet.add(address, service);
    const calls: Promise<unknown>[] = [];
    for (let ms = 0; ms < 5_000; ms += 10) {
      calls.push(failed(xc.call("Foo.run", undefined, { idempotent: true })));
      await clock.advance(10);
    }
    await clock.advance(1_000);
    await Promise.all(calls);
    expect(service.calls).toBeLessThanOrEqual(1.2 * calls.length + 10 * 6);
    expect(service.calls).toBeGreaterThan(1.2 * calls.length);
    await xc.close();
  });

  test("end with the refusal where there is nobody else", async () => {
    class Full {
      static rpc = { methods: { run: { maxRunning: 0, idempotent: true } } };
      run() {}
    }
    const { fleet, xc } = setUp([a]);
    fleet.add(a, new Full());
    const error = await failed(xc.call("Foo.run"));
    expect(error).toMatchObject({ code: "resource_exhausted", sent: false });
    expect(error.attempts.length).toBe(1);
    await xc.close();
  });

  test("and where all of them refuse", async () => {
    class Full {
      static rpc = { methods: { run: { maxRunning: 0 } } };
      run() {}
    }
    const { fleet, xc } = setUp([a, b, c]);
    for (const address of [a, b, c]) fleet.add(address, new Full());
    let attempts = 0;
    for (let call = 0; call < 200; call++) {
      const error = await failed(xc.call("Foo.run"));
      expect(error).toMatchObject({ code: "resource_exhausted", sent: false });
      attempts += error.attempts.length;
    }
    expect(attempts).toBe(200 + 40 + 10);
    await xc.close();
  });
});
