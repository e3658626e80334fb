import { expect, test } from "bun:test";
import { Alarm } from "../../src/base/alarm.ts";
import { ManualClock } from "../support/manual-clock.ts";

test("rings at the earliest instant, with one timer for all", async () => {
  const clock = new ManualClock(0);
  const rings: number[] = [];
  const alarm = new Alarm(clock, {
    ring(now) {
      rings.push(now);
      return Infinity;
    },
  });
  alarm.by(50);
  alarm.by(20);
  alarm.by(70);
  expect(clock.timers).toBe(1);
  await clock.advance(100);
  expect(rings).toEqual([20]);
  expect(clock.timers).toBe(0);
});

test("goes on at the instant that the ring returns", async () => {
  const clock = new ManualClock(0);
  const rings: number[] = [];
  const alarm = new Alarm(clock, {
    ring(now) {
      rings.push(now);
      return now < 30 ? now + 10 : Infinity;
    },
  });
  alarm.by(10);
  await clock.advance(100);
  expect(rings).toEqual([10, 20, 30]);
});

test("an instant set inside the ring is kept when it is the earlier one", async () => {
  const clock = new ManualClock(0);
  const rings: number[] = [];
  const alarm: Alarm = new Alarm(clock, {
    ring(now) {
      rings.push(now);
      if (now === 10) alarm.by(15);
      return now === 10 ? 40 : Infinity;
    },
  });
  alarm.by(10);
  await clock.advance(100);
  expect(rings).toEqual([10, 15]);
});

test("an instant that is over rings at once; stop forgets all", async () => {
  const clock = new ManualClock(100);
  let rings = 0;
  const alarm = new Alarm(clock, {
    ring() {
      rings++;
      return Infinity;
    },
  });
  alarm.by(50);
  await clock.advance(0);
  expect(rings).toBe(1);
  alarm.by(120);
  alarm.stop();
  expect(clock.timers).toBe(0);
  alarm.by(130);
  await clock.advance(50);
  expect(rings).toBe(2);
});
