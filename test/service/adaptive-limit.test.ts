import { describe, expect, test } from "bun:test";
import { AdaptiveLimit } from "../../src/service/adaptive-limit.ts";
import { resolveAdaptiveLimit } from "../../src/service/adaptive-limit-option.ts";
import { testRandom } from "../support/seed.ts";
import { OverloadSimulation, type Scenario } from "./overload-simulation.ts";

/** Ten places of 100 ms: 100 calls per second. */
const capacity = 100;
const tenPlaces = { places: 10, serviceMs: () => 100 };

function simulate(scenario: Scenario): OverloadSimulation {
  return new OverloadSimulation(scenario).run();
}

/** `before` up to the fifth second, then `then`. */
function fromFifth(before: number, then: number): (at: number) => number {
  return (at) => (at < 5_000 ? before : then);
}

/** How long calls of two kinds take, of which one in twenty is a hundred times as slow. */
function bimodal() {
  const random = testRandom();
  return () => (random() < 0.05 ? 100 : 1);
}

describe("goodput under overload", () => {
  test.each([1, 1.1, 1.5, 3])("at %d times capacity", (times) => {
    const overload = simulate({
      ...tenPlaces,
      seconds: 20,
      callsPerSecond: fromFifth(80, times * capacity),
    });
    expect(overload.rate("answered", 5)).toBeGreaterThanOrEqual(
      0.85 * capacity,
    );
    expect(overload.rate("expired", 8)).toBe(0);
  });

  test("at ten times, with a burst of handlers that nothing stops, as soon as these have ended", () => {
    const overload = simulate({
      ...tenPlaces,
      seconds: 20,
      callsPerSecond: fromFifth(80, 10 * capacity),
    });
    expect(overload.rate("answered", 12)).toBeGreaterThanOrEqual(95);
    expect(overload.rate("expired", 12)).toBe(0);
    // What it was without those handlers.
    expect(overload.limit.limit).toBeLessThanOrEqual(30);
  });

  test("at ten times, with handlers that end when nobody waits for them", () => {
    const overload = simulate({
      ...tenPlaces,
      seconds: 20,
      isPolite: true,
      callsPerSecond: fromFifth(80, 10 * capacity),
    });
    expect(overload.rate("answered", 7)).toBeGreaterThanOrEqual(95);
  });

  test("with calls that come and take as chance has it", () => {
    const random = testRandom();
    const overload = simulate({
      places: 10,
      seconds: 30,
      serviceMs: () => -Math.log(1 - random()) * 100,
      callsPerSecond: fromFifth(80, 3 * capacity),
      random,
    });
    expect(overload.rate("answered", 6)).toBeGreaterThanOrEqual(
      0.85 * capacity,
    );
  });

  test("from the first moment after a long silence", () => {
    const overload = simulate({
      ...tenPlaces,
      seconds: 70,
      callsPerSecond: (at) =>
        at < 5_000 ? 80 : at < 60_000 ? 0 : 3 * capacity,
    });
    expect(overload.rate("answered", 62)).toBeGreaterThanOrEqual(99);
    expect(overload.seconds[60]?.answered).toBeGreaterThanOrEqual(90);
  });

  test("of a server that starts into it, with handlers that end when nobody waits for them", () => {
    const overload = simulate({
      ...tenPlaces,
      seconds: 20,
      isPolite: true,
      callsPerSecond: () => 3 * capacity,
    });
    expect(overload.rate("answered", 3)).toBeGreaterThanOrEqual(99);
  });

  test("after calls have become faster", () => {
    const overload = simulate({
      seconds: 25,
      places: 15,
      // 75 calls per second, then 300.
      serviceMs: fromFifth(200, 50),
      callsPerSecond: (at) => (at < 5_000 ? 60 : at < 10_000 ? 240 : 900),
    });
    expect(overload.rate("answered", 12)).toBeGreaterThanOrEqual(290);
    expect(overload.limit.limit).toBeLessThanOrEqual(45);
  });

  test("of a server that starts into it", () => {
    const overload = simulate({
      ...tenPlaces,
      seconds: 30,
      callsPerSecond: () => 3 * capacity,
    });
    expect(overload.rate("answered", 6)).toBeGreaterThanOrEqual(95);
    // Without a queue to speak of.
    expect(overload.limit.limit).toBeLessThanOrEqual(40);
  });

  test("is next to nothing without a limit", () => {
    const { tolerance } = resolveAdaptiveLimit(true) ?? { tolerance: 0 };
    const limit = new AdaptiveLimit({ tolerance, minRunning: Infinity });
    const overload = new OverloadSimulation(
      {
        ...tenPlaces,
        seconds: 20,
        callsPerSecond: fromFifth(80, 3 * capacity),
      },
      limit,
    ).run();
    expect(overload.rate("refused")).toBe(0);
    expect(overload.rate("answered", 8)).toBeLessThan(10);
  });
});

