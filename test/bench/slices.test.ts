import { expect, test } from "bun:test";
import {
  figuresOf,
  median,
  planSlices,
  rateOf,
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
  [3_000, true, { sliceMs: 250, pairs: 6 }],
  [3_000, false, { sliceMs: 250, pairs: 12 }],
  [2_100, true, { sliceMs: 250, pairs: 4 }],
  [100, true, { sliceMs: 50, pairs: 1 }],
  [100, false, { sliceMs: 100, pairs: 1 }],
])("%d ms, with a limit %p: %p", (durationMs, hasLimit, expected) => {
  expect(planSlices(durationMs, hasLimit)).toEqual(expected);
});

test("a rate is counted by the time that it really took", () => {
  expect(rateOf({ count: 500, elapsedMs: 250 })).toBe(2_000);
  expect(rateOf({ count: 0, elapsedMs: 0 })).toBe(0);
});

test("the ratio is the median of neighbours, whatever one noisy slice does", () => {
  const slice = (perSecond: number) => ({
    count: perSecond / 4,
    elapsedMs: 250,
  });
  const pair = (limit: number, geerpc: number) => ({
    limit: slice(limit),
    geerpc: slice(geerpc),
  });
  // The machine halves its speed in the second pair, and stalls once in the third.
  const pairs = [pair(4_000, 1_000), pair(2_000, 500), pair(4_000, 40)];
  expect(figuresOf(pairs)).toEqual({
    callsPerSecond: 500,
    limitPerSecond: 4_000,
    ratio: 0.25,
  });
});

test("without a limit there is no ratio", () => {
  const geerpc = { count: 100, elapsedMs: 100 };
  expect(figuresOf([{ limit: undefined, geerpc }])).toEqual({
    callsPerSecond: 1_000,
    limitPerSecond: null,
    ratio: null,
  });
});
