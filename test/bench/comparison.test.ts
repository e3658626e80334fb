import { expect, test } from "bun:test";
import {
  compareSides,
  planComparison,
  quartiles,
  type Side,
  type SideFigures,
} from "../../src/bench/comparison.ts";

/** Sides whose slices have these rates and this CPU time, one after another. */
function fakeSides(figures: Record<Side, [number, number][]>) {
  const order: Side[] = [];
  const taken = { this: 0, other: 0 };
  const measure = async (side: Side) => {
    order.push(side);
    const [callsPerSecond, cpuUsPerCall] = figures[side][taken[side]++] ?? [];
    return { callsPerSecond, cpuUsPerCall } as SideFigures;
  };
  return { order, measure };
}

test("neighbours are compared, and who goes first changes", async () => {
  const { order, measure } = fakeSides({
    this: [
      [90, 3],
      [200, 2],
      [10, 4],
    ],
    other: [
      [100, 2],
      [100, 2],
      [100, 1],
    ],
  });
  const told: number[][] = [];
  const comparison = await compareSides(3, measure, (...pair) =>
    told.push(pair),
  );
  expect(order).toEqual(["other", "this", "this", "other", "other", "this"]);
  expect(comparison).toEqual({
    ratioAgainst: 0.9,
    ratiosAgainst: [0.9, 2, 0.1],
    cpuAgainst: 1.5,
  });
  expect(told).toEqual([
    [1, 90],
    [2, 200],
    [3, 10],
  ]);
});

test("a slice that fails ends it, and nothing more is measured", async () => {
  const error = new Error("gone");
  let slices = 0;
  const failing = async () => {
    if (++slices === 2) throw error;
    return { callsPerSecond: 1, cpuUsPerCall: 1 };
  };
  const thrown = await compareSides(5, failing, () => {}).catch((e) => e);
  expect(thrown).toBe(error);
  expect(slices).toBe(2);
});

test.each([
  [4_000, { sliceMs: 1_000, pairs: 4 }],
  [10_400, { sliceMs: 1_000, pairs: 10 }],
  [1_000, { sliceMs: 1_000, pairs: 1 }],
  [40, { sliceMs: 40, pairs: 1 }],
])("%d ms for each side: %p", (durationMs, expected) => {
  expect(planComparison(durationMs)).toEqual(expected);
});

test.each([
  [[], [NaN, NaN]],
  [[3], [3, 3]],
  [
    [2, 1],
    [1, 2],
  ],
  [
    [9, 1, 5, 3, 7],
    [3, 7],
  ],
  [
    [8, 7, 6, 5, 4, 3, 2, 1],
    [2, 7],
  ],
])("quartiles of %p are %p", (values, expected) => {
  expect(quartiles(values)).toEqual(expected as [number, number]);
});
