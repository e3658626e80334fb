import { expect, test } from "bun:test";
import { benchCase, callsCase, caseNames } from "../../src/bench/cases.ts";
import {
  itemsOf,
  largeItems,
  smallItems,
} from "../../src/bench/stream-workload.ts";
import { repeated } from "../../src/bench/workload.ts";

test("each case has its name, its parts and what is in flight", () => {
  const parts = caseNames.map((name) => {
    const { calls, stream, inFlight, ...rest } = benchCase(name);
    return [rest, calls?.method, stream?.method, inFlight];
  });
  const json = "application/json";
  const gob = "application/gob";
  expect(parts as unknown[]).toEqual([
    [{ name: "sum", hasFloor: true }, "Foo.Sum", undefined, [1, 64, 256]],
    [{ name: "echo-1k", hasSerializer: true }, "Foo.Echo", undefined, [64]],
    [{ name: "bytes-64k" }, "Foo.Echo", undefined, [16]],
    [{ name: "bytes-4m" }, "Foo.Echo", undefined, [4]],
    [{ name: "stream-small" }, undefined, "_bench.smallItems", [1]],
    [{ name: "stream-64k" }, undefined, "_bench.largeItems", [1]],
    [
      { name: "beside-stream", reference: "quiet" },
      "Foo.Sum",
      "_bench.largeItems",
      [64],
    ],
    [
      { name: "xclient", reference: "plain", hasFleet: true },
      "Foo.Sum",
      undefined,
      [64],
    ],
    [
      { name: "json", reference: "binary", codec: json },
      "Foo.Sum",
      undefined,
      [64],
    ],
    [
      { name: "gob", reference: "binary", codec: gob },
      "Foo.Sum",
      undefined,
      [64],
    ],
  ]);
});

test("somebody's method is a case by that name", () => {
  expect(callsCase(repeated("Foo.Echo", 1))).toMatchObject({
    name: "Foo.Echo",
    inFlight: [1, 64, 256],
  });
});

test.each([
  ["small", smallItems],
  ["large", largeItems],
])("%s items are what both ends make of their number", async (_name, make) => {
  const [server, client] = [make(), make()];
  let index = 0;
  for await (const item of itemsOf(server)) {
    expect(client.isRight(index, item)).toBe(true);
    expect(client.isRight(index + 1, item)).toBe(false);
    expect(client.isRight(index, undefined)).toBe(false);
    if (++index === 20) break;
  }
});

test("small items keep their size, large ones have 64 KiB and two ends", () => {
  const { itemOf } = smallItems();
  const texts = [0, 8_999, 9_000, 2 ** 40].map((at) => String(itemOf(at)));
  expect(texts.map((text) => text.length)).toEqual([4, 4, 4, 4]);
  const { isRight, itemBytes } = largeItems();
  const block = new Uint8Array(64 * 1024).fill(3);
  expect(itemBytes).toBe(block.length);
  expect(isRight(3, block)).toBe(true);
  expect(isRight(3, block.subarray(1))).toBe(false);
  expect(isRight(3, block.with(0, 4))).toBe(false);
  expect(isRight(3, block.with(-1, 4))).toBe(false);
  expect(isRight(3, Array.from(block))).toBe(false);
});
