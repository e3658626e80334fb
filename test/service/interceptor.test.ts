import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { currentCall, runInside } from "../../src/service/call-context.ts";
import {
  intercept,
  type InterceptedCall,
  type Interceptor,
} from "../../src/service/interceptor.ts";
import { fakeContext } from "./fake-context.ts";

const context = fakeContext();

const calls: InterceptedCall[] = [
  {
    side: "client",
    serviceMethod: "Foo.sum",
    args: 1,
    metadata: new Map([["key", "caller's"]]),
    timeoutMs: undefined,
    timeoutUntil: undefined,
    signal: undefined,
    onMetadata: undefined,
  },
  {
    side: "server",
    serviceMethod: "Foo.sum",
    args: 1,
    metadata: new Map([["key", "caller's"]]),
    context,
  },
];
const serverCall = calls[1] as InterceptedCall;

async function* count(to: number) {
  for (let n = 1; n <= to; n++) yield n;
}

async function all(items: unknown): Promise<unknown[]> {
  return Array.fromAsync(items as AsyncIterable<unknown>);
}

for (const call of calls) {
  describe(`at a ${call.side}`, () => {
    test("the first is the outermost", async () => {
      const order: string[] = [];
      const named =
        (name: string): Interceptor =>
        async (inner, next) => {
          order.push(`${name} in`);
          const reply = await next(inner);
          order.push(`${name} out`);
          return reply;
        };
      const reply = await intercept([named("a"), named("b")], call, (inner) => {
        order.push("last");
        expect(inner).toBe(call);
        return "reply";
      });
      expect(reply).toBe("reply");
      expect(order).toEqual(["a in", "b in", "last", "b out", "a out"]);
    });

    test("without any it is the call itself", async () => {
      expect(await intercept([], call, ({ args }) => args)).toBe(1);
    });

    test("argument, metadata and reply can be changed, the call is not", async () => {
      const before = structuredClone([call.args, call.metadata]);
      const change: Interceptor = async (inner, next) => {
        const metadata = new Map(inner.metadata).set("token", "t");
        const args = (inner.args as number) + 1;
        return `${await next({ ...inner, args, metadata })}!`;
      };
      const reply = await intercept(
        [change, change],
        call,
        ({ side, args, metadata }) =>
          `${side} ${args} ${[...metadata].join(" ")}`,
      );
      expect(reply).toBe(`${call.side} 3 key,caller's token,t!!`);
      expect([call.args, call.metadata]).toEqual(before);
    });

    test("one answers itself: nothing behind it runs", async () => {
      let runs = 0;
      const cached: Interceptor = () => "cached";
      const counting: Interceptor = (inner, next) => {
        runs++;
        return next(inner);
      };
      const last = () => runs++;
      expect(await intercept([cached, counting], call, last)).toBe("cached");
      expect(runs).toBe(0);
      expect(await intercept([counting, cached], call, last)).toBe("cached");
      expect(runs).toBe(1);
    });

    test("one passes it on until it works, through all behind it", async () => {
      let tries = 0;
      const seen: unknown[] = [];
      const retry: Interceptor = async (inner, next) => {
        for (;;) {
          const reply = await next(inner).catch((thrown) => thrown);
          if (!(reply instanceof RpcError)) return reply;
        }
      };
      const counting: Interceptor = (inner, next) =>
        next({ ...inner, args: ++tries });
      const reply = await intercept([retry, counting], call, ({ args }) => {
        seen.push(args);
        if (tries < 3) throw new RpcError("unavailable", "not yet");
        return "third";
      });
      expect(reply).toBe("third");
      expect(seen).toEqual([1, 2, 3]);
    });

    test("what one throws, at once or later, is what it rejects with", async () => {
      const refusal = new RpcError("unauthenticated", "who are you?");
      const refusing: Interceptor[] = [
        () => {
          throw refusal;
        },
        async () => {
          await Promise.resolve();
          throw refusal;
        },
        async (inner, next) => {
          await next(inner);
          throw refusal;
        },
      ];
      for (const interceptor of refusing) {
        const outcome = intercept([interceptor], call, () => "reply");
        expect(await outcome.catch((thrown) => thrown)).toBe(refusal);
      }
    });

    test("what the last throws at once reaches each through next, and can be caught", async () => {
      const failure = new RpcError("not_found", "no such thing");
      const seen: unknown[] = [];
      const looking: Interceptor = async (inner, next) => {
        try {
          return await next(inner);
        } catch (thrown) {
          seen.push(thrown);
          throw thrown;
        }
      };
      const saving: Interceptor = (inner, next) =>
        next(inner).catch(() => "saved");
      const last = () => {
        throw failure;
      };
      expect(await intercept([saving, looking, looking], call, last)).toBe(
        "saved",
      );
      expect(seen).toEqual([failure, failure]);
    });

    test("one that does not wait for what it passes on leaves no rejection behind", async () => {
      const unhandled: unknown[] = [];
      const onUnhandled = (thrown: unknown) => void unhandled.push(thrown);
      process.on("unhandledRejection", onUnhandled);
      const careless: Interceptor = (inner, next) => {
        void next(inner);
        return "its own";
      };
      try {
        const reply = await intercept([careless], call, () => {
          throw new RpcError("not_found", "no such thing");
        });
        expect(reply).toBe("its own");
        await new Promise((resolve) => setImmediate(resolve));
        expect(unhandled).toEqual([]);
      } finally {
        process.off("unhandledRejection", onUnhandled);
      }
    });

    test("a stream comes through, wrapped or not", async () => {
      const doubling: Interceptor = async (inner, next) => {
        const items = (await next(inner)) as AsyncIterable<number>;
        return (async function* () {
          for await (const item of items) yield item * 2;
        })();
      };
      const pass: Interceptor = (inner, next) => next(inner);
      const last = () => count(3);
      expect(await all(await intercept([pass], call, last))).toEqual([1, 2, 3]);
      const wrapped = await intercept([doubling, pass, doubling], call, last);
      expect(await all(wrapped)).toEqual([4, 8, 12]);
    });

    test("leaving a wrapped stream ends its source", async () => {
      let hasEnded = false;
      async function* endless() {
        try {
          for (;;) yield 1;
        } finally {
          hasEnded = true;
        }
      }
      const wrap: Interceptor = async (inner, next) => {
        const items = (await next(inner)) as AsyncIterable<number>;
        return (async function* () {
          yield* items;
        })();
      };
      const items = await intercept([wrap], call, endless);
      for await (const item of items as AsyncIterable<unknown>) {
        expect(item).toBe(1);
        break;
      }
      expect(hasEnded).toBe(true);
    });

    test("an argument that is a stream can be wrapped", async () => {
      const doubling: Interceptor = (inner, next) => {
        const items = inner.args as AsyncIterable<number>;
        const args = (async function* () {
          for await (const item of items) yield item * 2;
        })();
        return next({ ...inner, args });
      };
      const streaming = { ...call, args: count(3) };
      const last = ({ args }: InterceptedCall) => all(args);
      expect(await intercept([doubling], streaming, last)).toEqual([2, 4, 6]);
    });
  });
}

