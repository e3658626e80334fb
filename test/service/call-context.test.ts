import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, test } from "bun:test";
import { systemClock } from "../../src/base/clock.ts";
import { outside } from "../../src/base/outside.ts";
import {
  currentCall,
  detach,
  enterCall,
  inherit,
  type Inheritable,
  itemsInside,
  runInside,
} from "../../src/service/call-context.ts";
import { fakeContext } from "./fake-context.ts";

const nowMs = 1_000;

/** A call with nothing of its own, but for `fields`. */
function own(fields: Partial<Inheritable> = {}): Inheritable {
  return {
    timeoutMs: 0,
    isUntilReply: false,
    signal: undefined,
    metadata: undefined,
    ...fields,
  };
}

describe("the current call", () => {
  test("is none outside of handlers", () => {
    expect(currentCall()).toBeUndefined();
  });

  test("is there in all parts of an asynchronous handler, and not behind it", async () => {
    const context = fakeContext();
    const seen = runInside(context, async () => {
      const early = currentCall();
      await Promise.resolve();
      return [early, currentCall()];
    });
    expect(currentCall()).toBeUndefined();
    const [early, late] = await seen;
    expect(early).toBe(context);
    expect(late).toBe(context);
  });

  test("two handlers at a time have each their own, and one inside another its", async () => {
    const [first, second] = [fakeContext(), fakeContext()];
    const look = async () => {
      await Promise.resolve();
      return currentCall();
    };
    const [a, b] = [runInside(first, look), runInside(second, look)];
    expect(await a).toBe(first);
    expect(await b).toBe(second);
    const inner = runInside(first, () => [
      runInside(second, currentCall),
      currentCall(),
    ]);
    expect(inner[0]).toBe(second);
    expect(inner[1]).toBe(first);
  });

  test("is that which was entered, up to the end of the outside() around it", async () => {
    const [first, second] = [fakeContext(), fakeContext()];
    await runInside(first, async () => {
      const seen = outside(async () => {
        enterCall(second);
        const early = currentCall();
        await Promise.resolve();
        return [early, currentCall()];
      });
      expect(currentCall()).toBe(first);
      const [early, late] = await seen;
      expect(early).toBe(second);
      expect(late).toBe(second);
    });
    expect(currentCall()).toBeUndefined();
  });

  test("is there for the source of items, with nothing of another's storages", async () => {
    const storage = new AsyncLocalStorage<string>();
    const context = fakeContext();
    async function* look() {
      yield [currentCall(), storage.getStore()];
    }
    await storage.run("another's", async () => {
      for await (const seen of itemsInside(context, look())) {
        expect(seen[0]).toBe(context);
        expect(seen[1]).toBeUndefined();
        expect(currentCall()).toBeUndefined();
      }
    });
  });

  test("stays in what the handler left running", async () => {
    const context = fakeContext();
    const gate = Promise.withResolvers<void>();
    let left: Promise<unknown> | undefined;
    runInside(context, () => {
      left = gate.promise.then(currentCall);
    });
    gate.resolve();
    expect(await left).toBe(context);
  });

  test("is none in detach(), to its end, and there again behind it", async () => {
    const context = fakeContext();
    await runInside(context, async () => {
      const seen = detach(async () => {
        const early = currentCall();
        await Promise.resolve();
        return [early, currentCall()];
      });
      expect(currentCall()).toBe(context);
      expect(await seen).toEqual([undefined, undefined]);
    });
  });

  test("detach() gives what its function does, and throws what that throws", () => {
    expect(detach(() => 3)).toBe(3);
    const thrown = new Error("thrown");
    const run = () =>
      detach(() => {
        throw thrown;
      });
    expect(run).toThrow(thrown);
  });

  test("is none outside, nor in a timer", async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    runInside(fakeContext(), () => {
      expect(outside(currentCall)).toBeUndefined();
      systemClock.after(0, () => resolve(currentCall() ?? "none"));
    });
    expect(await promise).toBe("none");
  });
});

