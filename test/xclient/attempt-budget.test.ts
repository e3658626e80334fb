import { expect, test } from "bun:test";
import { randomIndex } from "../../src/base/random.ts";
import { AttemptBudget } from "../../src/xclient/attempt-budget.ts";
import { testRandom } from "../support/seed.ts";

const retry = { fraction: 0.2, perSecond: 10 };

/** How many can be taken at that instant. */
function takeAll(budget: AttemptBudget, now: number): number {
  let taken = 0;
  while (budget.take(now)) taken++;
  return taken;
}

test("begins with one second's worth, and one for five calls", () => {
  const budget = new AttemptBudget(retry);
  for (let call = 0; call < 50; call++) budget.called(1_000);
  expect(takeAll(budget, 1_000)).toBe(20);
});

test("the seconds' part grows to what is known of the last ten, and no further", () => {
  for (const [ageMs, taken] of [
    [500, 10],
    [3_000, 30],
    [9_999, 99],
    [10_000, 90],
    [10_500, 95],
    [60_000, 90],
    [60_999, 99],
  ] as const) {
    const budget = new AttemptBudget({ fraction: 0, perSecond: 10 });
    budget.called(5_000);
    expect([ageMs, takeAll(budget, 5_000 + ageMs)]).toEqual([ageMs, taken]);
  }
});

test("of calls alone nothing is there before the tenth", () => {
  const budget = new AttemptBudget({ fraction: 0.1, perSecond: 0 });
  for (let call = 0; call < 9; call++) budget.called(0);
  expect(budget.take(0)).toBe(false);
  budget.called(0);
  expect(budget.take(0)).toBe(true);
  expect(budget.take(0)).toBe(false);
});

test("what is ten seconds old is forgotten, calls and attempts", () => {
  const calls = new AttemptBudget({ fraction: 1, perSecond: 0 });
  for (let call = 0; call < 5; call++) calls.called(0);
  expect(calls.take(9_999)).toBe(true);
  expect(calls.take(10_000)).toBe(false);
  const attempts = new AttemptBudget({ fraction: 0, perSecond: 1 });
  attempts.called(0);
  expect(takeAll(attempts, 20_000)).toBe(9);
  expect(takeAll(attempts, 29_999)).toBe(0);
  expect(takeAll(attempts, 30_000)).toBe(9);
});

test("whenever calls fail, no more than 20 % and 10 a second are tried again", () => {
  const random = testRandom();
  const budget = new AttemptBudget(retry);
  let now = 1_000 + randomIndex(1_000, random);
  let calls = 0;
  let taken = 0;
  const beganAt = now;
  for (let step = 0; step < 20_000; step++) {
    now += randomIndex(20, random);
    calls++;
    budget.called(now);
    for (let more = 0; more < 2; more++) if (budget.take(now)) taken++;
    const seconds = Math.max(1, (now - beganAt) / 1_000);
    expect(taken).toBeLessThanOrEqual(0.2 * calls + 10 * seconds + 1e-6);
  }
  expect(taken).toBeGreaterThan(0.19 * calls);
});
