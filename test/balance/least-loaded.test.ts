import { describe, expect, test } from "bun:test";
import { LeastLoadedPicker } from "../../src/balance/least-loaded.ts";
import { jitter, type Random } from "../../src/base/random.ts";
import type { Endpoint } from "../../src/discovery/discovery.ts";
import { testRandom } from "../support/seed.ts";
import { call, endpoints, picks, shares } from "./endpoints.ts";
import { Simulation } from "./simulation.ts";

const servers = endpoints("a", "b", "c", "d");
const [a, b, c, d] = servers as [Endpoint, Endpoint, Endpoint, Endpoint];

/** One call from its start to its end. */
function run(
  picker: LeastLoadedPicker,
  endpoint: Endpoint,
  latencyMs: number,
  startedAt: number,
): void {
  picker.started(endpoint, startedAt);
  picker.ended(endpoint, "answered", latencyMs, startedAt + latencyMs);
}

test("draws two different servers, each pair as often", () => {
  const picker = new LeastLoadedPicker(testRandom());
  // Of any two the first in this order has the lesser load.
  servers.forEach((endpoint, index) => run(picker, endpoint, index + 1, 0));
  const counts = shares(picks(picker, servers, 6_000));
  // a is in three pairs of six, b in two without a; six standard deviations.
  for (const [endpoint, count] of [
    [a, 3_000],
    [b, 2_000],
    [c, 1_000],
    [d, 0],
  ] as const) {
    const off = (counts.get(endpoint.address) ?? 0) - count;
    expect(Math.abs(off)).toBeLessThan(235);
  }
  expect(counts.has(d.address)).toBe(false);
});

test("two draws, and none for a single endpoint", () => {
  let draws = 0;
  const picker = new LeastLoadedPicker(() => {
    draws++;
    return 0;
  });
  picker.pick([a], call);
  expect(draws).toBe(0);
  picker.pick([a, b, c], call);
  expect(draws).toBe(2);
});

test("load is the latency times the calls in flight and one more", () => {
  const picker = new LeastLoadedPicker(testRandom());
  const next = () => picker.pick([a, b], call);
  run(picker, a, 10, 0);
  run(picker, b, 25, 0);
  picker.started(a, 25);
  expect(next()).toBe(a);
  picker.started(a, 25);
  expect(next()).toBe(b);
  picker.ended(a, "local", undefined, 25);
  expect(next()).toBe(a);
});

test("where loads are equal the draw decides", () => {
  const counts = shares(
    picks(new LeastLoadedPicker(testRandom()), [a, b], 400),
  );
  for (const count of counts.values()) {
    expect(Math.abs(count - 200)).toBeLessThan(60);
  }
});

test("an unknown server is tried by one call until that is answered", () => {
  const picker = new LeastLoadedPicker(testRandom());
  const next = () => picker.pick([a, b], call);
  run(picker, a, 0.5, 0);
  for (let count = 0; count < 10; count++) expect(next()).toBe(b);
  picker.started(b, 10);
  for (let count = 0; count < 50; count++) {
    expect(next()).toBe(a);
    picker.started(a, 10);
  }
  picker.ended(b, "answered", 10, 20);
  expect(next()).toBe(b);
});

test("calls that tell no latency leave their server unknown", () => {
  const picker = new LeastLoadedPicker(testRandom());
  run(picker, a, 0.5, 0);
  picker.started(b, 10);
  picker.ended(b, "answered", undefined, 60_000);
  for (let count = 0; count < 30; count++) {
    expect(picker.pick([a, b], call)).toBe(b);
  }
});

test("latencies are told apart after days, and of days, too", () => {
  for (const [startedAt, latencyMs] of [
    [1e9, 10],
    [0, 1e8],
  ] as const) {
    const picker = new LeastLoadedPicker(testRandom());
    picker.started(a, startedAt);
    picker.started(b, startedAt);
    const now = startedAt + latencyMs;
    picker.ended(a, "answered", latencyMs, now);
    picker.ended(b, "answered", latencyMs + 10, now + 10);
    for (let count = 0; count < 10; count++) {
      expect(picker.pick([a, b], call)).toBe(a);
    }
  }
});

