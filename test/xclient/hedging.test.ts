import { describe, expect, test } from "bun:test";
import { StaticDiscovery } from "../../src/discovery/static.ts";
import { RpcError } from "../../src/errors.ts";
import { CallError } from "../../src/xclient/call-error.ts";
import { Hedging, type HedgedCall } from "../../src/xclient/hedging.ts";
import { MethodLatency } from "../../src/xclient/method-latency.ts";
import { type XCallOptions } from "../../src/xclient/call-options.ts";
import { XClient, type XClientOptions } from "../../src/xclient/xclient.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import { firstMode } from "./first-picker.ts";
import { Fleet, foo } from "./fleet.ts";

const [a, b, c] = ["tcp@a:1", "tcp@b:1", "tcp@c:1"] as const;

describe("the p95 of a method", () => {
  test("is known after 20 calls, and read anew each 100", () => {
    const latency = new MethodLatency();
    for (let call = 1; call < 20; call++) latency.record("Foo.run", 10);
    expect(latency.p95Ms("Foo.run")).toBeUndefined();
    latency.record("Foo.run", 10);
    expect(latency.p95Ms("Foo.run")).toBeCloseTo(10, 0);
    for (let call = 20; call < 99; call++) latency.record("Foo.run", 50);
    expect(latency.p95Ms("Foo.run")).toBeCloseTo(10, 0);
    latency.record("Foo.run", 50);
    expect(latency.p95Ms("Foo.run")).toBeCloseTo(50, -1);
    expect(latency.p95Ms("Foo.other")).toBeUndefined();
  });

  test("forgets what is a thousand calls old", () => {
    const latency = new MethodLatency();
    for (let call = 0; call < 1_000; call++) latency.record("Foo.run", 100);
    for (let call = 0; call < 100; call++) latency.record("Foo.run", 1);
    expect(latency.p95Ms("Foo.run")).toBeCloseTo(1, 0);
  });

  test("is kept of a thousand methods", () => {
    const latency = new MethodLatency();
    for (let method = 0; method < 1_000; method++) {
      for (let call = 0; call < 20; call++) latency.record(`Foo.m${method}`, 1);
    }
    expect(latency.p95Ms("Foo.m0")).toBeDefined();
    latency.record("Foo.more", 1);
    expect(latency.p95Ms("Foo.m0")).toBeUndefined();
  });
});

/** Attempts that end when the test says so. */
class Attempts implements HedgedCall {
  readonly serviceMethod = "Foo.run";
  readonly options;
  readonly signals: AbortSignal[] = [];
  readonly ends: PromiseWithResolvers<unknown>[] = [];
  readonly #mayHedge: boolean;

  constructor(afterMs?: number, mayHedge = true, maxFraction?: number) {
    this.options = {
      ...(afterMs !== undefined && { afterMs }),
      ...(maxFraction !== undefined && { maxFraction }),
    };
    this.#mayHedge = mayHedge;
  }

  mayHedge = () => this.#mayHedge;
  first = (signal: AbortSignal) => this.#make(signal);
  second = (signal: AbortSignal) => this.#make(signal);

  #make(signal: AbortSignal): Promise<unknown> {
    const end = Promise.withResolvers<unknown>();
    signal.addEventListener("abort", () => end.reject(signal.reason));
    this.signals.push(signal);
    this.ends.push(end);
    return end.promise;
  }
}

/** A hedging that ten calls were made with, so that one may be hedged. */
async function setUpHedging() {
  const clock = new ManualClock();
  const hedging = new Hedging(clock);
  for (let call = 0; call < 9; call++) {
    const attempts = new Attempts(1_000);
    const reply = hedging.run(attempts);
    attempts.ends[0]?.resolve("quick");
    await reply;
  }
  return { clock, hedging };
}

