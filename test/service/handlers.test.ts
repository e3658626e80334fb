import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import type { OnEvent, RpcEvent } from "../../src/events.ts";
import type { Context } from "../../src/service/context.ts";
import { currentCall } from "../../src/service/call-context.ts";
import { Handlers } from "../../src/service/handlers.ts";
import { Invocation } from "../../src/service/invocation.ts";
import type { MethodOptions } from "../../src/service/method.ts";
import { silentPeer } from "../../src/service/silent-peer.ts";
import { Services } from "../../src/service/services.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";

/** What became of a call: its one answer. */
type Answer =
  { seq: number; reply: unknown } | { seq: number; error: RpcError };

interface SetUp {
  handleTimeoutMs?: number;
  maxRunning?: number;
  methods?: Record<string, MethodOptions>;
  onEvent?: OnEvent;
}

/** A reply that is a stream, as it was handed over to be sent; the test says how that ends. */
interface SentStream {
  seq: number;
  items: AsyncIterable<unknown>;
  resolve(): void;
  reject(thrown: unknown): void;
}

/** A handler whose end a test decides. */
interface Held {
  context: Context;
  resolve(reply: unknown): void;
  reject(thrown: unknown): void;
}

function setUp({
  handleTimeoutMs = 0,
  maxRunning = 100,
  methods = {},
  onEvent,
}: SetUp = {}) {
  const clock = new ManualClock();
  const answers: Answer[] = [];
  const events: RpcEvent[] = [];
  const held: Held[] = [];
  const streams: SentStream[] = [];
  let settledCount = 0;
  const services = new Services();
  services.register(
    {
      now: (args: unknown) => args,
      run: (work: () => unknown) => work(),
      hold(_args: unknown, context: Context) {
        const { promise, resolve, reject } = Promise.withResolvers<unknown>();
        held.push({ context, resolve, reject });
        return promise;
      },
    },
    { name: "Foo", methods },
  );
  const handlers = new Handlers(
    {
      reply: ({ seq }, reply) => void answers.push({ seq, reply }),
      fail: ({ seq }, error) => void answers.push({ seq, error }),
      stream({ seq }, items) {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        streams.push({ seq, items, resolve, reject });
        return promise;
      },
      settled: () => void settledCount++,
    },
    {
      services,
      clock,
      handleTimeoutMs,
      maxRunning,
      interceptors: [],
      onEvent: onEvent ?? ((event) => void events.push(event)),
    },
  );
  let lastSeq = 0;
  const start = (
    method: string,
    args?: unknown,
    {
      timeoutMs = 0,
      oneWay = false,
      seq = ++lastSeq,
      isUntilReply = false,
    } = {},
  ): Invocation => {
    const invocation = new Invocation(
      seq,
      `Foo.${method}`,
      args,
      timeoutMs,
      oneWay,
      silentPeer("here"),
    );
    invocation.isUntilReply = isUntilReply;
    handlers.start(invocation);
    return invocation;
  };
  const counters = (method: string) => {
    const { calls, errors, inFlight, latencyUs } = services.find(
      `Foo.${method}`,
    );
    return { calls, errors, inFlight, ended: latencyUs.count };
  };
  return {
    clock,
    answers,
    events,
    held,
    streams,
    handlers,
    start,
    counters,
    get settledCount() {
      return settledCount;
    },
  };
}

