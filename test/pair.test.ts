import { describe, expect, test } from "bun:test";
import { RpcError } from "../src/errors.ts";
import { pair } from "../src/pair.ts";

class Store {
  readonly #told: string[];
  readonly #opened: Promise<void>;
  #isOpen = false;

  constructor(told: string[], opened: Promise<void> = Promise.resolve()) {
    this.#told = told;
    this.#opened = opened;
  }

  async start() {
    this.#told.push("start");
    await this.#opened;
    this.#isOpen = true;
  }

  isOpen() {
    return this.#isOpen;
  }

  [Symbol.asyncDispose]() {
    this.#told.push("dispose");
  }
}

describe("services' hooks", () => {
  test("start runs before a request gets through, dispose at the end", async () => {
    const told: string[] = [];
    const gate = Promise.withResolvers<void>();
    {
      await using both = pair({ Store: new Store(told, gate.promise) });
      const isOpen = both.client.Store.isOpen();
      // All that there is to do without the service is done.
      await new Promise(setImmediate);
      expect(both.client.inFlight).toBe(1);
      gate.resolve();
      expect(await isOpen).toBe(true);
      await both.ready;
    }
    expect(told).toEqual(["start", "dispose"]);
  });

  test("a start that fails fails calls, as not started, and ready", async () => {
    const error = new RpcError("failed_precondition", "no database");
    const start = async () => {
      throw error;
    };
    await using both = pair({ Any: { start, get: () => 1 } });
    const early = both.client.Any.get().catch((thrown: unknown) => thrown);
    expect(await both.ready.catch((thrown: unknown) => thrown)).toBe(error);
    for (const work of [early, both.client.Any.get()]) {
      const got = await work.catch((thrown: unknown) => thrown);
      expect(got).toMatchObject({ sent: false, message: "no database" });
    }
  });

  test("run once for an object that serves under two names", async () => {
    const told: string[] = [];
    const store = new Store(told);
    {
      await using both = pair({ A: store, B: store });
      expect(await both.client.B.isOpen()).toBe(true);
    }
    expect(told).toEqual(["start", "dispose"]);
  });

  test("a start that fails and nobody looks at is no unhandled rejection", async () => {
    const start = () => Promise.reject(new Error("no database"));
    const both = pair({ Any: { start, get: () => 1 } });
    await both[Symbol.asyncDispose]();
  });
});

test("a service named like a member of the client does not compile", () => {
  const never = () => {
    // @ts-expect-error `call` is the client's own
    pair({ call: { get: () => 1 } });
  };
  expect(never).toBeFunction();
});

describe("a client's limits", () => {
  const services = { Any: { get: () => 1 } };

  test("that are undefined are not given", async () => {
    const limits = { maxMessageBytes: undefined, maxDepth: undefined };
    await using both = pair(services, {
      client: { limits: limits as unknown as Record<string, number> },
    });
    expect(await both.client.Any.get()).toBe(1);
  });

  test("that are none are refused", () => {
    expect(() =>
      pair(services, { client: { limits: { maxDepth: -1 } } }),
    ).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  });
});
