import { describe, expect, test } from "bun:test";
import type { Clock } from "../../src/base/clock.ts";
import {
  coresIn,
  LoadMeter,
  type LoadMeterOptions,
} from "../../src/registry/load-meter.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** A process whose figures the test sets; `use` is CPU time as cores. */
function setUp(options: LoadMeterOptions = {}) {
  const manual = new ManualClock(0);
  const process = { use: 0, memoryBytes: 0, lateMs: 0 };
  let cpuUs = 5_000_000;
  let readAt = 0;
  const clock: Clock = {
    now: () => manual.now(),
    after: (delayMs, run) => manual.after(delayMs + process.lateMs, run),
  };
  const meter = new LoadMeter({
    clock,
    cores: 1,
    memoryLimitBytes: 1_000,
    probes: {
      cpuUs() {
        cpuUs += (manual.now() - readAt) * 1_000 * process.use;
        readAt = manual.now();
        return cpuUs;
      },
      memoryBytes: () => process.memoryBytes,
    },
    ...options,
  });
  return { manual, process, meter };
}

/** Long enough for what was before to count for nothing. */
const longMs = 200_000;

describe("a load", () => {
  test("is not told before a second has passed", async () => {
    const { manual, process, meter } = setUp();
    process.use = 0.5;
    await manual.advance(999);
    expect(meter.load).toBeUndefined();
    await manual.advance(1);
    expect(meter.load).toBeCloseTo(0.5);
  });

  test.each([
    [0, 1, 0],
    [0.3, 1, 0.3],
    [1.4, 1, 1],
    [3, 4, 0.75],
    [0.25, 0.5, 0.5],
  ])("is CPU time, %d cores of %d", async (use, cores, expected) => {
    const { manual, process, meter } = setUp({ cores });
    process.use = use;
    await manual.advance(longMs);
    expect(meter.load).toBeCloseTo(expected);
  });

  test.each([
    [0, 0],
    [800, 0],
    [900, 0.5],
    [1_000, 1],
    [2_000, 1],
  ])("is memory where that is short: %d of 1,000", async (bytes, expected) => {
    const { manual, process, meter } = setUp();
    process.memoryBytes = bytes;
    await manual.advance(longMs);
    expect(meter.load).toBeCloseTo(expected);
  });

  test.each([
    [0, 0],
    [30, 0.3],
    [100, 1],
    [700, 1],
  ])("is how late timers are: %d ms", async (lateMs, expected) => {
    const { manual, process, meter } = setUp();
    process.lateMs = lateMs;
    await manual.advance(longMs);
    expect(meter.load).toBeCloseTo(expected);
  });

  test("of timers is of the last second alone", async () => {
    const { manual, process, meter } = setUp();
    process.lateMs = 50;
    await manual.advance(longMs);
    process.lateMs = 0;
    await manual.advance(longMs);
    expect(meter.load).toBeCloseTo(0);
  });

  test("is the largest of the three, never their sum", async () => {
    const { manual, process, meter } = setUp();
    Object.assign(process, { use: 0.4, memoryBytes: 900, lateMs: 30 });
    await manual.advance(longMs);
    expect(meter.load).toBeCloseTo(0.5);
  });

  test("is smoothed: half of it after 5 s, by time and not by samples", async () => {
    for (const lateMs of [0, 900]) {
      const { manual, process, meter } = setUp();
      await manual.advance(longMs);
      expect(meter.load).toBe(0);
      // Late timers are a load of 1 as well, and their samples are fewer.
      Object.assign(process, { use: 1, lateMs });
      await manual.advance(5_000);
      expect(meter.load as number).toBeWithin(0.4, 0.6);
      await manual.advance(5_000);
      expect(meter.load as number).toBeWithin(0.68, 0.82);
    }
  });

  test("a figure that makes no sense is no load", async () => {
    const { manual, process, meter } = setUp();
    process.use = -1;
    await manual.advance(longMs);
    expect(meter.load).toBe(0);
  });
});

test.each([
  { cores: 0 },
  { cores: -1 },
  { cores: NaN },
  { memoryLimitBytes: 0 },
  { memoryLimitBytes: NaN },
])("%j leaves no load to be measured, and is refused", (options) => {
  expect(() => setUp(options)).toThrow(
    expect.objectContaining({ code: "invalid_argument" }),
  );
});

test("closed, it has no timer, and keeps its last load", async () => {
  const { manual, process, meter } = setUp();
  process.use = 0.5;
  await manual.advance(1_000);
  meter.close();
  meter.close();
  expect(manual.timers).toBe(0);
  expect(meter.load).toBeCloseTo(0.5);
});

test("this process has figures", async () => {
  const clock = new ManualClock();
  const meter = new LoadMeter({ clock });
  await clock.advance(1_000);
  expect(meter.load as number).toBeWithin(0, 1.001);
  meter.close();
});

test.each([
  ["max 100000\n", Infinity],
  ["50000 100000\n", 0.5],
  ["400000 100000", 4],
  ["0 100000", Infinity],
  ["", Infinity],
  ["x y", Infinity],
])("what a cgroup grants: %p", (text, cores) => {
  expect(coresIn(text)).toBe(cores);
});
