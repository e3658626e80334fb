import { AsyncLocalStorage } from "node:async_hooks";
import { expect, test } from "bun:test";
import { outside } from "../../src/base/outside.ts";

const storage = new AsyncLocalStorage<string>();

test("outside sees no context, and leaves the caller's as it was", () => {
  storage.run("inside", () => {
    expect(outside(() => storage.getStore() ?? "nothing")).toBe("nothing");
    expect(storage.getStore()).toBe("inside");
  });
});

test("all parts of an asynchronous function are outside", async () => {
  await storage.run("inside", async () => {
    const seen = await outside(async () => {
      await Promise.resolve();
      return storage.getStore();
    });
    expect(seen).toBeUndefined();
    expect(storage.getStore()).toBe("inside");
  });
});

test("what is thrown comes through, and the caller's context is back", () => {
  storage.run("inside", () => {
    const thrown = new Error("thrown");
    const run = () =>
      outside(() => {
        throw thrown;
      });
    expect(run).toThrow(thrown);
    expect(storage.getStore()).toBe("inside");
  });
});
