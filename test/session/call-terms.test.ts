import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { currentCall, runInside } from "../../src/service/call-context.ts";
import type { CallOptions } from "../../src/service/call-options.ts";
import type { Interceptor } from "../../src/service/interceptor.ts";
import { termsOf } from "../../src/session/call-terms.ts";
import { Calls } from "../../src/session/calls.ts";
import type { PendingCall } from "../../src/session/pending-call.ts";
import { fakeContext } from "../service/fake-context.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { Feed } from "./feed.ts";

const defaultMs = 5_000;
const nowMs = 1_000;
const stream = new Feed().items();
const signal = new AbortController().signal;
const trace = new Map([
  ["traceparent", "00-1-2-01"],
  ["other", "stays here"],
]);

function terms(options: CallOptions = {}, args: unknown = 0) {
  return termsOf(args, options, new ManualClock(nowMs), defaultMs);
}

function codeThrownBy(work: () => unknown): string | undefined {
  try {
    work();
  } catch (thrown) {
    return RpcError.from(thrown).code;
  }
  return undefined;
}

describe("without a call being served", () => {
  const cases: {
    what: string;
    options: CallOptions;
    args?: unknown;
    timeoutMs: number;
    isUntilReply: boolean;
  }[] = [
    {
      what: "nothing: the default, until the reply",
      options: {},
      timeoutMs: defaultMs,
      isUntilReply: true,
    },
    {
      what: "a timeout: until the end",
      options: { timeoutMs: 70 },
      timeoutMs: 70,
      isUntilReply: false,
    },
    {
      what: "a timeout until the reply",
      options: { timeoutMs: 70, timeoutUntil: "reply" },
      timeoutMs: 70,
      isUntilReply: true,
    },
    {
      what: "the default until the end",
      options: { timeoutUntil: "end" },
      timeoutMs: defaultMs,
      isUntilReply: false,
    },
    {
      what: "no limit",
      options: { timeoutMs: 0, timeoutUntil: "reply" },
      timeoutMs: 0,
      isUntilReply: false,
    },
    {
      what: "nothing, for a stream: no limit",
      options: {},
      args: stream,
      timeoutMs: 0,
      isUntilReply: false,
    },
    {
      what: "a timeout, for a stream",
      options: { timeoutMs: 70 },
      args: stream,
      timeoutMs: 70,
      isUntilReply: false,
    },
    {
      what: "a timeout until the reply, for a stream",
      options: { timeoutMs: 70, timeoutUntil: "reply" },
      args: stream,
      timeoutMs: 70,
      isUntilReply: true,
    },
  ];
  test.each(cases)("$what", ({ options, args, timeoutMs, isUntilReply }) => {
    expect(terms(options, args)).toEqual({
      timeoutMs,
      isUntilReply,
      signal: undefined,
      metadata: undefined,
    });
  });

  test("a signal and metadata are taken as they are; the latter as a map of its own", () => {
    const { signal: own, metadata } = terms({
      signal,
      metadata: { key: "value" },
    });
    expect(own).toBe(signal);
    expect(metadata).toEqual(new Map([["key", "value"]]));
    expect(terms({ metadata: {} }).metadata).toBe(undefined);
  });

  test.each([-1, Number.NaN, "5" as unknown as number])(
    "a timeout of %p is invalid_argument",
    (timeoutMs) => {
      expect(codeThrownBy(() => terms({ timeoutMs }))).toBe("invalid_argument");
    },
  );

  test.each([new AbortController(), 5, "x", null])(
    "so is a signal that is none: %#",
    (wrong) => {
      const options = { signal: wrong as unknown as AbortSignal };
      expect(codeThrownBy(() => terms(options))).toBe("invalid_argument");
    },
  );

  test.each(["End", "", 5, null])(
    "so is an end of its time that is none: %p",
    (wrong) => {
      for (const timeoutMs of [0, 5, undefined]) {
        const timeoutUntil = wrong as unknown as "end";
        const options = {
          timeoutUntil,
          ...(timeoutMs !== undefined && { timeoutMs }),
        };
        expect(codeThrownBy(() => terms(options))).toBe("invalid_argument");
      }
    },
  );

  test("so is a key of metadata that is none", () => {
    const metadata = { "No Key": "" };
    expect(codeThrownBy(() => terms({ metadata }))).toBe("invalid_argument");
  });

  test("a signal that has aborted ends it before it starts, for its own reason", () => {
    const reason = new RpcError("aborted", "on purpose");
    const [own, other] = [AbortSignal.abort(reason), AbortSignal.abort()];
    expect(codeThrownBy(() => terms({ signal: own }))).toBe("aborted");
    expect(codeThrownBy(() => terms({ signal: other }))).toBe("cancelled");
  });
});

