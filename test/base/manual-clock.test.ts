import { expect, test } from "bun:test";
import { ManualClock } from "../support/manual-clock.ts";

test("advance runs what is due in the order of its instants", async () => {
  const clock = new ManualClock(0);
  const ran: [string, number][] = [];
  const note = (name: string) => () => void ran.push([name, clock.now()]);
  clock.after(20, note("later"));
  clock.after(10, note("first"));
  clock.after(10, note("second"));
  clock.after(21, note("not yet"));
  await clock.advance(20);
  expect(ran).toEqual([
    ["first", 10],
    ["second", 10],
    ["later", 20],
  ]);
  expect(clock.now()).toBe(20);
  expect(clock.timers).toBe(1);
});

test("promises go on between timers, and the timers they make count", async () => {
  const clock = new ManualClock(0);
  const ran: number[] = [];
  const wait = (ms: number) =>
    new Promise<void>((resolve) => void clock.after(ms, resolve));
  void (async () => {
    for (let i = 0; i < 3; i++) {
      await wait(10);
      ran.push(clock.now());
    }
  })();
  await clock.advance(25);
  expect(ran).toEqual([10, 20]);
  await clock.advance(5);
  expect(ran).toEqual([10, 20, 30]);
  expect(clock.timers).toBe(0);
});

test("a cancelled timer does not run and does not count", async () => {
  const clock = new ManualClock();
  let runs = 0;
  clock
    .after(1, () => runs++)
    .unref()
    .cancel();
  expect(clock.timers).toBe(0);
  await clock.advance(10);
  expect(runs).toBe(0);
});
