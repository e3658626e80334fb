import { expect, test } from "bun:test";
import { type RpcEvent, quiet } from "../src/events.ts";

const event: RpcEvent = { kind: "listening", address: "tcp@here:1" };

/** What a warning of the process says of `thrown`. */
async function warningOf(thrown: unknown): Promise<Error> {
  const { promise, resolve } = Promise.withResolvers<Error>();
  process.once("warning", resolve);
  quiet(() => {
    throw thrown;
  })(event);
  return promise;
}

test("a quiet onEvent hears what it is told", () => {
  const heard: RpcEvent[] = [];
  quiet((one) => void heard.push(one))(event);
  expect(heard).toEqual([event]);
});

test("what it throws is seen as a warning", async () => {
  const thrown = new Error("a full disk");
  const warning = await warningOf(thrown);
  expect(warning.cause).toBe(thrown);
  expect(warning.message).toContain("a full disk");
  expect(warning.message).toContain(import.meta.file);
});

test("whatever that is", async () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  for (const thrown of [undefined, null, "text", proxy]) {
    const { cause } = await warningOf(thrown);
    expect(Object.is(cause, thrown)).toBe(true);
  }
});

test("is wrapped once", () => {
  const once = quiet(() => {});
  expect(quiet(once)).toBe(once);
});