describe("inside a call being served", () => {
  const inside = (
    fields: Parameters<typeof fakeContext>[0],
    options?: CallOptions,
    args?: unknown,
  ) => runInside(fakeContext(fields), () => terms(options, args));

  test("what is left of its time counts where that is less", () => {
    const context = { deadlineAt: nowMs + 40 };
    expect(inside(context)).toMatchObject({
      timeoutMs: 40,
      isUntilReply: true,
    });
    expect(inside(context, { timeoutMs: 70 })).toMatchObject({
      timeoutMs: 40,
      isUntilReply: false,
    });
    expect(inside(context, { timeoutMs: 30 })).toMatchObject({
      timeoutMs: 30,
      isUntilReply: false,
    });
    // Until the reply: a stream has none of its own.
    expect(inside(context, {}, stream)).toMatchObject({
      timeoutMs: 40,
      isUntilReply: true,
    });
  });

  test("when that is over the call does not start", () => {
    const work = () => inside({ deadlineAt: nowMs });
    expect(codeThrownBy(work)).toBe("deadline_exceeded");
  });

  test("its signal comes along, with the call's own or alone", () => {
    const controller = new AbortController();
    const context = { signal: controller.signal };
    expect(inside(context).signal).toBe(controller.signal);
    const both = inside(context, { signal }).signal;
    expect(both?.aborted).toBe(false);
    controller.abort();
    expect(both?.aborted).toBe(true);
    expect(codeThrownBy(() => inside(context))).toBe("cancelled");
  });

  test("of its metadata the trace comes along", () => {
    const { metadata } = inside(
      { metadata: trace },
      { metadata: { own: "yes" } },
    );
    expect(metadata).toEqual(
      new Map([
        ["own", "yes"],
        ["traceparent", "00-1-2-01"],
      ]),
    );
  });
});