describe("nothing is refused", () => {
  test("up to capacity", () => {
    const load = simulate({
      ...tenPlaces,
      seconds: 20,
      callsPerSecond: () => capacity,
    });
    expect(load.rate("refused")).toBe(0);
  });

  test("of bursts that make no call slower", () => {
    const load = simulate({
      seconds: 20,
      serviceMs: () => 100,
      callsPerSecond: (at) => (at % 5_000 < 500 ? 5_000 : 20),
    });
    expect(load.rate("refused")).toBe(0);
  });

  // Of thousands of windows some lie beyond three standard errors.
  test.each([100, 2_000])(
    "but one in 1,000 of %d calls per second of two kinds",
    (rate) => {
      const random = testRandom();
      const load = simulate({
        seconds: 20,
        serviceMs: bimodal(),
        callsPerSecond: (at) => (at < 5_000 ? 0 : rate),
        random,
      });
      expect(load.rate("refused")).toBeLessThan(rate / 1_000);
    },
  );

  test("after a time in which all calls failed at once", () => {
    const load = simulate({
      seconds: 20,
      serviceMs: () => 100,
      callsPerSecond: () => 200,
      fails: (at) => at > 5_000 && at < 10_000,
    });
    expect(load.rate("refused")).toBe(0);
  });

  test("where most callers leave early, as those of a fork", () => {
    const load = simulate({
      seconds: 20,
      serviceMs: () => 100,
      callsPerSecond: () => 200,
      leavesAfterMs: (call) => (call % 3 > 0 ? 99 : Infinity),
    });
    expect(load.rate("refused")).toBe(0);
  });

  test("where most callers wait less than calls take", () => {
    const load = simulate({
      seconds: 20,
      serviceMs: () => 100,
      callsPerSecond: () => 200,
      timeoutMs: (call, at) => (at > 5_000 && call % 3 > 0 ? 50 : 1_000),
    });
    expect(load.rate("refused")).toBe(0);
  });

  test("where callers wait hardly longer than calls take", () => {
    const load = simulate({
      seconds: 20,
      serviceMs: () => 100,
      callsPerSecond: () => 200,
      timeoutMs: () => 120,
    });
    expect(load.rate("refused")).toBe(0);
  });

  test("of many calls, when few have shown that they take longer now", () => {
    const load = simulate({
      seconds: 60,
      serviceMs: (at) => (at < 5_000 ? 100 : at < 50_000 ? 180 : 300),
      callsPerSecond: (at) => (at < 50_000 ? 5 : 100),
    });
    expect(load.rate("refused")).toBe(0);
  });
});