test("while nothing is known of any, calls in flight decide", () => {
  const picker = new LeastLoadedPicker(testRandom());
  const list = [a, b];
  const counts = shares(
    Array.from({ length: 20 }, () => {
      const endpoint = picker.pick(list, call);
      picker.started(endpoint, 0);
      return endpoint.address;
    }),
  );
  expect([...counts.values()]).toEqual([10, 10]);
});

test("a server that fails fast does not look fast", () => {
  const picker = new LeastLoadedPicker(testRandom());
  run(picker, a, 50, 0);
  picker.started(b, 50);
  picker.ended(b, "failed", 1, 51);
  expect(picker.pick([a, b], call)).toBe(a);
});

test("a call that was given up says that its server was no faster", () => {
  const picker = new LeastLoadedPicker(testRandom());
  run(picker, a, 50, 0);
  picker.started(b, 50);
  picker.ended(b, "local", 200, 250);
  expect(picker.pick([a, b], call)).toBe(a);
});

test("a server that is no longer listed is forgotten once it has no calls", () => {
  const picker = new LeastLoadedPicker(testRandom());
  const next = () => picker.pick([a, b], call);
  run(picker, a, 10, 0);
  run(picker, b, 500, 0);
  picker.started(b, 500);
  picker.retain(new Set([a.address]));
  expect(next()).toBe(a);
  picker.ended(b, "answered", 500, 1_000);
  picker.retain(new Set([a.address]));
  expect(next()).toBe(b);
});

test("the end of a call whose server was forgotten is nothing", () => {
  const picker = new LeastLoadedPicker(testRandom());
  run(picker, a, 10, 0);
  picker.ended(b, "answered", 10, 10);
  expect(picker.pick([a, b], call)).toBe(b);
});

describe("one of three servers at +200 ms", () => {
  const list = [a, b, c];
  const loads = [
    ["10 calls/s", (s: Simulation, forMs: number) => s.atRate(10, forMs)],
    ["300 calls/s", (s: Simulation, forMs: number) => s.atRate(300, forMs)],
    ["1 caller", (s: Simulation, forMs: number) => s.withCallers(1, forMs)],
    ["32 callers", (s: Simulation, forMs: number) => s.withCallers(32, forMs)],
  ] as const;

  class Fleet {
    readonly simulation: Simulation;
    extraMs = 200;

    constructor(random: Random) {
      this.simulation = new Simulation(
        new LeastLoadedPicker(random),
        list,
        (address) => ({
          afterMs:
            jitter(10, 0.5, random) +
            (address === c.address ? this.extraMs : 0),
        }),
      );
    }

    /** c's part of the calls since the last question. */
    slowPart(): number {
      const picked = this.simulation.picked.splice(0);
      return (shares(picked).get(c.address) ?? 0) / picked.length;
    }
  }

  for (const [name, load] of loads) {
    test(`from the start: at most 5 % of 5 s, ${name}`, async () => {
      const fleet = new Fleet(testRandom());
      await load(fleet.simulation, 5_000);
      expect(fleet.slowPart()).toBeLessThanOrEqual(0.05);
    });

    test(`from some time on: at most 5 % of the 5 s after it, ${name}`, async () => {
      const fleet = new Fleet(testRandom());
      fleet.extraMs = 0;
      await load(fleet.simulation, 2_000);
      expect(fleet.slowPart()).toBeGreaterThan(0.05);
      fleet.extraMs = 200;
      await load(fleet.simulation, 5_000);
      expect(fleet.slowPart()).toBeLessThanOrEqual(0.05);
    });
  }

  test("gets its part back once it is well", async () => {
    const fleet = new Fleet(testRandom());
    await fleet.simulation.atRate(100, 2_000);
    fleet.slowPart();
    fleet.extraMs = 0;
    await fleet.simulation.atRate(100, 60_000);
    fleet.slowPart();
    await fleet.simulation.atRate(100, 10_000);
    expect(fleet.slowPart()).toBeGreaterThan(0.2);
  });
});
