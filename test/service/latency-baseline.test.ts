import { expect, test } from "bun:test";
import { LatencyBaseline } from "../../src/service/latency-baseline.ts";
import { LatencyWindow } from "../../src/service/latency-window.ts";

function windowOf(...latencies: number[]): LatencyWindow {
  const window = new LatencyWindow(0);
  for (const latencyMs of latencies) window.add(latencyMs, Infinity);
  return window;
}

/** One of 25 calls with that mean, which deviate by so much. */
function windowAround(meanMs: number, deviationMs: number): LatencyWindow {
  const pairs = Array.from({ length: 12 }, () => [
    meanMs - deviationMs,
    meanMs + deviationMs,
  ]);
  return windowOf(meanMs, ...pairs.flat());
}

test("a window has sums, and nothing but what it was told", () => {
  const window = new LatencyWindow(1_000);
  expect(window.meanGivenMs).toBe(Infinity);
  window.add(10, Infinity);
  window.add(20, 300);
  window.addExpired(60, 100);
  expect(window).toMatchObject({
    samples: 3,
    expired: 1,
    meanMs: 30,
    meanGivenMs: 200,
  });
  expect(window.varianceMs2).toBeCloseTo((400 + 100 + 900) / 3);
  window.begin(2);
  window.begin(6);
  expect(window.meanRunning).toBe(4);
  for (let count = 0; count < 10; count++) window.end();
  expect(window.endingsPerMs(1_100)).toBe(0.1);
  // Nothing ran half of the time.
  window.skip(50);
  expect(window.elapsedMs(1_100)).toBe(50);
  expect(window.endingsPerMs(1_100)).toBe(0.2);
});

test("what is allowed is a multiple, and what chance adds: less with more calls", () => {
  const baseline = new LatencyBaseline(windowAround(100, 0));
  // A deviation of half of it is taken for granted.
  expect(baseline.allowedMs(25, 2)).toBeCloseTo(200 + 3 * 10);
  expect(baseline.allowedMs(2_500, 2)).toBeCloseTo(200 + 3);
  const wide = windowAround(100, 90);
  baseline.reset(wide);
  const error = Math.sqrt(wide.varianceMs2 / 25);
  expect(baseline.allowedMs(25, 1)).toBeCloseTo(100 + 3 * error);
});

test("it moves a fifth of the way, mean and variance", () => {
  const baseline = new LatencyBaseline(windowAround(100, 0));
  baseline.learn(windowAround(200, 0));
  expect(baseline.meanMs).toBeCloseTo(120);
  const error = Math.sqrt((0.8 * 2_500) / 100);
  expect(baseline.allowedMs(100, 1)).toBeCloseTo(120 + 3 * error);
});

test("of busy times it believes what is faster than chance explains", () => {
  const baseline = new LatencyBaseline(windowAround(100, 0));
  for (const meanMs of [81, 150]) {
    baseline.learnIfFaster(windowAround(meanMs, 0));
    expect(baseline.meanMs).toBe(100);
  }
  baseline.learnIfFaster(windowAround(79, 0));
  expect(baseline.meanMs).toBeCloseTo(100 - 0.2 * 21);
});