describe("a call that is made", () => {
  /** What would have been started. */
  function setUp() {
    const started: PendingCall[] = [];
    const notified: unknown[][] = [];
    const calls = new Calls(
      {
        start: (call) => void started.push(call),
        notify: (...parameters) => void notified.push(parameters),
      },
      {
        clock: new ManualClock(nowMs),
        callTimeoutMs: defaultMs,
        interceptors: [],
      },
    );
    return { calls, started, notified };
  }

  test("without options has the defaults, whether it goes the short way or not", () => {
    const { calls, started } = setUp();
    void calls.call("Foo.echo", 1);
    void calls.call("Foo.echo", 1, {});
    void calls.go("Foo.echo", 1);
    expect(started).toHaveLength(3);
    for (const call of started) {
      expect(call).toMatchObject({
        serviceMethod: "Foo.echo",
        args: 1,
        form: undefined,
        timeoutMs: defaultMs,
        isUntilReply: true,
        signal: undefined,
        metadata: undefined,
      });
    }
  });

  test("inside of a handler inherits, also without options", () => {
    const { calls, started } = setUp();
    const context = fakeContext({ deadlineAt: nowMs + 40, metadata: trace });
    runInside(context, () => void calls.call("Foo.echo", 1));
    expect(started).toMatchObject([{ timeoutMs: 40, signal: context.signal }]);
    expect(started[0]?.metadata?.get("traceparent")).toBe("00-1-2-01");
  });

  test("has what it is given", () => {
    const { calls, started } = setUp();
    const onMetadata = () => {};
    void calls.call("Foo.echo", 1, {
      timeoutMs: 70,
      timeoutUntil: "reply",
      signal,
      body: "json",
      metadata: { key: "value" },
      onMetadata,
    });
    expect(started).toMatchObject([
      {
        form: "json",
        timeoutMs: 70,
        isUntilReply: true,
        signal,
        onMetadata,
        metadata: new Map([["key", "value"]]),
      },
    ]);
  });

  test("with options that are wrong rejects, and is not started", async () => {
    const { calls, started } = setUp();
    const error = await calls
      .call("Foo.echo", 1, { timeoutMs: -1 })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "invalid_argument" });
    const call = await calls.go("Foo.echo", 1, { timeoutMs: -1 }).done;
    expect(call.error).toMatchObject({ code: "invalid_argument" });
    expect(started).toEqual([]);
  });

  test("of a method that is no string is invalid_argument, and is not started", async () => {
    const { calls, started, notified } = setUp();
    const none = undefined as unknown as string;
    const caught = (thrown: unknown) => thrown;
    const errors = [
      await calls.call(none, 1).catch(caught),
      (await calls.go(none, 1).done).error,
      await calls.notify(none, 1).catch(caught),
    ];
    for (const error of errors) {
      expect(error).toMatchObject({ code: "invalid_argument", sent: false });
    }
    expect([...started, ...notified]).toEqual([]);
  });

  test("has one time for its interceptors and itself", async () => {
    const clock = new ManualClock(nowMs);
    const started: PendingCall[] = [];
    const wait: Interceptor = async (call, next) => {
      await new Promise<void>((resolve) => void clock.after(20, resolve));
      return next(call);
    };
    const calls = new Calls(
      { start: (call) => void started.push(call), notify() {} },
      { clock, callTimeoutMs: defaultMs, interceptors: [wait] },
    );
    const outcome = calls
      .call("Foo.echo", 1, { timeoutMs: 70 })
      .catch((thrown: unknown) => thrown);
    await clock.advance(20);
    expect(started).toMatchObject([{ timeoutMs: 50 }]);
    // Though nobody answers what was started.
    await clock.advance(50);
    expect(await outcome).toMatchObject({ code: "deadline_exceeded" });
  });

  test("that cannot be started rejects", async () => {
    const calls = new Calls(
      {
        start: () => {
          throw new RpcError("internal", "no session");
        },
        notify() {},
      },
      { clock: new ManualClock(), callTimeoutMs: 0, interceptors: [] },
    );
    const error = await calls
      .call("Foo.echo", 1)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "internal" });
  });

  test("with a stream runs that where the call is made, whoever asks for its items", async () => {
    const { calls, started } = setUp();
    async function* items() {
      yield currentCall();
    }
    const context = fakeContext();
    runInside(context, () => void calls.call("Foo.collect", items()));
    const args = started[0]?.args as AsyncIterable<unknown>;
    const { value } = await args[Symbol.asyncIterator]().next();
    expect(value).toBe(context);
  });

  test("without an answer has metadata and a form, and no time", async () => {
    const { calls, notified } = setUp();
    await calls.notify("Foo.echo", 1, {
      body: "json",
      metadata: { key: "value" },
    });
    expect(notified).toEqual([
      ["Foo.echo", 1, "json", new Map([["key", "value"]])],
    ]);
    const late = fakeContext({ deadlineAt: nowMs });
    const error = await runInside(late, () =>
      calls.notify("Foo.echo", 1).catch((thrown: unknown) => thrown),
    );
    expect(error).toMatchObject({ code: "deadline_exceeded" });
  });
});