describe("a hedged call", () => {
  test("is made a second time after its delay; the first reply counts and the other attempt is cancelled", async () => {
    for (const winner of [0, 1]) {
      const { clock, hedging } = await setUpHedging();
      const attempts = new Attempts(50);
      const reply = hedging.run(attempts);
      await clock.advance(49);
      expect(attempts.ends.length).toBe(1);
      await clock.advance(1);
      expect(attempts.ends.length).toBe(2);
      attempts.ends[winner]?.resolve(winner);
      expect(await reply).toBe(winner);
      expect(attempts.signals.map(({ aborted }) => aborted)).toEqual(
        winner === 0 ? [false, true] : [true, false],
      );
      expect(clock.timers).toBe(0);
    }
  });

  test("is made once where its first attempt ends before, however that ends", async () => {
    const { clock, hedging } = await setUpHedging();
    const attempts = new Attempts(50);
    const reply = hedging.run(attempts).catch((thrown) => thrown);
    await clock.advance(40);
    attempts.ends[0]?.reject(new RpcError("aborted", "no"));
    expect(await reply).toMatchObject({ code: "aborted" });
    expect(clock.timers).toBe(0);
  });

  test("fails once both have, as its first attempt", async () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const { clock, hedging } = await setUpHedging();
      const attempts = new Attempts(50);
      let isOver = false;
      const reply = hedging
        .run(attempts)
        .catch((thrown) => thrown)
        .finally(() => (isOver = true));
      await clock.advance(50);
      for (const index of order) {
        expect(isOver).toBe(false);
        const code = index === 0 ? "aborted" : "not_found";
        attempts.ends[index]?.reject(new RpcError(code, "no"));
        await settle();
      }
      expect(await reply).toMatchObject({ code: "aborted" });
    }
  });

  test.each([
    [false, false],
    [false, true],
    [true, false],
  ])(
    "fails with the attempts of both: sent is %p and %p",
    async (...sent: [boolean, boolean]) => {
      const { clock, hedging } = await setUpHedging();
      const attempts = new Attempts(50);
      const reply = hedging.run(attempts).catch((thrown) => thrown);
      await clock.advance(50);
      const tried = [
        { address: a, code: "unavailable" },
        { address: b, code: "aborted" },
      ] as const;
      for (const [index, attempt] of tried.entries()) {
        const error = new RpcError(attempt.code, "no");
        const isSent = sent[index] as boolean;
        attempts.ends[index]?.reject(CallError.of(error, isSent, [attempt]));
      }
      expect(await reply).toMatchObject({
        code: "unavailable",
        sent: sent.includes(true),
        attempts: tried,
      });
    },
  );

  test("fails as its first attempt where the second has asked nobody", async () => {
    const { clock, hedging } = await setUpHedging();
    const attempts = new Attempts(50);
    const reply = hedging.run(attempts).catch((thrown) => thrown);
    await clock.advance(50);
    const own = CallError.of(new RpcError("unavailable", "no"), false, []);
    attempts.ends[0]?.reject(own);
    attempts.ends[1]?.reject(new RpcError("unavailable", "nobody is left"));
    expect(await reply).toBe(own);
  });

  test("of ten calls one is made twice", async () => {
    const clock = new ManualClock();
    const hedging = new Hedging(clock);
    let seconds = 0;
    for (let call = 0; call < 200; call++) {
      const attempts = new Attempts(5);
      const reply = hedging.run(attempts);
      await clock.advance(5);
      seconds += attempts.ends.length - 1;
      attempts.ends[0]?.resolve("late");
      await reply;
    }
    expect(seconds).toBe(20);
  });

  test.each([
    [0, 0],
    [0.25, 50],
    [1, 200],
  ])("of calls with maxFraction %p that part is", async (part, count) => {
    const clock = new ManualClock();
    const hedging = new Hedging(clock);
    let seconds = 0;
    for (let call = 0; call < 200; call++) {
      const attempts = new Attempts(5, true, part);
      const reply = hedging.run(attempts);
      await clock.advance(5);
      seconds += attempts.ends.length - 1;
      attempts.ends[0]?.resolve("late");
      await reply;
    }
    expect(seconds).toBe(count);
  });

  test("costs nothing of that where it must not be hedged", async () => {
    const { clock, hedging } = await setUpHedging();
    const attempts = new Attempts(5, false);
    const reply = hedging.run(attempts);
    await clock.advance(100);
    expect(attempts.ends.length).toBe(1);
    attempts.ends[0]?.resolve("late");
    await reply;
    const other = new Attempts(5);
    void hedging.run(other);
    await clock.advance(5);
    expect(other.ends.length).toBe(2);
  });

  test("waits for the p95 of the calls before it", async () => {
    const clock = new ManualClock();
    const hedging = new Hedging(clock);
    for (let call = 0; call < 20; call++) {
      const attempts = new Attempts();
      const reply = hedging.run(attempts);
      expect(clock.timers).toBe(0);
      await clock.advance(32);
      attempts.ends[0]?.resolve("usual");
      await reply;
    }
    const slow = new Attempts();
    const reply = hedging.run(slow);
    await clock.advance(31);
    expect(slow.ends.length).toBe(1);
    await clock.advance(3);
    expect(slow.ends.length).toBe(2);
    slow.ends[1]?.resolve("hedged");
    expect(await reply).toBe("hedged");
  });

  test("whose first attempt was overtaken counts with the time it had taken by then", async () => {
    const clock = new ManualClock();
    const hedging = new Hedging(clock);
    for (let call = 1; call <= 119; call++) {
      const attempts = new Attempts(50);
      const reply = hedging.run(attempts);
      const isSlow = call % 10 === 0;
      await clock.advance(isSlow ? 60 : 10);
      expect(attempts.ends.length).toBe(isSlow ? 2 : 1);
      attempts.ends.at(-1)?.resolve("done");
      await reply;
      await settle();
    }
    const slow = new Attempts();
    void hedging.run(slow);
    await clock.advance(59);
    expect(slow.ends.length).toBe(1);
    await clock.advance(6);
    expect(slow.ends.length).toBe(2);
  });

  test("a stream that comes too late is ended", async () => {
    const { clock, hedging } = await setUpHedging();
    const attempts = new Attempts(50);
    const reply = hedging.run(attempts);
    await clock.advance(50);
    let isEnded = false;
    const items = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => {}),
        return: async () => void (isEnded = true),
      }),
    };
    attempts.ends[0]?.resolve("first");
    attempts.ends[1]?.resolve(items);
    expect(await reply).toBe("first");
    await settle();
    expect(isEnded).toBe(true);
  });
});

