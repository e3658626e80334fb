import { expect, test } from "bun:test";
import { Backoff, reconnectBackoff } from "../../src/base/backoff.ts";
import { testRandom } from "../support/seed.ts";

const steady = () => 0.5;

test("delays grow by the factor up to the longest one", () => {
  const backoff = new Backoff(
    { firstMs: 100, factor: 2, maxMs: 500, jitterFraction: 0.2 },
    steady,
  );
  const delays = [1, 2, 3, 4, 5].map(() => backoff.nextMs());
  expect(delays).toEqual([100, 200, 400, 500, 500]);
});

test("reset starts again at the first delay", () => {
  const backoff = new Backoff(reconnectBackoff, steady);
  expect(backoff.nextMs()).toBe(250);
  expect(backoff.nextMs()).toBe(400);
  backoff.reset();
  expect(backoff.nextMs()).toBe(250);
});

test("jitter moves each delay within its fraction, both ways", () => {
  const random = testRandom();
  const delays = Array.from({ length: 200 }, () =>
    new Backoff(reconnectBackoff, random).nextMs(),
  );
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(200);
  expect(Math.max(...delays)).toBeLessThanOrEqual(300);
  expect(Math.min(...delays)).toBeLessThan(240);
  expect(Math.max(...delays)).toBeGreaterThan(260);
});

test("a first delay above the longest one is cut", () => {
  const options = { ...reconnectBackoff, maxMs: 100 };
  expect(new Backoff(options, steady).nextMs()).toBe(100);
});
