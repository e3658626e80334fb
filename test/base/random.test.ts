import { expect, test } from "bun:test";
import { jitter, randomIndex, seeded } from "../../src/base/random.ts";
import { seed, testRandom } from "../support/seed.ts";

test("one seed gives one sequence, another one another", () => {
  const draw = (from: number) => {
    const random = seeded(from);
    return Array.from({ length: 8 }, random);
  };
  expect(draw(seed)).toEqual(draw(seed));
  expect(draw(seed)).not.toEqual(draw(seed + 1));
});

test("the numbers are those of mulberry32", () => {
  const random = seeded(1);
  expect([random(), random(), random()]).toEqual([
    0.6270739405881613, 0.002735721180215478, 0.5274470399599522,
  ]);
});

test("numbers are in [0, 1) and spread evenly", () => {
  const random = testRandom();
  const tenths = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) {
    const number = random();
    expect(number >= 0 && number < 1).toBe(true);
    const tenth = Math.floor(number * 10);
    tenths[tenth] = (tenths[tenth] ?? 0) + 1;
  }
  // Six standard deviations around 1,000.
  expect(Math.min(...tenths)).toBeGreaterThan(820);
  expect(Math.max(...tenths)).toBeLessThan(1_180);
});

test("jitter reaches both ends and is nothing in the middle", () => {
  expect(jitter(100, 0.2, () => 0)).toBeCloseTo(80);
  expect(jitter(100, 0.2, () => 0.5)).toBe(100);
  expect(jitter(100, 0.2, () => 1)).toBeCloseTo(120);
});

test("randomIndex covers each index and no other", () => {
  expect(randomIndex(3, () => 0)).toBe(0);
  expect(randomIndex(3, () => 0.999_999)).toBe(2);
  const random = testRandom();
  const drawn = new Set(
    Array.from({ length: 500 }, () => randomIndex(5, random)),
  );
  expect([...drawn].sort()).toEqual([0, 1, 2, 3, 4]);
});
