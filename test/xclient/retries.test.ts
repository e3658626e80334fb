import { describe, expect, test } from "bun:test";
import { type Code, codes, RpcError } from "../../src/errors.ts";
import { AttemptBudget } from "../../src/xclient/attempt-budget.ts";
import { Retries } from "../../src/xclient/retries.ts";

const retry = { fraction: 0, perSecond: 10 };
const now = 1_000;
const yes = () => true;
const no = () => false;

function setUp(perSecond = 10) {
  const budget = new AttemptBudget({ ...retry, perSecond });
  budget.called(now);
  return { budget, retries: new Retries(budget, () => 0.5) };
}

const lost = new RpcError("unavailable", "lost", { sent: true });
const unsent = new RpcError("unavailable", "drains", { sent: false });
const refused = new RpcError("resource_exhausted", "full", { sent: false });

/** How many of ten attempts are left. */
function left(budget: AttemptBudget): number {
  let count = 0;
  while (budget.take(now)) count++;
  return count;
}

test("failed dials cost nothing and do not count", () => {
  const { budget, retries } = setUp();
  for (let dial = 0; dial < 5; dial++) {
    retries.undialled(`tcp@s${dial}:1`, unsent);
    expect(retries.pauseMs(0, now)).toBe(0);
  }
  expect(retries.isRepeating).toBe(false);
  expect(left(budget)).toBe(10);
  const { attempts, sent } = retries.errorOf(unsent);
  expect(attempts.length).toBe(5);
  expect(sent).toBe(false);
});

test("what was not sent goes on at once: free the first time, not the second, and no third time", () => {
  const { budget, retries } = setUp();
  expect(retries.failed("a", unsent, no)).toBe(true);
  expect(retries.pauseMs(0, now)).toBe(0);
  expect(retries.failed("b", unsent, no)).toBe(true);
  expect(retries.pauseMs(0, now)).toBe(0);
  expect(retries.failed("c", unsent, no)).toBe(false);
  expect(retries.errorOf(unsent).sent).toBe(false);
  expect(left(budget)).toBe(9);
});

test("what was refused goes on at once, and costs", () => {
  const { budget, retries } = setUp();
  expect(retries.failed("a", refused, no)).toBe(true);
  expect(retries.pauseMs(0, now)).toBe(0);
  expect(retries.isRepeating).toBe(false);
  expect(left(budget)).toBe(9);
});

test("what may have run goes on after 100 and 200 ms where it is idempotent, three times in all", () => {
  const { budget, retries } = setUp();
  expect(retries.failed("a", lost, yes)).toBe(true);
  expect(retries.isRepeating).toBe(true);
  expect(retries.pauseMs(0, now)).toBe(100);
  expect(retries.failed("b", lost, yes)).toBe(true);
  expect(retries.pauseMs(0, now)).toBe(200);
  expect(retries.failed("a", lost, yes)).toBe(false);
  expect(retries.isRepeating).toBe(false);
  expect(left(budget)).toBe(8);
  const error = retries.errorOf(unsent);
  expect(error.attempts).toEqual(
    ["a", "b", "a"].map((address) => ({ address, code: "unavailable" })),
  );
  // The first ones may have run, whatever the last one says.
  expect(error.sent).toBe(true);
});

test("what may have run is the result where it is not idempotent", () => {
  const { retries } = setUp();
  expect(retries.failed("a", lost, no)).toBe(false);
  expect(retries.isRepeating).toBe(false);
});

describe("only what passes is tried again, idempotent or not", () => {
  const passing: Code[] = [
    "unavailable",
    "resource_exhausted",
    "deadline_exceeded",
  ];
  test.each([...codes])("%s", (code) => {
    const { retries } = setUp();
    const error = new RpcError(code, "no", { sent: true });
    expect(retries.failed("a", error, yes)).toBe(passing.includes(code));
  });

  test("an expired call counts as one that may run", () => {
    const { retries } = setUp();
    const expired = new RpcError("deadline_exceeded", "no", { sent: false });
    expect(retries.failed("a", expired, no)).toBe(false);
  });
});

test("where the budget is spent there is no further attempt", () => {
  const { retries } = setUp(0);
  retries.failed("a", refused, no);
  expect(retries.pauseMs(0, now)).toBeUndefined();
});

test("a pause that the deadline does not leave is not begun, and costs nothing", () => {
  const { budget, retries } = setUp();
  retries.failed("a", lost, yes);
  expect(retries.pauseMs(100, now)).toBeUndefined();
  expect(left(budget)).toBe(10);
  const other = setUp().retries;
  other.failed("a", lost, yes);
  expect(other.pauseMs(101, now)).toBe(100);
});

test("the pause moves by up to a fifth", () => {
  for (const [draw, pauseMs] of [
    [0, 80],
    [0.5, 100],
  ] as const) {
    const { budget } = setUp();
    const retries = new Retries(budget, () => draw);
    retries.failed("a", lost, yes);
    expect(retries.pauseMs(0, now)).toBe(pauseMs);
  }
});

test("another round counts as an attempt, pauses and costs; behind a failure that does so anyway it is none more", () => {
  const { budget, retries } = setUp();
  retries.failed("a", lost, yes);
  retries.repeat();
  expect(retries.pauseMs(0, now)).toBe(100);
  retries.undialled("a", unsent);
  expect(retries.isRepeating).toBe(true);
  retries.repeat();
  expect(retries.pauseMs(0, now)).toBe(200);
  retries.undialled("a", unsent);
  retries.repeat();
  expect(retries.isRepeating).toBe(false);
  expect(left(budget)).toBe(8);
});
