import { expect, test } from "bun:test";
import {
  median,
  perSecondOf,
  planSlices,
  rateOf,
  ratioOf,
} from "../../src/bench/slices.ts";

test.each([
  [[], NaN],
  [[3], 3],
  [[3, 1], 2],
  [[9, 1, 5], 5],
  [[10, 9, 100, 1], 9.5],
])("median of %p is %p", (values, expected) => {
  expect(median(values)).toBe(expected);
});

test.each([
  [3_000, 2, undefined, { sliceMs: 250, turns: 6 }],
  [3_000, 1, undefined, { sliceMs: 250, turns: 12 }],
  [2_100, 2, undefined, { sliceMs: 250, turns: 4 }],
  [3_000, 3, undefined, { sliceMs: 250, turns: 4 }],
  [100, 2, undefined, { sliceMs: 50, turns: 1 }],
  [100, 1, undefined, { sliceMs: 100, turns: 1 }],
  [15_000, 3, 5, { sliceMs: 1_000, turns: 5 }],
])("%d ms for %d sides, %p turns: %p", (durationMs, sides, turns, expected) => {
  expect(planSlices(durationMs, sides, turns)).toEqual(expected);
});

test("a rate is counted by the time that it really took", () => {
  expect(rateOf({ count: 500, elapsedMs: 250 })).toBe(2_000);
  expect(rateOf({ count: 0, elapsedMs: 0 })).toBe(0);
});

const slice = (perSecond: number) => ({ count: perSecond / 4, elapsedMs: 250 });

test("the ratio is the median of neighbours, whatever one noisy slice does", () => {
  const turn = (limit: number, floor: number, geerpc: number) => ({
    limit: slice(limit),
    floor: slice(floor),
    geerpc: slice(geerpc),
  });
  // The machine halves its speed in the second turn, and stalls once in the third.
  const turns = [
    turn(4_000, 2_000, 1_000),
    turn(2_000, 1_000, 500),
    turn(4_000, 2_000, 40),
  ];
  expect(perSecondOf(turns, "geerpc")).toBe(500);
  expect(perSecondOf(turns, "limit")).toBe(4_000);
  expect(ratioOf(turns, "geerpc", "limit")).toBe(0.25);
  expect(ratioOf(turns, "geerpc", "floor")).toBe(0.5);
  expect(ratioOf(turns, "floor", "limit")).toBe(0.5);
});

test("a side that took no turns has neither figures nor ratios", () => {
  const turns = [{ geerpc: slice(1_000) }];
  expect(perSecondOf(turns, "geerpc")).toBe(1_000);
  expect(perSecondOf(turns, "limit")).toBe(null);
  expect(ratioOf(turns, "geerpc", "limit")).toBe(null);
  expect(ratioOf(turns, "floor", "geerpc")).toBe(null);
});