describe("a handler", () => {
  test("that answers at once is answered at once, without an entry", () => {
    const { answers, handlers, start, counters } = setUp();
    start("now", 3);
    expect(answers).toEqual([{ seq: 1, reply: 3 }]);
    expect(handlers.runningCount).toBe(0);
    expect(counters("now")).toEqual({
      calls: 1,
      errors: 0,
      inFlight: 0,
      ended: 1,
    });
  });

  test("that answers later is running until then", async () => {
    const set = setUp();
    const { answers, held, handlers, start, counters } = set;
    start("hold");
    await settle();
    expect(answers).toEqual([]);
    expect(handlers.runningCount).toBe(1);
    expect(counters("hold")).toEqual({
      calls: 1,
      errors: 0,
      inFlight: 1,
      ended: 0,
    });
    held[0]?.resolve("done");
    await settle();
    expect(answers).toEqual([{ seq: 1, reply: "done" }]);
    expect(handlers.runningCount).toBe(0);
    expect(set.settledCount).toBe(1);
    expect(counters("hold")).toEqual({
      calls: 1,
      errors: 0,
      inFlight: 0,
      ended: 1,
    });
  });

  test("gets its argument, its context and its own this", () => {
    const services = new Services();
    const target = {
      factor: 2,
      seen: undefined as unknown,
      times(
        this: { factor: number; seen: unknown },
        by: number,
        context: Context,
      ) {
        this.seen = context;
        return this.factor * by;
      },
    };
    services.register(target, "Foo");
    const replies: unknown[] = [];
    const handlers = new Handlers(
      {
        reply: (_invocation, reply) => void replies.push(reply),
        fail: (_invocation, error) => void replies.push(error),
        stream: () => Promise.reject(new Error("not expected")),
        settled() {},
      },
      {
        services,
        clock: new ManualClock(),
        handleTimeoutMs: 0,
        maxRunning: 1,
        interceptors: [],
        onEvent() {},
      },
    );
    const peer = silentPeer("tcp@10.0.0.7:5");
    handlers.start(new Invocation(1, "Foo.times", 21, 0, false, peer));
    expect(replies).toEqual([42]);
    expect(target.seen).toMatchObject({ peer, deadlineAt: undefined });
    expect((target.seen as Context).metadata.size).toBe(0);
  });

  test("may give any thenable; it counts once, however often that settles", async () => {
    const { answers, handlers, start, counters } = setUp();
    const twice = {
      then(onReply: (reply: unknown) => void) {
        onReply(1);
        onReply(2);
      },
    };
    const callable = Object.assign(() => {}, twice);
    start("run", () => twice);
    start("run", () => callable);
    await settle();
    expect(answers).toEqual([
      { seq: 1, reply: 1 },
      { seq: 2, reply: 1 },
    ]);
    expect(handlers.runningCount).toBe(0);
    expect(counters("run")).toEqual({
      calls: 2,
      errors: 0,
      inFlight: 0,
      ended: 2,
    });
  });

  test("whose result cannot even be looked at fails that call only", async () => {
    const { answers, start, counters } = setUp();
    const hostile = {
      get then(): never {
        throw new Error("do not look");
      },
    };
    start("run", () => hostile);
    await settle();
    expect(answers).toMatchObject([{ seq: 1, error: { code: "unknown" } }]);
    expect(counters("run")).toEqual({
      calls: 1,
      errors: 1,
      inFlight: 0,
      ended: 1,
    });
  });
});

describe("what a handler throws", () => {
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const things: [name: string, thrown: unknown][] = [
    ["an Error", new TypeError("odd")],
    ["undefined", undefined],
    ["null", null],
    ["a string", "text"],
    ["a number", 7],
    ["a symbol", Symbol("s")],
    ["a frozen object", Object.freeze({ code: "not_found" })],
    ["a function", () => {}],
    ["an object without a prototype", Object.create(null)],
    ["a revoked proxy", revoked.proxy],
  ];
  for (const [name, thrown] of things) {
    for (const way of ["at once", "later"]) {
      test(`${name}, ${way}, is unknown`, async () => {
        const { answers, events, handlers, start, counters } = setUp();
        start("run", () => {
          if (way === "later") return Promise.reject(thrown);
          throw thrown;
        });
        await settle();
        expect(answers).toMatchObject([{ seq: 1, error: { code: "unknown" } }]);
        expect(events).toHaveLength(1);
        expect(events[0]).toMatchObject({
          kind: "handler-failed",
          serviceMethod: "Foo.run",
        });
        expect(Object.is((events[0] as { error: unknown }).error, thrown)).toBe(
          true,
        );
        expect(handlers.runningCount).toBe(0);
        expect(counters("run")).toEqual({
          calls: 1,
          errors: 1,
          inFlight: 0,
          ended: 1,
        });
      });
    }
  }

  test("an RpcError keeps its code, message and details, and is no event", async () => {
    const { answers, events, start } = setUp();
    const thrown = Object.freeze(
      new RpcError("not_found", "nobody", { details: { id: 7 } }),
    );
    start("run", () => {
      throw thrown;
    });
    start("run", () => Promise.reject(thrown));
    await settle();
    const error = { code: "not_found", message: "nobody", details: { id: 7 } };
    expect(answers).toMatchObject([
      { seq: 1, error },
      { seq: 2, error },
    ]);
    expect(events).toEqual([]);
  });

  test("that a call of its own was not sent does not say that it did not run", () => {
    const { answers, start } = setUp();
    start("run", () => {
      throw new RpcError("unavailable", "downstream is away", { sent: false });
    });
    const { error } = answers[0] as { seq: number; error: RpcError };
    expect(error.code).toBe("unavailable");
    expect(error.sent).toBeUndefined();
  });
});

