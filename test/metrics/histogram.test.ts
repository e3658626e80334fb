import { describe, expect, test } from "bun:test";
import { Histogram } from "../../src/metrics/histogram.ts";
import { testRandom } from "../support/seed.ts";

function of(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

describe("a histogram", () => {
  test("of nothing is all zero", () => {
    const histogram = new Histogram();
    expect([histogram.count, histogram.max, histogram.quantile(0.5)]).toEqual([
      0, 0, 0,
    ]);
  });

  test("is exact below 32", () => {
    for (let value = 0; value < 32; value++) {
      expect(of([value, 1_000]).quantile(0.5)).toBe(value);
    }
  });

  test("counts a fraction as the next whole number, and keeps its maximum", () => {
    expect(of([0.2, 7.5, 100]).quantile(0.3)).toBe(1);
    expect(of([0.2, 7.5, 100]).quantile(0.5)).toBe(8);
    expect(of([0.2]).quantile(0.99)).toBe(0.2);
    expect(of([0.2]).max).toBe(0.2);
  });

  test("is never below a whole value, and at most 1/16 above it", () => {
    const random = testRandom();
    for (let round = 0; round < 10_000; round++) {
      const value = Math.floor(2 ** (random() * 31));
      const found = of([value, 2 ** 31]).quantile(0.5);
      expect(found).toBeGreaterThanOrEqual(value);
      expect(found).toBeLessThanOrEqual(value * (1 + 1 / 16));
    }
  });

  test("finds what a fraction of the values do not exceed", () => {
    const histogram = of(Array.from({ length: 100 }, (_, at) => at % 20));
    expect([0, 0.05, 0.051, 0.5, 1].map((q) => histogram.quantile(q))).toEqual([
      0, 0, 1, 9, 19,
    ]);
  });

  test("takes the largest values without losing them", () => {
    const histogram = of([1, 2 ** 31, 2 ** 40]);
    expect(histogram.max).toBe(2 ** 40);
    expect(histogram.quantile(0.5)).toBeGreaterThanOrEqual(2 ** 31);
    expect(histogram.quantile(1)).toBeGreaterThanOrEqual(2 ** 31);
  });

  test("takes over what another one has recorded", () => {
    const random = testRandom();
    const values = Array.from({ length: 1_000 }, () => random() * 1e5);
    const histogram = of(values.slice(0, 400));
    histogram.add(of(values.slice(400)));
    const whole = of(values);
    expect(histogram.buckets()).toEqual(whole.buckets());
    expect([histogram.count, histogram.max]).toEqual([1_000, whole.max]);
    const [small, large] = [of([1]), of([9])];
    large.add(small);
    small.add(large);
    expect([large.max, small.max]).toEqual([9, 9]);
  });

  test("is the same again when it is made of its buckets", () => {
    const random = testRandom();
    const values = Array.from({ length: 1_000 }, () => random() * 1e5);
    const histogram = of([...values, 0, 0.2, 1e9]);
    const again = Histogram.of(histogram.buckets());
    expect(again.buckets()).toEqual(histogram.buckets());
    expect([again.count, again.max]).toEqual([1_003, 1e9]);
  });

  test("has a bucket for each sixteenth that holds a value", () => {
    expect(new Histogram().buckets()).toEqual([]);
    expect(of([7, 7, 64, 66, 67, 68, 70]).buckets()).toEqual([
      [7, 2],
      [67, 3],
      [70, 2],
    ]);
  });
});