describe("at a server", () => {
  test("they run inside the call, and so does what is behind them", async () => {
    const seen: unknown[] = [];
    const looking: Interceptor = async (inner, next) => {
      seen.push(currentCall());
      const reply = await next(inner);
      seen.push(currentCall());
      return reply;
    };
    await intercept([looking], serverCall, () => seen.push(currentCall()));
    expect(seen.map((each) => each === context)).toEqual([true, true, true]);
    expect(currentCall()).toBeUndefined();
  });

  test("they start outside of what set the call off", async () => {
    const storage = new AsyncLocalStorage<string>();
    const look: Interceptor = () => storage.getStore() ?? "nothing";
    const reply = storage.run("another's", () =>
      intercept([look], serverCall, () => {}),
    );
    expect(await reply).toBe("nothing");
  });

  test("a generator's body sees the storage of those around it, and the call", async () => {
    const storage = new AsyncLocalStorage<string>();
    const user: Interceptor = (inner, next) =>
      storage.run("user", () => next(inner));
    async function* look() {
      yield [storage.getStore(), currentCall()];
      await Promise.resolve();
      yield [storage.getStore(), currentCall()];
    }
    const items = await all(await intercept([user], serverCall, look));
    expect(items).toEqual([
      ["user", context],
      ["user", context],
    ]);
  });
});

test("at a client all goes on where the call was made, and a stream is the very one", async () => {
  const storage = new AsyncLocalStorage<string>();
  const stream = count(1);
  const pass: Interceptor = (inner, next) => {
    expect(storage.getStore()).toBe("caller's");
    expect(currentCall()).toBe(context);
    return next(inner);
  };
  const clientCall = calls[0] as InterceptedCall;
  const reply = runInside(context, () =>
    storage.run("caller's", () => intercept([pass], clientCall, () => stream)),
  );
  expect(await reply).toBe(stream);
});
