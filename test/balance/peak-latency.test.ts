import { expect, test } from "bun:test";
import { PeakLatency } from "../../src/balance/peak-latency.ts";
import { testRandom } from "../support/seed.ts";

test("nothing is known before the first call", () => {
  expect(new PeakLatency().at(5)).toBeUndefined();
});

test("a slower answer is believed at once, a faster one with time", () => {
  const latency = new PeakLatency();
  latency.answered(20, 0);
  expect(latency.at(0)).toBe(20);
  latency.answered(200, 1_000);
  expect(latency.at(1_000)).toBe(200);
  latency.answered(20, 1_000);
  expect(latency.at(1_000)).toBe(200);
  latency.answered(20, 11_000);
  expect(latency.at(11_000)).toBeCloseTo(200 / Math.E + 20 * (1 - 1 / Math.E));
});

test("an even latency is what it is", () => {
  const latency = new PeakLatency();
  for (let now = 0; now < 60_000; now += 100) latency.answered(7, now);
  expect(latency.at(59_900)).toBeCloseTo(7);
});

test("it sinks while nothing is heard, by 40 times in 37 s, and not below 0.1 ms", () => {
  const latency = new PeakLatency();
  latency.answered(200, 1_000);
  expect(latency.at(11_000)).toBeCloseTo(200 / Math.E);
  expect(latency.at(38_000)).toBeCloseTo(5, 0);
  expect(latency.at(1e9)).toBe(0.1);
  const fast = new PeakLatency();
  fast.answered(0, 0);
  expect(fast.at(0)).toBe(0.1);
});

test("a failure counts as 1 s, by and by", () => {
  const first = new PeakLatency();
  first.failed(1, 0);
  expect(first.at(0)).toBe(1_000);
  const later = new PeakLatency();
  later.answered(5, 0);
  later.failed(1, 10);
  expect(later.at(10)).toBeCloseTo(5 + 995 * (1 - Math.exp(-0.001)));
  later.failed(3_000, 20);
  expect(later.at(20)).toBe(3_000);
});

test("one failure in a thousand costs little, one in two much", () => {
  const random = testRandom();
  const [rare, often] = [0.001, 0.5].map((rate) => {
    const latency = new PeakLatency();
    for (let now = 0; now < 30_000; now += 10) {
      if (random() < rate) latency.failed(5, now);
      else latency.answered(5, now);
    }
    return latency.at(30_000) as number;
  }) as [number, number];
  expect(rare).toBeLessThan(20);
  expect(often).toBeGreaterThan(300);
});

test("a call that was given up only ever raises it", () => {
  const latency = new PeakLatency();
  latency.atLeast(30, 0);
  expect(latency.at(0)).toBe(30);
  latency.atLeast(10, 0);
  expect(latency.at(0)).toBe(30);
  // By now 30 has sunk below it.
  latency.atLeast(15, 10_000);
  expect(latency.at(10_000)).toBe(15);
  const unknown = new PeakLatency();
  unknown.atLeast(0, 0);
  expect(unknown.at(0)).toBeUndefined();
  unknown.atLeast(0.5, 0);
  expect(unknown.at(0)).toBe(0.5);
});