describe("an XClient that hedges", () => {
  function setUp(addresses: readonly string[], options: XClientOptions = {}) {
    const clock = new ManualClock();
    const fleet = new Fleet(clock);
    const services = addresses.map((address) => {
      const service = foo(address);
      fleet.add(address, service);
      return service;
    });
    const discovery = new StaticDiscovery(addresses);
    const xc = new XClient(discovery, {
      mode: firstMode,
      clock,
      dial: fleet.dial,
      keepAlive: { busyMs: 0, idleMs: 0 },
      hedge: { afterMs: 50 },
      ...options,
    });
    /** Starts a call that its servers leave waiting, after so many that they did not. */
    const wait = async (options: XCallOptions = {}, args?: unknown) => {
      for (let call = 0; call < 20; call++) await xc.call("Foo.whoami");
      const reply = xc.call("Foo.wait", args, options);
      await clock.advance(60);
      return { reply: reply.catch((thrown: unknown) => thrown) };
    };
    return { clock, fleet, xc, services, wait, discovery };
  }

  test("asks another server, and takes the slow one's call back", async () => {
    const { xc, services, wait } = setUp([a, b]);
    const { reply } = await wait({ idempotent: true });
    const [first, second] = services.map(({ waits }) => waits[0]);
    expect(services.map(({ waits }) => waits.length)).toEqual([1, 1]);
    second?.finish("b");
    expect(await reply).toBe("b");
    await settle();
    expect(first?.signal.aborted).toBe(true);
    expect(second?.signal.aborted).toBe(false);
    await xc.close();
  });

  test("does so by a call's own option, and not where that says no", async () => {
    for (const [own, of, count] of [
      [{ afterMs: 50 }, undefined, 1],
      [false, { afterMs: 50 }, 0],
      [undefined, undefined, 0],
    ] as const) {
      const { xc, services, wait, clock } = setUp([a, b], {
        hedge: of ?? false,
      });
      // Calls that are not hedged put nothing in.
      const usual = { idempotent: true, hedge: { afterMs: 50 } };
      for (let call = 0; call < 10; call++) {
        await xc.call("Foo.whoami", undefined, usual);
      }
      const options: XCallOptions = { idempotent: true };
      if (own !== undefined) options.hedge = own;
      await wait(options);
      expect(services[1]?.waits.length).toBe(count);
      await clock.advance(0);
      await xc.close();
    }
  });

  test("leaves alone what is not idempotent, what has a stream, and what nobody else could do", async () => {
    const items = async function* () {};
    for (const [addresses, options, args] of [
      [[a, b], {}, undefined],
      [[a, b], { idempotent: true, timeoutMs: 1_000 }, items],
      [[a], { idempotent: true }, undefined],
    ] as const) {
      const { xc, services, wait } = setUp(addresses);
      await wait(options, args?.());
      const counts = services.map(({ waits }) => waits.length);
      expect(counts).toEqual(addresses.map((_, index) => (index ? 0 : 1)));
      await xc.close();
    }
  });

  test("does not go where nobody can be reached, nor while it is dialling itself", async () => {
    const down = setUp([a, b]);
    down.fleet.refuse(a, new RpcError("unavailable", "no", { sent: false }));
    await down.wait({ idempotent: true });
    expect(down.services[1]?.waits.length).toBe(1);
    expect(down.fleet.dials).toEqual([a, b]);
    await down.xc.close();

    const { clock, fleet, xc } = setUp([a, b], {
      mode: "round-robin",
      random: () => 0,
    });
    for (let call = 0; call < 20; call++) await xc.call("Foo.whoami");
    fleet.kill(a);
    await settle();
    fleet.add(a, foo("back"));
    const open = fleet.hold(a);
    const reply = xc.call("Foo.whoami", undefined, { idempotent: true });
    await clock.advance(60);
    expect(fleet.dials).toEqual([a, b, a]);
    open();
    expect(await reply).toBe("back");
    await xc.close();
  });

  test("does not go to its own server where the others have left meanwhile", async () => {
    const { clock, xc, services, discovery } = setUp([a, b]);
    for (let call = 0; call < 20; call++) await xc.call("Foo.whoami");
    const reply = xc.call("Foo.wait", undefined, { idempotent: true });
    discovery.update([{ address: a, services: undefined }]);
    await clock.advance(60);
    expect(services.map(({ waits }) => waits.length)).toEqual([1, 0]);
    services[0]?.waits[0]?.finish("a");
    expect(await reply).toBe("a");
    await xc.close();
  });

  test("makes its second attempt once", async () => {
    const { clock, fleet, xc, services, wait } = setUp([a, b, c]);
    fleet.add(b, {
      wait: () => {
        throw new RpcError("unavailable", "no");
      },
    });
    const { reply } = await wait({ idempotent: true });
    await clock.advance(1_000);
    expect(fleet.dials).toEqual([a, b]);
    services[0]?.waits[0]?.finish("a");
    expect(await reply).toBe("a");
    await xc.close();
  });

  test("still ends with its caller's signal", async () => {
    const { xc, services, wait } = setUp([a, b]);
    const abort = new AbortController();
    const { reply } = await wait({ idempotent: true, signal: abort.signal });
    abort.abort();
    expect(await reply).toMatchObject({ code: "cancelled" });
    await settle();
    const signals = services.map(({ waits }) => waits[0]?.signal.aborted);
    expect(signals).toEqual([true, true]);
    await xc.close();
  });

  test.each([
    { afterMs: -1 },
    { afterMs: NaN },
    { maxFraction: -0.1 },
    { maxFraction: 1.1 },
  ])("refuses %j, which is none", async (hedge) => {
    const refused = expect.objectContaining({ code: "invalid_argument" });
    expect(() => setUp([a], { hedge })).toThrow(refused);
    const { xc } = setUp([a]);
    const call = xc.call("Foo.whoami", undefined, { hedge });
    expect(await call.catch((thrown) => thrown)).toMatchObject({
      code: "invalid_argument",
    });
    await xc.close();
  });
});
