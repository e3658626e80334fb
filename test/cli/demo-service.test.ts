import { describe, expect, test } from "bun:test";
import { Foo } from "../../src/cli/demo-service.ts";
import { pair } from "../../src/pair.ts";

const address = "tcp@a:1";

function demo() {
  return pair({ Foo: new Foo(() => address) });
}

test("Sum, Echo and Whoami answer", async () => {
  await using both = demo();
  const { Foo } = both.client;
  expect(await Foo.Sum({ Num1: 1, Num2: 2 })).toBe(3);
  expect(await Foo.Echo(new Map([[1, 2n]]))).toEqual(new Map([[1, 2n]]));
  expect(await Foo.Whoami()).toEqual({ address, pid: process.pid });
});

test("only these are exposed", async () => {
  await using both = demo();
  expect(await both.client.call("_geerpc.list")).toEqual({
    services: {
      Foo: [
        "Count",
        "Double",
        "Echo",
        "Fail",
        "Sleep",
        "Sum",
        "Total",
        "Whoami",
      ],
    },
  });
});

test("Sleep answers the sum when its time is over", async () => {
  await using both = demo();
  expect(await both.client.Foo.Sleep({ Num1: 0.001, Num2: 2 })).toBe(2.001);
});

test("Sleep does not outlive its caller's interest", async () => {
  const controller = new AbortController();
  const asleep = new Foo(() => address).Sleep({ Num1: 3_600, Num2: 0 }, {
    signal: controller.signal,
  } as never);
  controller.abort();
  expect(await asleep).toBe(3_600);
});

async function all(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const seen: unknown[] = [];
  for await (const item of items) seen.push(item);
  return seen;
}

async function* given<T>(...items: T[]): AsyncGenerator<T, void> {
  yield* items;
}

describe("Count", () => {
  test.each([
    [3, [1, 2, 3]],
    [0, []],
    [{ from: -1, to: 1 }, [-1, 0, 1]],
    [{ from: 5, to: 7, everyMs: 1 }, [5, 6, 7]],
  ])("%j", async (args, numbers) => {
    await using both = demo();
    expect(await all(both.client.Foo.Count(args))).toEqual(numbers);
  });

  test("has no end where none is given, and waits before each number but the first", async () => {
    const { signal } = new AbortController();
    const once = new Foo(() => address).Count(undefined, { signal } as never);
    for (let n = 1; n <= 2_000; n++) expect((await once.next()).value).toBe(n);
    await once.return();
    const slow = new Foo(() => address).Count({ everyMs: 86_400_000 }, {
      signal,
    } as never);
    expect((await slow.next()).value).toBe(1);
    const second = slow.next().then(() => "too early");
    expect(await Promise.race([second, Bun.sleep(5)])).toBeUndefined();
  });

  test("does not outlive its caller's interest, and leaves no listener", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    const watched = {
      get aborted() {
        return signal.aborted;
      },
      addEventListener(name: "abort", listener: () => void) {
        listeners++;
        signal.addEventListener(name, listener);
      },
      removeEventListener(name: "abort", listener: () => void) {
        listeners--;
        signal.removeEventListener(name, listener);
      },
    };
    const foo = new Foo(() => address);
    const counting = foo.Count({ everyMs: 1 }, { signal: watched } as never);
    for (let n = 1; n <= 3; n++) await counting.next();
    expect(listeners).toBe(0);
    const slow = foo.Count({ everyMs: 86_400_000 }, { signal } as never);
    await slow.next();
    const next = slow.next();
    controller.abort();
    expect((await next).done).toBe(true);
  });

  test.each([
    "3",
    true,
    { from: "1" },
    { from: NaN },
    { to: "9" },
    { to: NaN },
    { everyMs: -1 },
    { everyMs: 1e9 },
  ])("numbers that are none: %j", async (args) => {
    await using both = demo();
    const call = all(both.client.Foo.Count(args as never));
    expect(await call.catch((thrown) => thrown.code)).toBe("invalid_argument");
  });
});

test("Total adds up a stream, Double answers one", async () => {
  await using both = demo();
  const { Foo } = both.client;
  expect(await Foo.Total(given(1, 2, 3.5))).toBe(6.5);
  expect(await Foo.Total(given())).toBe(0);
  expect(await all(Foo.Double(given(1, -2)))).toEqual([2, -4]);
});

test("Double answers each number before the next one is there", async () => {
  await using both = demo();
  let answered = Promise.withResolvers<void>();
  async function* questions(): AsyncGenerator<number, void> {
    for (const n of [1, 2, 3]) {
      yield n;
      await answered.promise;
      answered = Promise.withResolvers();
    }
  }
  const read: number[] = [];
  for await (const answer of both.client.Foo.Double(questions())) {
    read.push(answer);
    answered.resolve();
  }
  expect(read).toEqual([2, 4, 6]);
});

test.each(["Foo.Total", "Foo.Double"])(
  "%s takes nothing but a stream of numbers",
  async (method) => {
    await using both = demo();
    const calls = [3, undefined, given<unknown>(1, "2"), given(null)].map(
      async (args) => {
        const reply = await both.client.call(method, args);
        return all(reply as AsyncIterable<unknown>);
      },
    );
    const codes = calls.map((call) => call.catch((thrown) => thrown.code));
    expect(new Set(await Promise.all(codes))).toEqual(
      new Set(["invalid_argument"]),
    );
  },
);

describe("Fail", () => {
  test("fails as it is told", async () => {
    await using both = demo();
    const failing = both.client.Foo.Fail({ code: "not_found", message: "who" });
    expect(await failing.catch((thrown) => thrown)).toMatchObject({
      code: "not_found",
      message: "who",
    });
  });

  test("without a code it is unknown, with one that is none it is invalid_argument", async () => {
    await using both = demo();
    const nothing = both.client.Foo.Fail();
    expect(await nothing.catch((thrown) => thrown.code)).toBe("unknown");
    const wrong = both.client.call("Foo.Fail", { code: "nope" });
    expect(await wrong.catch((thrown) => thrown.code)).toBe("invalid_argument");
  });
});

test.each([undefined, {}, { Num1: "1", Num2: 2 }, [1, 2]])(
  "numbers that are none: %j",
  async (args) => {
    await using both = demo();
    for (const method of ["Foo.Sum", "Foo.Sleep"]) {
      const call = both.client.call(method, args);
      expect(await call.catch((thrown) => thrown.code)).toBe(
        "invalid_argument",
      );
    }
  },
);
