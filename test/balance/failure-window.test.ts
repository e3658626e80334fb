import { expect, test } from "bun:test";
import { FailureWindow } from "../../src/balance/failure-window.ts";
import { testRandom } from "../support/seed.ts";

test("it counts the second that is running and the nine before it", () => {
  const random = testRandom();
  const window = new FailureWindow();
  const told: { isFailure: boolean; now: number }[] = [];
  let now = 0;
  for (let count = 0; count < 3_000; count++) {
    // Mostly many calls in a second, now and then a gap, also a long one.
    now += random() < 0.98 ? random() * 100 : random() * 25_000;
    const isFailure = random() < 0.5;
    window.add(isFailure, now);
    told.push({ isFailure, now });
    const first = Math.floor(now / 1_000) - 9;
    const inside = told.filter((call) => Math.floor(call.now / 1_000) >= first);
    expect(window.calls).toBe(inside.length);
    expect(window.failures).toBe(
      inside.filter(({ isFailure: isIn }) => isIn).length,
    );
  }
});

test("it counts from nothing once it was cleared", () => {
  const window = new FailureWindow();
  window.add(true, 5_500);
  window.clear();
  expect([window.calls, window.failures]).toEqual([0, 0]);
  window.add(false, 5_600);
  expect([window.calls, window.failures]).toEqual([1, 0]);
  window.add(true, 15_600);
  expect([window.calls, window.failures]).toEqual([1, 1]);
});