describe("a call inherits", () => {
  // own ms, until the reply; left ms: what comes of them
  const times: [number, boolean, number | undefined, number, boolean][] = [
    [0, false, undefined, 0, false],
    [500, true, undefined, 500, true],
    [500, true, 800, 500, true],
    [500, false, 800, 500, false],
    [500, true, 300, 300, true],
    [500, false, 300, 300, false],
    [500, false, 500, 500, false],
    // Without a limit of its own: the context's deadline may be until the reply.
    [0, false, 300, 300, true],
    [0, true, 300, 300, true],
  ];
  for (const [timeoutMs, isUntilReply, left, ms, until] of times) {
    test(`${ms} ms of its ${timeoutMs} ms, with ${left} ms left`, () => {
      const deadlineAt = left === undefined ? undefined : nowMs + left;
      const context = fakeContext({ deadlineAt });
      const made = inherit(context, own({ timeoutMs, isUntilReply }), nowMs);
      expect(made).toMatchObject({ timeoutMs: ms, isUntilReply: until });
    });
  }

  test("nothing at and behind the deadline: it has failed, unsent", () => {
    for (const deadlineAt of [nowMs, nowMs - 1]) {
      let thrown: unknown;
      try {
        inherit(fakeContext({ deadlineAt }), own(), nowMs);
      } catch (caught) {
        thrown = caught;
      }
      expect(thrown).toMatchObject({ code: "deadline_exceeded", sent: false });
    }
  });

  test("the context's signal, where it has none or the same", () => {
    const { signal } = new AbortController();
    const context = fakeContext({ signal });
    expect(inherit(context, own(), nowMs).signal).toBe(signal);
    expect(inherit(context, own({ signal }), nowMs).signal).toBe(signal);
  });

  for (const aborted of ["its own", "the context's"]) {
    test(`one that aborts with either: with ${aborted}`, () => {
      const [mine, contexts] = [new AbortController(), new AbortController()];
      const context = fakeContext({ signal: contexts.signal });
      const { signal } = inherit(context, own({ signal: mine.signal }), nowMs);
      expect(signal?.aborted).toBe(false);
      const reason = new Error("enough");
      (aborted === "its own" ? mine : contexts).abort(reason);
      expect(signal?.aborted).toBe(true);
      expect(signal?.reason).toBe(reason);
    });
  }

  const trace = { traceparent: "00-a-b-01", tracestate: "vendor=1" };
  // the context's, its own: what comes of them
  const metadata: [
    string,
    Record<string, string>,
    Record<string, string> | undefined,
    Record<string, string> | undefined,
  ][] = [
    ["the trace", { ...trace, token: "t" }, undefined, trace],
    ["the trace, beside its own", trace, { key: "k" }, { key: "k", ...trace }],
    ["a trace without a state", { traceparent: "p" }, {}, { traceparent: "p" }],
    [
      "no state beside its own trace",
      trace,
      { traceparent: "p" },
      { traceparent: "p" },
    ],
    ["no state without its trace", { tracestate: "s" }, undefined, undefined],
    [
      "the trace with its state, not its own",
      trace,
      { tracestate: "s" },
      trace,
    ],
    [
      "the trace, its own state left out",
      { traceparent: "p" },
      { tracestate: "s" },
      { traceparent: "p" },
    ],
    ["nothing of other keys", { token: "t" }, { key: "k" }, { key: "k" }],
  ];
  for (const [what, inherited, mine, expected] of metadata) {
    test(what, () => {
      const given = mine && new Map(Object.entries(mine));
      const context = fakeContext({
        metadata: new Map(Object.entries(inherited)),
      });
      const made = inherit(context, own({ metadata: given }), nowMs).metadata;
      expect(made && Object.fromEntries(made)).toEqual(expected);
      // What the caller gave is as it was.
      expect(given && Object.fromEntries(given)).toEqual(mine);
    });
  }
});
