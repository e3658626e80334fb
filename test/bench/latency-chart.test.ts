import { expect, test } from "bun:test";
import { renderLatencies } from "../../src/bench/latency-chart.ts";

test("a line for each doubling between the fastest and the slowest, the longest bar for the most", () => {
  expect(
    renderLatencies([
      [60, 30],
      [63, 470],
      [64, 900],
      [100, 100],
      [300, 1],
      [1_023.5, 499],
    ]),
  ).toEqual([
    `<    64 µs   25.00 %  ${"█".repeat(20)}`,
    `<   128 µs   50.00 %  ${"█".repeat(40)}`,
    "<   256 µs    0.00 %",
    "<   512 µs    0.05 %  ▏",
    `< 1,024 µs   24.95 %  ${"█".repeat(19)}▉`,
  ]);
});

test("of nothing there is no chart", () => {
  expect(renderLatencies([])).toEqual([]);
});