describe("limits", () => {
  const exhausted = { code: "resource_exhausted", sent: false };

  test("past maxRunning a call is refused, not started", async () => {
    const { answers, held, handlers, start, counters } = setUp({
      maxRunning: 2,
    });
    start("hold");
    start("hold");
    expect(handlers.isFull).toBe(true);
    start("hold");
    start("now", "not even this");
    expect(answers).toMatchObject([
      { seq: 3, error: exhausted },
      { seq: 4, error: exhausted },
    ]);
    expect(counters("hold")).toMatchObject({ calls: 2, inFlight: 2 });
    expect(counters("now")).toMatchObject({ calls: 0 });
    held[0]?.resolve(1);
    await settle();
    expect(handlers.isFull).toBe(false);
    start("now", "now it is");
    expect(answers.at(-1)).toEqual({ seq: 5, reply: "now it is" });
  });

  test("a method's own limit holds for that method", async () => {
    const { answers, held, start } = setUp({
      methods: { hold: { maxRunning: 1 } },
    });
    start("hold");
    start("hold");
    start("now", 1);
    expect(answers).toMatchObject([
      { seq: 2, error: exhausted },
      { seq: 3, reply: 1 },
    ]);
    held[0]?.resolve(1);
    await settle();
    start("hold");
    expect(held).toHaveLength(2);
  });

  test("a handler that was answered early still counts until it has ended", async () => {
    const { clock, answers, held, handlers, start } = setUp({ maxRunning: 1 });
    start("hold", undefined, { timeoutMs: 10 });
    await clock.advance(10);
    expect(answers).toHaveLength(1);
    expect(handlers.isFull).toBe(true);
    held[0]?.resolve(1);
    await settle();
    expect(handlers.isFull).toBe(false);
  });

  test("a seq that is running already gets one answer for both calls, and the first is stopped", async () => {
    const { answers, held, handlers, start } = setUp();
    start("hold", undefined, { seq: 9 });
    start("hold", undefined, { seq: 9 });
    expect(held).toHaveLength(1);
    expect(held[0]?.context.signal.aborted).toBe(true);
    held[0]?.resolve("late");
    await settle();
    expect(answers).toMatchObject([
      { seq: 9, error: { code: "internal", sent: undefined } },
    ]);
    expect(handlers.runningCount).toBe(0);
  });

  test("an unknown or ill-formed method is answered, and counted nowhere", () => {
    const { answers, handlers, events, start } = setUp();
    start("nope");
    handlers.start(new Invocation(8, "Foo", 0, 0, false, silentPeer("")));
    expect(answers).toMatchObject([
      { seq: 1, error: { code: "unimplemented" } },
      { seq: 8, error: { code: "invalid_argument" } },
    ]);
    expect(events).toEqual([]);
  });
});

