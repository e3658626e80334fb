import { expect, test } from "bun:test";
import type { CallFunction } from "../../src/bench/call-load.ts";
import { RateLoad } from "../../src/bench/rate-load.ts";
import { repeated, varyingSums } from "../../src/bench/workload.ts";
import { RpcError } from "../../src/errors.ts";
import { Histogram } from "../../src/metrics/histogram.ts";
import { ManualClock } from "../support/manual-clock.ts";

type Sum = { Num1: number; Num2: number };

function rateLoad(
  clock: ManualClock,
  callsPerSecond: number,
  ...calls: CallFunction[]
) {
  return new RateLoad({
    calls,
    callsPerSecond,
    workload: varyingSums(),
    clock,
    yieldTurn: () => new Promise((resolve) => void clock.after(0.25, resolve)),
  });
}

/** Answers each call at the instant that is given for it. */
function server(
  clock: ManualClock,
  answerAt: (now: number) => number,
  starts: number[] = [],
): CallFunction {
  return (_method, args) => {
    const { Num1, Num2 } = args as Sum;
    const now = clock.now();
    starts.push(now - 1_000);
    return new Promise((resolve) =>
      clock.after(answerAt(now) - now, () => resolve(Num1 + Num2)),
    );
  };
}

test("calls start when they are due, whatever becomes of those before", async () => {
  const clock = new ManualClock();
  const [odd, even]: [number[], number[]] = [[], []];
  const load = rateLoad(
    clock,
    200,
    server(clock, (now) => now + 12, even),
    server(clock, (now) => now + 12, odd),
  );
  const latenciesUs = new Histogram();
  const run = load.run(50, latenciesUs);
  await clock.advance(100);
  expect(await run).toEqual({ count: 10, elapsedMs: 57 });
  expect(even).toEqual([0, 10, 20, 30, 40]);
  expect(odd).toEqual([5, 15, 25, 35, 45]);
  expect(load).toMatchObject({ done: 10, errors: 0, mostInFlight: 3 });
  expect(latenciesUs.max).toBe(12_000);
  expect(latenciesUs.quantile(0.01)).toBe(12_000);
  expect(clock.timers).toBe(0);
});

test("a stall counts for every call that was due in it", async () => {
  const clock = new ManualClock();
  // What comes in the first 100 ms is answered at the end of them.
  const stalling = server(clock, (now) => Math.max(now, 1_100));
  const load = rateLoad(clock, 100, stalling);
  const latenciesUs = new Histogram();
  const run = load.run(200, latenciesUs);
  await clock.advance(300);
  expect((await run).count).toBe(20);
  expect(load.mostInFlight).toBe(10);
  const slow = latenciesUs.buckets().filter(([upTo]) => upTo > 9_000);
  expect(slow.reduce((sum, [, count]) => sum + count, 0)).toBe(10);
  expect(latenciesUs.max).toBe(100_000);
});

test("what is late from the start counts from when it was due", async () => {
  const clock = new ManualClock();
  let turns = 0;
  const load = new RateLoad({
    calls: [server(clock, (now) => now)],
    callsPerSecond: 100_000,
    workload: varyingSums(),
    clock,
    // Each turn takes the process 10 ms: a thousand calls are due meanwhile.
    yieldTurn() {
      turns++;
      return new Promise((resolve) => void clock.after(10, resolve));
    },
  });
  const latenciesUs = new Histogram();
  const run = load.run(20, latenciesUs);
  await clock.advance(1_000);
  expect((await run).count).toBe(2_000);
  // Overdue calls leave others a turn now and then, or nothing would be answered.
  expect(turns).toBeGreaterThan(10);
  expect(load.mostInFlight).toBeLessThanOrEqual(64);
  expect(latenciesUs.max).toBeGreaterThan(100_000);
});

test("the next run begins anew, totals add up", async () => {
  const clock = new ManualClock();
  let tookMs = 25;
  const answerAt = (now: number) => now + tookMs;
  const load = rateLoad(clock, 100, server(clock, answerAt));
  const first = load.run(100, new Histogram());
  await clock.advance(200);
  expect((await first).count).toBe(10);
  expect(load).toMatchObject({ done: 10, mostInFlight: 3 });
  tookMs = 5;
  const second = load.run(100, new Histogram());
  await clock.advance(200);
  // The last was due at 90 ms, and another one would be at 100.
  expect(await second).toEqual({ count: 10, elapsedMs: 100 });
  expect(load).toMatchObject({ done: 20, mostInFlight: 1 });
});

test("wrong replies and failures are counted, and calls go on", async () => {
  const clock = new ManualClock();
  let calls = 0;
  const load = new RateLoad({
    calls: [
      async () => {
        if (++calls === 3) throw new RpcError("unavailable", "gone");
        return calls === 5 ? "wrong" : "right";
      },
    ],
    callsPerSecond: 1_000,
    workload: repeated("Foo.Echo", "right"),
    clock,
    yieldTurn: () => new Promise((resolve) => void clock.after(0.25, resolve)),
  });
  const run = load.run(10, new Histogram());
  await clock.advance(20);
  expect((await run).count).toBe(8);
  expect(load).toMatchObject({
    done: 10,
    errors: 2,
    firstFailure: { at: 2, reason: expect.stringContaining("unavailable") },
  });
});

test("what is due much later is waited for by a timer", async () => {
  const clock = new ManualClock();
  let turns = 0;
  const load = new RateLoad({
    calls: [server(clock, (now) => now)],
    callsPerSecond: 10,
    workload: varyingSums(),
    clock,
    yieldTurn() {
      turns++;
      return new Promise((resolve) => void clock.after(0.25, resolve));
    },
  });
  const run = load.run(1_000, new Histogram());
  await clock.advance(1_000);
  expect((await run).count).toBe(10);
  // The last two of each 100 ms.
  expect(turns).toBe(9 * 8);
});

test("a call that could not begin within 5 s is not made, and counts as an error", async () => {
  const clock = new ManualClock();
  const overdueMs: number[] = [];
  const load = new RateLoad({
    calls: [
      async (_method, args) => {
        const { Num1, Num2 } = args as Sum;
        overdueMs.push(clock.now() - 1_000 - (Num1 - 1_000));
        return Num1 + Num2;
      },
    ],
    callsPerSecond: 1_000,
    workload: varyingSums(),
    clock,
    // Each turn takes the process a second: 64 calls in the time of a thousand.
    yieldTurn: () => new Promise((resolve) => void clock.after(1_000, resolve)),
  });
  const latenciesUs = new Histogram();
  const run = load.run(1_000, latenciesUs);
  await clock.advance(60_000);
  expect((await run).count).toBe(overdueMs.length);
  expect(Math.max(...overdueMs)).toBeLessThanOrEqual(5_000);
  expect(load.done).toBe(1_000);
  expect(load.errors).toBe(1_000 - overdueMs.length);
  expect(load.firstFailure).toMatchObject({ at: overdueMs.length });
  // What it waited in vain counts, too.
  expect(latenciesUs.count).toBe(1_000);
});
