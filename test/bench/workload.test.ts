import { expect, test } from "bun:test";
import {
  echoedBytes,
  echoedOrders,
  repeated,
  varyingSums,
  workloadOf,
} from "../../src/bench/workload.ts";

test("sums vary from call to call, and keep their size", () => {
  const { method, argsOf } = varyingSums();
  expect(method).toBe("Foo.Sum");
  const texts = [0, 1, 999, 1_000, 999_999, 1_000_000, 2 ** 40].map((call) =>
    JSON.stringify(argsOf(call)),
  );
  expect(texts[0]).not.toBe(texts[1]);
  expect(texts[0]).not.toBe(texts[3]);
  expect(new Set(texts.map((text) => text.length)).size).toBe(1);
});

test("a sum of another call is wrong", () => {
  const { argsOf, isRight } = varyingSums();
  for (const call of [0, 7, 1_234, 987_654]) {
    const { Num1, Num2 } = argsOf(call) as { Num1: number; Num2: number };
    expect(isRight(call, Num1 + Num2)).toBe(true);
    expect(isRight(call + 1, Num1 + Num2)).toBe(false);
    expect(isRight(call, String(Num1 + Num2))).toBe(false);
    expect(isRight(call, undefined)).toBe(false);
  }
});

test.each([
  ["a value", 3, 3, 4],
  ["nothing", undefined, undefined, null],
  ["not a number", NaN, NaN, 0],
  ["an object", { a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }, { a: [1] }],
  ["a map", new Map([["a", 1]]), new Map([["a", 1]]), { a: 1 }],
  ["bytes", new Uint8Array([1, 2]), new Uint8Array([1, 2]), [1, 2]],
])("the first reply is the right one: %s", (_name, first, same, other) => {
  const { isRight, argsOf, method } = repeated("Foo.Echo", first);
  expect(method).toBe("Foo.Echo");
  expect(argsOf(0)).toBe(first);
  expect(isRight(0, first)).toBe(true);
  expect(isRight(1, same)).toBe(true);
  expect(isRight(2, other)).toBe(false);
  expect(isRight(3, same)).toBe(true);
});

test("only Foo.Sum without arguments varies them", () => {
  const varies = (workload: ReturnType<typeof workloadOf>) =>
    !Bun.deepEquals(workload.argsOf(0), workload.argsOf(1));
  expect(varies(workloadOf())).toBe(true);
  expect(varies(workloadOf("Foo.Sum"))).toBe(true);
  expect(varies(workloadOf("Foo.Sum", { value: { Num1: 1, Num2: 2 } }))).toBe(
    false,
  );
  expect(workloadOf("Foo.Whoami").argsOf(5)).toBe(undefined);
});

test("orders are nested objects of 1 KB, each with its own numbers", () => {
  const { method, argsOf, isRight } = echoedOrders();
  expect(method).toBe("Foo.Echo");
  const sizes = [0, 1, 63, 64, 1e6].map(
    (call) => JSON.stringify(argsOf(call)).length,
  );
  expect(new Set(sizes).size).toBe(1);
  expect(Math.abs((sizes[0] ?? 0) - 1_024)).toBeLessThan(50);
  for (const call of [0, 1, 64, 65, 1_000]) {
    expect(isRight(call, structuredClone(argsOf(call)))).toBe(true);
    expect(isRight(call, argsOf(call + 1))).toBe(false);
    expect(isRight(call, undefined)).toBe(false);
    const cut = { ...(argsOf(call) as object), total: undefined };
    expect(isRight(call, cut)).toBe(false);
  }
});

test("each order is compared as a whole now and then", () => {
  const { argsOf, isRight } = echoedOrders();
  const noticed = new Set<unknown>();
  for (let call = 0; call < 64 * 65; call++) {
    const args = argsOf(call);
    if (!isRight(call, { ...(args as object), note: 1 })) noticed.add(args);
  }
  expect(noticed.size).toBe(64);
});

test("of bytes the length and both ends count", () => {
  const { method, argsOf, isRight, contentBytes } = echoedBytes(1_000);
  expect(method).toBe("Foo.Echo");
  expect(contentBytes).toBe(1_000);
  const bytes = argsOf(3) as Uint8Array;
  expect(isRight(3, bytes.slice())).toBe(true);
  expect(isRight(2, bytes)).toBe(false);
  expect(isRight(3, bytes.subarray(1))).toBe(false);
  expect(isRight(3, bytes.with(0, 9))).toBe(false);
  expect(isRight(3, bytes.with(999, 9))).toBe(false);
  expect(isRight(3, [...bytes])).toBe(false);
});