describe("time", () => {
  const cases = [
    { caller: 30, method: 20, server: 10, shortest: 10 },
    { caller: 30, method: 10, server: 20, shortest: 10 },
    { caller: 10, method: 20, server: 30, shortest: 10 },
    { caller: 0, method: 0, server: 10, shortest: 10 },
    { caller: 0, method: 10, server: 0, shortest: 10 },
    { caller: 10, method: 0, server: 0, shortest: 10 },
  ];
  for (const { caller, method, server, shortest } of cases) {
    test(`of ${caller} (caller), ${method} (method), ${server} (server) the shortest counts`, async () => {
      const { clock, answers, held, events, start } = setUp({
        handleTimeoutMs: server,
        methods: { hold: { timeoutMs: method } },
      });
      const startedAt = clock.now();
      start("hold", undefined, { timeoutMs: caller });
      expect(held[0]?.context.deadlineAt).toBe(startedAt + shortest);
      await clock.advance(shortest - 1);
      expect(answers).toEqual([]);
      await clock.advance(1);
      expect(answers).toMatchObject([
        { seq: 1, error: { code: "deadline_exceeded" } },
      ]);
      expect(events).toEqual([
        {
          kind: "handler-timeout",
          serviceMethod: "Foo.hold",
          timeoutMs: shortest,
        },
      ]);
    });
  }

  test("without any of them there is no deadline and no timer", () => {
    const { clock, held, start } = setUp();
    start("hold");
    expect(held[0]?.context.deadlineAt).toBeUndefined();
    expect(clock.timers).toBe(0);
  });

  test("the caller's counts from its arrival, the server's from the start", async () => {
    const { clock, answers, held, handlers } = setUp({ handleTimeoutMs: 40 });
    const arrivedAt = clock.now();
    const late = new Invocation(1, "Foo.hold", 0, 100, false, silentPeer(""));
    late.arrivedAt = arrivedAt;
    await clock.advance(70);
    handlers.start(late);
    expect(held[0]?.context.deadlineAt).toBe(arrivedAt + 100);
    const tooLate = new Invocation(2, "Foo.hold", 0, 70, false, silentPeer(""));
    tooLate.arrivedAt = arrivedAt;
    handlers.start(tooLate);
    expect(held).toHaveLength(1);
    expect(answers).toMatchObject([
      { seq: 2, error: { code: "deadline_exceeded", sent: false } },
    ]);
  });

  test("over time: one answer, the signal aborts, the late result is dropped and counted as an error", async () => {
    for (const late of ["resolve", "reject"] as const) {
      const set = setUp();
      const { clock, answers, held, handlers, start, counters } = set;
      start("hold", undefined, { timeoutMs: 10 });
      await clock.advance(10);
      expect(set.settledCount).toBe(1);
      expect(handlers.unansweredCount).toBe(0);
      expect(held[0]?.context.signal.reason).toMatchObject({
        code: "deadline_exceeded",
      });
      expect(handlers.runningCount).toBe(1);
      expect(counters("hold")).toEqual({
        calls: 1,
        errors: 0,
        inFlight: 1,
        ended: 0,
      });
      held[0]?.[late]("late");
      await settle();
      expect(answers).toHaveLength(1);
      expect(set.settledCount).toBe(2);
      expect(handlers.runningCount).toBe(0);
      expect(counters("hold")).toEqual({
        calls: 1,
        errors: 1,
        inFlight: 0,
        ended: 1,
      });
      expect(clock.timers).toBe(0);
    }
  });

  test("each has its own time, in whatever order they came", async () => {
    const { clock, answers, start } = setUp();
    for (const timeoutMs of [30, 10, 20, 10]) {
      start("hold", undefined, { timeoutMs });
    }
    const expired: number[][] = [];
    for (let turn = 0; turn < 3; turn++) {
      await clock.advance(10);
      expired.push(answers.splice(0).map(({ seq }) => seq));
    }
    expect(expired).toEqual([[2, 4], [3], [1]]);
  });
});

describe("cancel", () => {
  test("aborts the signal; nothing is answered, then or later", async () => {
    const { clock, answers, held, handlers, start, counters } = setUp();
    start("hold", undefined, { timeoutMs: 10 });
    handlers.cancel(1);
    expect(held[0]?.context.signal.reason).toMatchObject({ code: "cancelled" });
    await clock.advance(10);
    held[0]?.resolve("late");
    await settle();
    expect(answers).toEqual([]);
    expect(handlers.runningCount).toBe(0);
    expect(counters("hold")).toEqual({
      calls: 1,
      errors: 1,
      inFlight: 0,
      ended: 1,
    });
  });

  test("of a seq that is not running does nothing", () => {
    const { answers, held, handlers, start } = setUp();
    start("hold");
    handlers.cancel(2);
    expect(held[0]?.context.signal.aborted).toBe(false);
    expect(answers).toEqual([]);
  });

  test("abortAll aborts each, answers none and leaves no timer", async () => {
    const { clock, answers, held, handlers, start } = setUp();
    for (let i = 0; i < 3; i++) start("hold", undefined, { timeoutMs: 10 });
    const reason = new RpcError("unavailable", "gone");
    handlers.abortAll(reason);
    for (const { context } of held) expect(context.signal.reason).toBe(reason);
    expect(clock.timers).toBe(0);
    for (const { resolve } of held) resolve("late");
    await settle();
    expect(answers).toEqual([]);
    expect(handlers.runningCount).toBe(0);
  });
});

