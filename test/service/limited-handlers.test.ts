import { describe, expect, test } from "bun:test";
import type { RpcError } from "../../src/errors.ts";
import type { AdaptiveLimit } from "../../src/service/adaptive-limit.ts";
import { Handlers } from "../../src/service/handlers.ts";
import { Invocation } from "../../src/service/invocation.ts";
import { Place } from "../../src/service/place.ts";
import type { ServiceOptions } from "../../src/service/services.ts";
import { Services } from "../../src/service/services.ts";
import { silentPeer } from "../../src/service/silent-peer.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";

/** Handlers of a method with an adaptive limit, of which two calls always have a place. */
function setUp(methods: NonNullable<ServiceOptions["methods"]> = {}) {
  const clock = new ManualClock();
  const errors: RpcError[] = [];
  const services = new Services({ tolerance: 2, minRunning: 2 });
  services.register(
    {
      run: (work: () => unknown) => work(),
      other: (work: () => unknown) => work(),
      total: (items: { work: () => unknown }) => items.work(),
    },
    { name: "Foo", methods },
  );
  const newHandlers = () =>
    new Handlers(
      {
        reply() {},
        fail: (_invocation, error) => void errors.push(error),
        stream: () => new Promise(() => {}),
        settled() {},
      },
      {
        services,
        clock,
        handleTimeoutMs: 0,
        maxRunning: Infinity,
        interceptors: [],
        onEvent: () => {},
      },
    );
  const handlers = newHandlers();
  let seq = 0;
  const call = (
    args: unknown,
    { method = "run", timeoutMs = 0, over = handlers } = {},
  ) => {
    const invocation = new Invocation(
      ++seq,
      `Foo.${method}`,
      args,
      timeoutMs,
      false,
      silentPeer("here"),
    );
    over.start(invocation);
    return seq;
  };
  /** Windows of calls that take so long, with some running at all times. */
  const serve = async (latencyMs: number, calls: number) => {
    for (let count = 0; count < calls; count++) {
      call(() => new Promise<void>((end) => void clock.after(latencyMs, end)));
      await clock.advance(10);
    }
  };
  /** Makes the method's limit the least one. */
  const overload = async () => {
    await serve(25, 100);
    // As from a pool of one: each waits for all that were before it.
    let waitMs = 25;
    for (let count = 0; count < 40; count++) {
      const latencyMs = (waitMs += 100);
      call(() => new Promise<void>((end) => void clock.after(latencyMs, end)));
    }
    await clock.advance(2_100);
  };
  const limitOf = (method = "run") =>
    services.find(`Foo.${method}`).adaptiveLimit;
  return {
    clock,
    errors,
    handlers,
    newHandlers,
    services,
    call,
    overload,
    limitOf,
  };
}

const forEver = () => new Promise<never>(() => {});

async function* noItems(): AsyncGenerator<never, void> {}

describe("a method that has become slow", () => {
  test("refuses more calls as not sent, at once, and the handler does not run", async () => {
    const { errors, call, overload, limitOf } = setUp();
    await overload();
    expect(limitOf()?.limit).toBeLessThan(10);
    let ran = 0;
    call(() => void ran++);
    expect(errors.map(({ code, sent }) => [code, sent])).toEqual([
      ["resource_exhausted", false],
    ]);
    expect(ran).toBe(0);
    expect(limitOf()?.refusals).toBe(1);
  });

  test("refuses those of every connection", async () => {
    const { errors, call, newHandlers, overload } = setUp();
    await overload();
    call(forEver, { over: newHandlers() });
    expect(errors.map(({ code }) => code)).toEqual(["resource_exhausted"]);
  });

  test("takes nothing from others", async () => {
    const { errors, call, overload, limitOf } = setUp();
    await overload();
    for (let count = 0; count < 50; count++) call(forEver, { method: "other" });
    expect(errors).toEqual([]);
    expect(limitOf("other")?.limit).toBe(Infinity);
  });

  test("tells one whose time is over that, and not that there is no place", async () => {
    const { clock, errors, handlers, overload } = setUp();
    await overload();
    const late = new Invocation(
      999,
      "Foo.run",
      forEver,
      1,
      false,
      silentPeer("here"),
    );
    late.arrivedAt = clock.now() - 2;
    handlers.start(late);
    expect(errors.map(({ code }) => code)).toEqual(["deadline_exceeded"]);
  });

  test("goes on when its handlers have ended", async () => {
    const { clock, errors, call, overload, limitOf } = setUp();
    await overload();
    await clock.advance(10_000);
    expect(limitOf()?.limit).toBe(Infinity);
    for (let count = 0; count < 50; count++) call(forEver);
    expect(errors).toEqual([]);
  });
});

