import { AsyncLocalStorage } from "node:async_hooks";
import { expect, test } from "bun:test";
import { currentCall } from "../../src/service/call-context.ts";
import { Method } from "../../src/service/method.ts";
import { fakeContext } from "./fake-context.ts";

function counters({ calls, errors, inFlight, shape }: Method) {
  return { calls, errors, inFlight, shape: String(shape) };
}

test("begin runs the handler on its service, inside its call", async () => {
  const target = { name: "target" };
  const context = fakeContext();
  const method = new Method("Foo.look", target, async function (
    this: unknown,
    ...parameters
  ) {
    const early = currentCall();
    await Promise.resolve();
    return [this, ...parameters, early, currentCall()];
  });
  const seen = method.begin(3, context) as Promise<unknown[]>;
  expect(currentCall()).toBeUndefined();
  const [self, args, second, early, late] = await seen;
  expect(self).toBe(target);
  expect(args).toBe(3);
  for (const each of [second, early, late]) expect(each).toBe(context);
});

test("begin starts outside of what set it off, run goes on inside of it", () => {
  const storage = new AsyncLocalStorage<string>();
  const context = fakeContext();
  const method = new Method("Foo.look", {}, () => [
    storage.getStore() ?? "nothing",
    currentCall() === context,
  ]);
  storage.run("ambient", () => {
    expect(method.begin(undefined, context)).toEqual(["nothing", true]);
    expect(method.run(undefined, context)).toEqual(["ambient", true]);
    expect(storage.getStore()).toBe("ambient");
  });
});

test("a handler that throws at once leaves no current call", () => {
  const thrown = new Error("thrown");
  const method = new Method("Foo.fail", {}, () => {
    throw thrown;
  });
  expect(() => method.begin(undefined, fakeContext())).toThrow(thrown);
  expect(currentCall()).toBeUndefined();
});

test("begin counts a call in, end counts it out", () => {
  const method = new Method("Foo.sum", {}, () => 3);
  expect(method.begin(1, fakeContext())).toBe(3);
  expect(counters(method)).toEqual({
    calls: 1,
    errors: 0,
    inFlight: 1,
    shape: "number",
  });
  method.end(1, true);
  expect(counters(method)).toMatchObject({ calls: 1, errors: 1, inFlight: 0 });
});

test("countIn counts without running, run runs without counting", () => {
  let runs = 0;
  const method = new Method("Foo.run", {}, () => ++runs);
  method.countIn(1);
  expect(runs).toBe(0);
  const before = counters(method);
  expect(before).toMatchObject({ calls: 1, inFlight: 1, shape: "number" });
  method.run("text", fakeContext());
  expect(method.run("text", fakeContext())).toBe(2);
  expect(counters(method)).toEqual(before);
});