test("a one-way call is run, counted and never answered", async () => {
  const { clock, answers, events, held, handlers, start, counters } = setUp({
    maxRunning: 2,
  });
  const oneWay = { oneWay: true };
  start("now", 1, oneWay);
  start("run", () => Promise.reject(new Error("odd")), oneWay);
  start("hold", undefined, { oneWay: true, timeoutMs: 10 });
  // Both places are taken.
  start("hold", undefined, oneWay);
  start("nope", undefined, oneWay);
  await clock.advance(10);
  held[0]?.resolve(1);
  await settle();
  expect(answers).toEqual([]);
  expect(handlers.runningCount).toBe(0);
  expect(counters("now").calls).toBe(1);
  expect(counters("run")).toMatchObject({ calls: 1, errors: 1 });
  expect(events.map(({ kind }) => kind)).toEqual([
    "handler-failed",
    "handler-timeout",
  ]);
});

test("the end of a handler that answers at once may be the beginning of the next", async () => {
  const { clock, handlers, held } = setUp();
  const peer = silentPeer("here");
  const call = (seq: number, method: string, args: unknown) =>
    new Invocation(seq, `Foo.${method}`, args, 0, false, peer);
  const first = call(1, "now", 1);
  expect(handlers.start(first)).toBe(clock.now());
  expect(first.startedAt).toBe(clock.now());
  const second = call(2, "now", 2);
  const endedAt = clock.now();
  await clock.advance(5);
  expect(handlers.start(second, endedAt)).toBe(clock.now());
  expect(second.startedAt).toBe(endedAt);
  const fails = call(3, "run", () => {
    throw new RpcError("not_found", "no");
  });
  expect(handlers.start(fails)).toBe(clock.now());
  // Whoever comes after one that answers later has to look at the clock.
  expect(handlers.start(call(4, "hold", undefined))).toBe(undefined);
  held[0]?.resolve(1);
  await settle();
});

