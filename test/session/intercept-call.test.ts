import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import type { CallOptions } from "../../src/service/call-options.ts";
import type { Interceptor } from "../../src/service/interceptor.ts";
import { interceptCall } from "../../src/session/intercept-call.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import { Feed } from "./feed.ts";

/** What one call through `interceptor` has come to, and the options that it was passed on with. */
function setUp(interceptor: Interceptor, options?: CallOptions) {
  const clock = new ManualClock(1_000);
  const passed: CallOptions[] = [];
  const outcomes: unknown[] = [];
  const answer = { reply: "reply" as unknown };
  void interceptCall(
    [interceptor],
    "Foo.echo",
    1,
    options,
    async (_method, _args, given) => {
      passed.push(given);
      return answer.reply;
    },
    clock,
  ).then(
    (reply) => outcomes.push(reply),
    (thrown) => outcomes.push(thrown.code),
  );
  return { clock, passed, outcomes, answer };
}

/** One that holds each call until the test lets it go. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  const hold: Interceptor = async (call, next) => {
    await promise;
    return next(call);
  };
  return { hold, open: resolve };
}

const pass: Interceptor = (call, next) => next(call);

describe("a call that an interceptor holds", () => {
  test("ends at its timeout, and is not passed on later", async () => {
    const { hold, open } = gate();
    const { clock, outcomes, passed } = setUp(hold, { timeoutMs: 50 });
    await clock.advance(49);
    expect(outcomes).toEqual([]);
    await clock.advance(1);
    expect(outcomes).toEqual(["deadline_exceeded"]);
    open();
    await settle();
    expect(passed).toEqual([]);
  });

  test("ends with its signal, for that one's reason", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const { outcomes } = setUp(gate().hold, { signal });
    controller.abort(new RpcError("aborted", "on purpose"));
    await settle();
    expect(outcomes).toEqual(["aborted"]);
  });

  test("does not begin where its signal has aborted", async () => {
    let runs = 0;
    const count: Interceptor = () => runs++;
    const { outcomes } = setUp(count, { signal: AbortSignal.abort() });
    await settle();
    expect(outcomes).toEqual(["cancelled"]);
    expect(runs).toBe(0);
  });

  test("lets a stream go that comes when it is over", async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const { clock, outcomes } = setUp(() => promise, { timeoutMs: 50 });
    await clock.advance(50);
    let returns = 0;
    const late = new Feed().items();
    late.return = async () => ({ done: true, value: void returns++ });
    resolve(late);
    await settle();
    expect(outcomes).toEqual(["deadline_exceeded"]);
    expect(returns).toBe(1);
  });

  test("is given what is left of its time, each time that it is passed on", async () => {
    const { hold, open } = gate();
    const { clock, outcomes, passed } = setUp(hold, { timeoutMs: 50 });
    await clock.advance(20);
    open();
    await settle();
    expect(outcomes).toEqual(["reply"]);
    expect(passed).toMatchObject([{ timeoutMs: 30 }]);
    // No timer of it is left.
    expect(clock.timers).toBe(0);
  });
});

test.each([
  [20, 20],
  [80, 50],
  [0, 50],
])(
  "an interceptor's timeout of %d is %d for a call of 50",
  async (set, given) => {
    const shorten: Interceptor = (call, next) =>
      next({ ...call, timeoutMs: set } as typeof call);
    const { passed } = setUp(shorten, { timeoutMs: 50 });
    await settle();
    expect(passed).toMatchObject([{ timeoutMs: given }]);
  },
);

test.each(["caller's", "interceptor's"])(
  "where an interceptor sets a signal, the %s counts",
  async (whose) => {
    const [own, theirs] = [new AbortController(), new AbortController()];
    const change: Interceptor = (call, next) =>
      next({ ...call, signal: theirs.signal } as typeof call);
    const { passed } = setUp(change, { signal: own.signal });
    await settle();
    expect(passed[0]?.signal?.aborted).toBe(false);
    (whose === "caller's" ? own : theirs).abort();
    expect(passed[0]?.signal?.aborted).toBe(true);
  },
);

test("what its timeout is for comes along, and can be changed", async () => {
  const seen: unknown[] = [];
  const change: Interceptor = (call, next) => {
    if (call.side === "server") return next(call);
    seen.push(call.timeoutUntil);
    return next({ ...call, timeoutUntil: "end" });
  };
  const options = { timeoutMs: 50, timeoutUntil: "reply" } as const;
  const kept = setUp(pass, options);
  const changed = setUp(change, options);
  await settle();
  expect(kept.passed).toMatchObject([{ timeoutUntil: "reply" }]);
  expect(seen).toEqual(["reply"]);
  expect(changed.passed).toMatchObject([{ timeoutUntil: "end" }]);
});

test("without a time of its own nothing limits it", async () => {
  const { clock, passed } = setUp(pass);
  await settle();
  expect(passed[0]?.timeoutMs).toBeUndefined();
  expect(clock.timers).toBe(0);
});

test.each([
  { timeoutMs: -1 },
  { timeoutUntil: "begin" as "end" },
  { signal: new AbortController() as unknown as AbortSignal },
])("options that are wrong reach no interceptor: %#", async (options) => {
  let runs = 0;
  const count: Interceptor = () => runs++;
  const { outcomes } = setUp(count, options);
  await settle();
  expect(outcomes).toEqual(["invalid_argument"]);
  expect(runs).toBe(0);
});

test("its empty metadata is a map of its own", async () => {
  const sizes: number[] = [];
  const write: Interceptor = (call, next) => {
    sizes.push(call.metadata.size);
    (call.metadata as Map<string, string>).set("key", "value");
    return next(call);
  };
  setUp(write);
  setUp(write);
  await settle();
  expect(sizes).toEqual([0, 0]);
});

test("nor does a method that is no string", async () => {
  let runs = 0;
  const count: Interceptor = () => runs++;
  const error = await interceptCall(
    [count],
    undefined as unknown as string,
    1,
    undefined,
    async () => "reply",
    new ManualClock(),
  ).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "invalid_argument" });
  expect(runs).toBe(0);
});