describe("what takes a place", () => {
  test("is a handler that answers later, until it ends", async () => {
    const { clock, errors, handlers, call, limitOf } = setUp();
    call(() => "now");
    expect(limitOf()?.running).toBe(0);
    const ends = [0, 1, 2, 3].map(() => Promise.withResolvers<void>());
    call(() => ends[0]?.promise);
    call(() => ends[1]?.promise);
    call(() => ends[2]?.promise, { timeoutMs: 50 });
    const cancelled = call(() => ends[3]?.promise);
    expect(limitOf()?.running).toBe(4);
    handlers.cancel(cancelled);
    await clock.advance(50);
    expect(errors.map(({ code }) => code)).toEqual(["deadline_exceeded"]);
    // Nobody waits for two of them, and they run.
    expect(limitOf()?.running).toBe(4);
    ends[0]?.resolve();
    ends[1]?.reject(new Error("no"));
    ends[2]?.resolve();
    ends[3]?.reject(new Error("no"));
    await settle();
    expect(limitOf()?.running).toBe(0);
  });

  test("is no stream", async () => {
    const { handlers, call, limitOf } = setUp();
    call(() => noItems());
    call(async () => noItems());
    call(Object.assign(noItems(), { work: forEver }), { method: "total" });
    await settle();
    expect(handlers.runningCount).toBe(3);
    expect(limitOf()?.running).toBe(0);
    expect(limitOf("total")?.running).toBe(0);
  });

  test("is no method that declines", () => {
    const { limitOf } = setUp({ other: { adaptiveLimit: false } });
    expect(limitOf("other")).toBeUndefined();
    expect(limitOf("run")).toBeDefined();
    const services = new Services();
    services.register({ run: forEver }, "Foo");
    expect(services.find("Foo.run").adaptiveLimit).toBeUndefined();
  });
});

test("a place is told how long its caller waits, and what becomes of the call", async () => {
  const { clock, handlers, call, limitOf } = setUp();
  const told: unknown[] = [];
  const limit = limitOf() as AdaptiveLimit;
  limit.enter = (startedAt, givenMs) => {
    const place = new Place(limit, startedAt, Infinity);
    place.giveUp = (now) => void told.push(["given up", now - startedAt]);
    place.end = (now, isError) => void told.push([isError, now - startedAt]);
    place.leave = () => void told.push("left");
    told.push(givenMs);
    return place;
  };
  const after =
    (ms: number, isError = false) =>
    () =>
      new Promise<void>((resolve, reject) => {
        clock.after(ms, () => (isError ? reject(new Error("no")) : resolve()));
      });
  call(after(10), { timeoutMs: 50 });
  await clock.advance(10);
  expect(told.splice(0)).toEqual([50, [false, 10]]);
  call(after(10, true));
  await clock.advance(10);
  expect(told.splice(0)).toEqual([Infinity, [true, 10]]);
  call(after(60), { timeoutMs: 50 });
  await clock.advance(60);
  expect(told.splice(0)).toEqual([50, ["given up", 50], [false, 60]]);
  const cancelled = call(after(60));
  await clock.advance(20);
  handlers.cancel(cancelled);
  await clock.advance(40);
  expect(told.splice(0)).toEqual([Infinity, ["given up", 20], [false, 60]]);
  const stream = call(async () => noItems());
  await settle();
  handlers.cancel(stream);
  expect(told).toEqual([Infinity, "left"]);
});