describe("a limit", () => {
  /** Overloaded up to the tenth second. */
  function overloaded(then: (at: number) => number): Scenario {
    const callsPerSecond = (at: number) =>
      at < 5_000 ? 80 : at < 10_000 ? 3 * capacity : then(at);
    return { ...tenPlaces, seconds: 20, callsPerSecond };
  }

  test("is of the size of the capacity", () => {
    const callsPerSecond = fromFifth(80, 3 * capacity);
    const { limit } = simulate({ ...tenPlaces, seconds: 20, callsPerSecond });
    expect(limit.limit).toBeGreaterThanOrEqual(10);
    expect(limit.limit).toBeLessThanOrEqual(30);
    expect(limit.refusals).toBeGreaterThan(2_000);
  });

  test("is gone soon after the overload", () => {
    const { limit, seconds } = simulate(overloaded(() => 60));
    expect(limit.limit).toBe(Infinity);
    expect(seconds.slice(11).every(({ refused }) => refused === 0)).toBe(true);
  });

  test("is gone when nothing runs any more, and a burst has room", () => {
    const after = (at: number) => (at < 15_000 ? 0 : at < 15_050 ? 2_000 : 0);
    const { seconds } = simulate(overloaded(after));
    expect(seconds[15]?.refused).toBe(0);
    expect(seconds[15]?.answered).toBeGreaterThan(50);
  });

  test.each([1_000, 5_000])(
    "goes when calls take longer, and that is no queue; callers wait %d ms",
    (waitMs) => {
      const load = simulate({
        seconds: 25,
        serviceMs: fromFifth(50, 500),
        timeoutMs: () => waitMs,
        callsPerSecond: () => 200,
      });
      expect(load.rate("refused", 5, 10)).toBeGreaterThan(0);
      expect(load.rate("refused", 16)).toBe(0);
    },
  );

  test.each([1, 50])("goes also where most calls fail, in %d ms", (failMs) => {
    const random = testRandom();
    const load = simulate({
      seconds: 40,
      failMs,
      serviceMs: (at) => (at > 5_000 && at < 7_000 ? 7_050 - at : 50),
      callsPerSecond: () => 200,
      fails: (at) => at > 7_000 && random() < 0.8,
    });
    expect(load.rate("refused", 6, 7)).toBeGreaterThan(0);
    expect(load.rate("refused", 30)).toBe(0);
  });

  test("follows a dependency that gets slow, and fast again", () => {
    const load = simulate({
      places: 10,
      seconds: 30,
      serviceMs: (at) => (at > 5_000 && at < 20_000 ? 400 : 100),
      callsPerSecond: () => 80,
    });
    // A quarter of the capacity is there.
    expect(load.rate("answered", 10, 20)).toBeGreaterThanOrEqual(0.7 * 25);
    expect(load.rate("answered", 24)).toBe(80);
    expect(load.rate("refused", 24)).toBe(0);
  });

  test("follows a dependency that hangs, and goes on", () => {
    const load = simulate({
      seconds: 20,
      serviceMs: (at) => (at > 5_000 && at < 10_000 ? 10_050 - at : 50),
      callsPerSecond: () => 200,
    });
    // Few are tried, the others told at once.
    expect(load.rate("refused", 6, 10)).toBeGreaterThan(180);
    expect(load.rate("answered", 12)).toBeGreaterThanOrEqual(199);
  });

  test("is not raised by slow calls, however many handlers end that were late", () => {
    const limit = new AdaptiveLimit({ tolerance: 2, minRunning: 4 });
    // One stays, so that there is no moment without any.
    limit.enter(0);
    for (let at = 0; at < 2_000; at += 10) limit.enter(at).end(at + 10, false);
    const late = Array.from({ length: 300 }, () => limit.enter(2_000, 1_000));
    for (const place of late) place.giveUp(3_000);
    expect(limit.limit).toBe(4);
    const slow = Array.from({ length: 5 }, () => limit.enter(3_010));
    for (const place of late) place.end(3_500, false);
    for (const place of slow) place.end(4_010, false);
    expect(limit.limit).toBe(4);
  });

  test("leaves places for calls that somebody waits for, whatever handlers never end", () => {
    const limit = new AdaptiveLimit({ tolerance: 2, minRunning: 4 });
    let at = 0;
    const serve = (latencyMs: number) => {
      const place = limit.enter(at, 1_000);
      place.end(at + latencyMs, false);
      at += 10;
    };
    // One stays, so that there is no moment without any.
    limit.enter(at);
    for (let call = 0; call < 100; call++) serve(10);
    for (let call = 0; call < 100; call++) {
      if (!limit.admit()) break;
      const place = limit.enter(at, 1_000);
      at += 10;
      place.giveUp(at + 990);
    }
    expect(limit.limit).toBe(4);
    const admitted: boolean[] = [];
    for (let call = 0; call < 4; call++) {
      const isAdmitted = limit.admit();
      admitted.push(isAdmitted);
      if (isAdmitted) limit.enter(at);
    }
    expect(admitted).toEqual([true, true, true, false]);
  });
});

test("what a user asks for", () => {
  expect(resolveAdaptiveLimit(undefined)).toBeUndefined();
  expect(resolveAdaptiveLimit(false)).toBeUndefined();
  const defaults = { tolerance: 2, minRunning: 4 };
  expect(resolveAdaptiveLimit(true)).toEqual(defaults);
  expect(resolveAdaptiveLimit({})).toEqual(defaults);
  const given = { tolerance: 3, minRunning: 1 };
  expect(resolveAdaptiveLimit(given)).toEqual(given);
  for (const flaw of [0.5, 0, -1, NaN, "2"]) {
    for (const name of ["tolerance", "minRunning"]) {
      expect(() => resolveAdaptiveLimit({ [name]: flaw })).toThrow(
        expect.objectContaining({ code: "invalid_argument" }),
      );
    }
  }
});