describe("a reply that is a stream", () => {
  /** A generator, and how often its finally has run. */
  function source() {
    const counts = { ends: 0 };
    async function* generate() {
      try {
        yield 1;
      } finally {
        counts.ends++;
      }
    }
    return { counts, items: generate() };
  }
  const running = { calls: 1, errors: 0, inFlight: 1, ended: 0 };
  const done = { calls: 1, errors: 0, inFlight: 0, ended: 1 };
  const failed = { calls: 1, errors: 1, inFlight: 0, ended: 1 };
  const ways: [string, (items: AsyncIterable<unknown>) => unknown][] = [
    ["at once", (items) => items],
    ["later", (items) => Promise.resolve(items)],
  ];

  test.each(ways)(
    "given %s, is handed over, and running until it is sent",
    async (_, give) => {
      const set = setUp();
      const { answers, streams, handlers, start, counters } = set;
      start("run", () => give(source().items));
      await settle();
      expect(streams).toMatchObject([{ seq: 1 }]);
      expect([handlers.runningCount, handlers.unansweredCount]).toEqual([1, 1]);
      expect(counters("run")).toEqual(running);
      expect(set.settledCount).toBe(0);
      streams[0]?.resolve();
      await settle();
      expect(answers).toEqual([]);
      expect([handlers.runningCount, handlers.unansweredCount]).toEqual([0, 0]);
      expect(counters("run")).toEqual(done);
      expect(set.settledCount).toBe(1);
    },
  );

  test.each([
    ["an RpcError", new RpcError("not_found", "no"), "not_found", 0],
    ["something else", new Error("odd"), "unknown", 1],
  ])(
    "that ends with %s fails the call",
    async (_, thrown, code, eventCount) => {
      const set = setUp();
      const { answers, events, streams, handlers, start, counters } = set;
      start("run", () => source().items);
      streams[0]?.reject(thrown);
      await settle();
      expect(answers).toMatchObject([{ seq: 1, error: { code } }]);
      expect(events).toHaveLength(eventCount);
      expect([handlers.runningCount, handlers.unansweredCount]).toEqual([0, 0]);
      expect(counters("run")).toEqual(failed);
      expect(set.settledCount).toBe(1);
    },
  );

  test("that is cancelled is running until its source has ended, and counts as an error", async () => {
    const { answers, streams, handlers, start, counters } = setUp();
    const reasons: unknown[] = [];
    const invocation = start("run", () => source().items);
    invocation.onAbort = (reason) => void reasons.push(reason.code);
    handlers.cancel(1);
    expect(reasons).toEqual(["cancelled"]);
    expect([handlers.runningCount, handlers.unansweredCount]).toEqual([1, 0]);
    streams[0]?.resolve();
    await settle();
    expect(answers).toEqual([]);
    expect([handlers.runningCount, handlers.unansweredCount]).toEqual([0, 0]);
    expect(counters("run")).toEqual(failed);
  });

  test("sees the call that it serves, from whoever asks for its items", async () => {
    const { streams, start } = setUp();
    async function* generate() {
      yield currentCall()?.metadata;
    }
    const invocation = start("run", generate);
    const { items } = streams[0] as SentStream;
    const { value } = await items[Symbol.asyncIterator]().next();
    expect(value).toBe(invocation.metadata);
  });

  test.each(ways)(
    "given %s to a one-way call is ended unread",
    async (_, give) => {
      const { answers, streams, handlers, start, counters } = setUp();
      let returns = 0;
      const unread = {
        [Symbol.asyncIterator]: () => ({
          next: () => Promise.reject(new Error("asked")),
          return: async () => void returns++,
        }),
      } as unknown as AsyncIterable<unknown>;
      start("run", () => give(unread), { oneWay: true });
      await settle();
      expect(returns).toBe(1);
      expect(streams).toEqual([]);
      expect(answers).toEqual([]);
      expect([handlers.runningCount, handlers.unansweredCount]).toEqual([0, 0]);
      expect(counters("run")).toEqual(done);
    },
  );

  test("that comes after the answer is ended unread, whatever it throws at that", async () => {
    const set = setUp();
    const { clock, answers, held, streams, handlers, start, counters } = set;
    start("hold", undefined, { timeoutMs: 10 });
    await clock.advance(10);
    let returns = 0;
    held[0]?.resolve({
      [Symbol.asyncIterator]: () => ({
        return: () => {
          returns++;
          throw new Error("cannot end");
        },
      }),
    });
    await settle();
    expect(returns).toBe(1);
    expect(streams).toEqual([]);
    expect(answers).toHaveLength(1);
    expect(handlers.runningCount).toBe(0);
    expect(counters("hold")).toEqual(failed);
  });

  test("which cannot even be looked at fails that call only", async () => {
    const { answers, handlers, start, counters } = setUp();
    const hostile = Object.defineProperty({}, Symbol.asyncIterator, {
      get: () => {
        throw new Error("do not look");
      },
    });
    start("run", () => Promise.resolve(hostile));
    await settle();
    expect(answers).toMatchObject([{ seq: 1, error: { code: "unknown" } }]);
    expect(handlers.runningCount).toBe(0);
    expect(counters("run")).toEqual(failed);
  });

  const times = [
    {
      what: "the caller's, asked for",
      caller: 30,
      isUntilReply: false,
      at: 30,
    },
    { what: "the caller's default", caller: 30, isUntilReply: true },
    { what: "the server's", server: 30 },
    { what: "the method's own", method: 30, at: 30 },
    {
      what: "the method's own before the caller's",
      caller: 40,
      method: 30,
      at: 30,
    },
    {
      what: "the caller's before the method's own",
      caller: 30,
      method: 40,
      at: 30,
    },
    {
      what: "the method's own behind the server's",
      server: 20,
      method: 30,
      at: 30,
    },
  ];
  test.each(times)(
    "has the time limit of $what: $at",
    async ({
      caller = 0,
      isUntilReply = false,
      server = 0,
      method = 0,
      at,
    }) => {
      const { clock, answers, events, streams, handlers, start } = setUp({
        handleTimeoutMs: server,
        methods: { hold: { timeoutMs: method }, run: { timeoutMs: method } },
      });
      const startedAt = clock.now();
      const deadlineAt = at === undefined ? undefined : startedAt + at;
      const options = { timeoutMs: caller, isUntilReply };
      const reasons: unknown[] = [];
      const invocation = start("run", () => source().items, options);
      invocation.onAbort = (reason) => void reasons.push(reason.code);
      expect(streams).toHaveLength(1);
      expect(invocation.deadlineAt).toBe(deadlineAt);
      await clock.advance((at ?? 1_000) - 1);
      expect(answers).toEqual([]);
      await clock.advance(1);
      const isOver = at !== undefined;
      expect(handlers.unansweredCount).toBe(isOver ? 0 : 1);
      expect(reasons).toEqual(isOver ? ["deadline_exceeded"] : []);
      expect(answers.map(({ seq }) => seq)).toEqual(isOver ? [1] : []);
      expect(events).toHaveLength(isOver ? 1 : 0);
      expect(clock.timers).toBe(0);
    },
  );

  test("has all limits until it begins", async () => {
    for (const options of [{ handleTimeoutMs: 10 }, {}]) {
      const { clock, answers, streams, start } = setUp(options);
      start("hold", undefined, { timeoutMs: 10, isUntilReply: true });
      await clock.advance(10);
      expect(answers).toMatchObject([
        { seq: 1, error: { code: "deadline_exceeded" } },
      ]);
      expect(streams).toEqual([]);
    }
  });

  test("that begins late has what is left, from its arrival", async () => {
    const { clock, answers, held, streams, start } = setUp();
    start("hold", undefined, { timeoutMs: 100 });
    await clock.advance(60);
    held[0]?.resolve(source().items);
    await clock.advance(39);
    expect(streams).toHaveLength(1);
    expect(answers).toEqual([]);
    await clock.advance(1);
    expect(answers).toHaveLength(1);
  });
});

