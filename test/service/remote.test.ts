import { describe, expect, test } from "bun:test";
import { inspect } from "node:util";
import { type Remote, remote, withServices } from "../../src/service/remote.ts";

interface Services {
  Foo: {
    sum(args: { a: number }): number;
    count(to: number): AsyncGenerator<number>;
  };
}

async function* countTo(to: number) {
  for (let n = 1; n <= to; n++) yield n;
}

function setUp() {
  const calls: unknown[][] = [];
  const call = async (...parameters: unknown[]) => {
    calls.push(parameters);
    return 42;
  };
  return { calls, call };
}

describe("remote", () => {
  test("a service's method is a call by its full name", async () => {
    const { calls, call } = setUp();
    const services = remote<Services>(call);
    const options = { timeoutMs: 5 };
    expect(await services.Foo.sum({ a: 1 }, options)).toBe(42);
    expect(calls).toEqual([["Foo.sum", { a: 1 }, options]]);
  });

  test("a call can be looped over at once, or awaited and then looped over", async () => {
    const services = remote<Services>(async (_, to) => countTo(to as number));
    const numbers: number[] = [];
    for await (const n of services.Foo.count(2)) numbers.push(n);
    for await (const n of await services.Foo.count(3)) numbers.push(n);
    expect(numbers).toEqual([1, 2, 1, 2, 3]);
  });

  test("looking at members calls nothing, and gives the same each time", () => {
    const { calls, call } = setUp();
    const { Foo } = remote<Services>(call);
    const services = remote<Services>(call);
    expect(services.Foo).toBe(services.Foo);
    expect(services.Foo.sum).toBe(services.Foo.sum);
    expect(Foo.sum).not.toBe(services.Foo.sum);
    expect(calls).toEqual([]);
  });

  test("it can be awaited: then is no service, and no method", async () => {
    const { calls, call } = setUp();
    const services = remote<Services>(call);
    expect(await services).toBe(services);
    expect(await services.Foo).toBe(services.Foo);
    expect(Reflect.get(services, "then")).toBeUndefined();
    expect(Reflect.get(services.Foo, "then")).toBeUndefined();
    expect(calls).toEqual([]);
  });

  test("symbols are none, so that it can be printed", () => {
    const { calls, call } = setUp();
    const services = remote<Services>(call);
    for (const target of [services, services.Foo]) {
      expect(Reflect.get(target, Symbol.iterator)).toBeUndefined();
      expect(Reflect.get(target, Symbol.asyncIterator)).toBeUndefined();
      inspect(target);
    }
    expect(calls).toEqual([]);
  });

  test("as text and as JSON it calls nothing", () => {
    const { calls, call } = setUp();
    const services = remote<Services>(call);
    for (const [target, text] of [
      [services, "[geerpc services]"],
      [services.Foo, "[geerpc Foo]"],
    ] as const) {
      expect(JSON.stringify(target)).toBe("{}");
      expect(String(target)).toBe(text);
      expect(`${target}`).toBe(text);
      expect("" + target).toBe(text);
      expect(Reflect.get(target, "toJSON")).toBeUndefined();
    }
    expect(calls).toEqual([]);
  });

  test("what every object inherits is a name like any other", async () => {
    const { calls, call } = setUp();
    const services = remote<{ toString: { constructor(): void } }>(
      call,
    ) as unknown as Record<string, Record<string, () => Promise<unknown>>>;
    await services["toString"]?.["hasOwnProperty"]?.();
    expect(calls).toEqual([["toString.hasOwnProperty", undefined, undefined]]);
  });
});

describe("withServices", () => {
  class Client {
    #calls: unknown[][] = [];
    size = 3;
    call(...parameters: unknown[]): Promise<unknown> {
      this.#calls.push(parameters);
      return Promise.resolve(42);
    }
    get calls(): unknown[][] {
      return this.#calls;
    }
  }

  test("the client's own members win, with its private fields", async () => {
    const client: Client & Remote<Services> = withServices<Client, Services>(
      new Client(),
    );
    const { call } = client;
    await call("Bar.baz", 1);
    await client.Foo.sum({ a: 2 });
    expect(client.calls).toEqual([
      ["Bar.baz", 1],
      ["Foo.sum", { a: 2 }, undefined],
    ]);
    expect(client.size).toBe(3);
    client.size = 4;
    expect(client.size).toBe(4);
  });

  test("a call can be looped over at once", async () => {
    const streaming = {
      call: async (_: string, to: unknown) => countTo(to as number),
    };
    const client = withServices<typeof streaming, Services>(streaming);
    expect(await Array.fromAsync(client.Foo.count(3))).toEqual([1, 2, 3]);
  });

  test("as text and as JSON it calls nothing", () => {
    const client = withServices<Client, Services>(new Client());
    expect(JSON.stringify(client)).toBe('{"size":3}');
    expect(String(client)).toBe("[object Object]");
    expect(`${client.Foo}`).toBe("[geerpc Foo]");
    expect(client.calls).toEqual([]);
  });

  test("it can be awaited", async () => {
    const client = withServices<Client, Services>(new Client());
    expect(await client).toBe(client);
    expect(client.calls).toEqual([]);
  });
});