describe("a call that cannot go on", () => {
  const broken = new RpcError("internal", "broken");

  test("is answered at once, its signal aborts, and its result is dropped", async () => {
    const { answers, held, handlers, start, counters } = setUp();
    start("hold");
    expect(handlers.fail(1, broken)).toBe(true);
    expect(held[0]?.context.signal.reason).toBe(broken);
    expect(handlers.fail(1, broken)).toBe(false);
    expect(handlers.fail(2, broken)).toBe(false);
    held[0]?.resolve("late");
    await settle();
    expect(answers).toEqual([{ seq: 1, error: broken }]);
    expect([handlers.runningCount, handlers.unansweredCount]).toEqual([0, 0]);
    expect(counters("hold")).toMatchObject({ errors: 1, ended: 1 });
  });

  test("is only stopped where no answer is wanted", async () => {
    const { answers, held, handlers, start } = setUp();
    start("hold", undefined, { oneWay: true });
    expect(handlers.fail(1, broken)).toBe(true);
    expect(held[0]?.context.signal.aborted).toBe(true);
    expect(answers).toEqual([]);
  });
});

describe("an onEvent that throws", () => {
  const mute = {
    onEvent: (): never => {
      throw new Error("the log is full");
    },
  };

  /** The warning that tells of it. */
  function warned(): Promise<Error> {
    return new Promise((resolve) => process.once("warning", resolve));
  }

  test("costs no answer: of what a handler throws", async () => {
    const { answers, start } = setUp(mute);
    const warning = warned();
    start("run", () => {
      throw new Error("odd");
    });
    expect(answers).toMatchObject([{ seq: 1, error: { code: "unknown" } }]);
    expect((await warning).message).toContain("the log is full");
  });

  test("and neither of those that are out of time, nor the next deadline", async () => {
    const { clock, answers, start } = setUp(mute);
    for (const timeoutMs of [10, 10, 20]) {
      start("hold", undefined, { timeoutMs });
    }
    await clock.advance(10);
    await clock.advance(10);
    expect(answers).toHaveLength(3);
  });
});

test("the event is told behind the answer", async () => {
  const told: string[] = [];
  const { clock, answers, start } = setUp({
    onEvent: ({ kind }) => void told.push(`${kind} ${answers.length}`),
  });
  start("run", () => {
    throw new Error("odd");
  });
  start("hold", undefined, { timeoutMs: 10 });
  await clock.advance(10);
  expect(told).toEqual(["handler-failed 1", "handler-timeout 2"]);
});
