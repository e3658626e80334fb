import { expect, test } from "bun:test";
import { LeastLoadedPicker } from "../../src/balance/least-loaded.ts";
import { RandomPicker } from "../../src/balance/random.ts";
import { RoundRobinPicker } from "../../src/balance/round-robin.ts";
import { WeightedPicker } from "../../src/balance/weighted.ts";
import { ZonePicker } from "../../src/balance/zone.ts";
import type { Endpoint } from "../../src/discovery/discovery.ts";
import { testRandom } from "../support/seed.ts";
import { call, endpoints, listOf, server } from "./endpoints.ts";

const east = ["a", "b", "c", "d", "e"].map((name) =>
  server(name, { zone: "east" }),
);
const west = ["k", "l", "m"].map((name) => server(name, { zone: "west" }));

function roundRobin(zone: string | undefined): ZonePicker {
  const random = testRandom();
  return new ZonePicker(random, zone, () => new RoundRobinPicker(random));
}

/** How often each server is picked while `up` of `listed` are up. */
function counted(
  picker: ZonePicker,
  up: readonly Endpoint[],
  listed: readonly Endpoint[] | undefined,
  count: number,
): Map<Endpoint, number> {
  const counts = new Map<Endpoint, number>();
  for (let pick = 0; pick < count; pick++) {
    const endpoint = picker.pick(up, { ...call, listed });
    counts.set(endpoint, (counts.get(endpoint) ?? 0) + 1);
  }
  return counts;
}

function sum(
  counts: ReadonlyMap<Endpoint, number>,
  of: readonly Endpoint[],
): number {
  return of.reduce((all, one) => all + (counts.get(one) ?? 0), 0);
}

test("the caller's zone gets all, evenly", () => {
  const list = listOf([...east, ...west]);
  const counts = counted(roundRobin("west"), list, list, 300);
  expect(west.map((endpoint) => counts.get(endpoint))).toEqual([100, 100, 100]);
  expect(counts.size).toBe(3);
});

test("a list of which no more is told counts as all that there are", () => {
  const up = listOf([...east, west[0] as Endpoint]);
  const counts = counted(roundRobin("west"), up, undefined, 100);
  expect(counts.get(west[0] as Endpoint)).toBe(100);
});

// How many of five are up, and the part of the calls that they then get.
for (const [upCount, part] of [
  [5, 1],
  [4, 1],
  [3, 0.84],
  [2, 0.56],
  [1, 0.28],
  [0, 0],
] as const) {
  test(`${upCount} of five servers up get ${part} of the zone's calls`, () => {
    const listed = listOf([...east, ...west]);
    const own = east.slice(0, upCount);
    const up = listOf([...own, ...west]);
    const counts = counted(roundRobin("east"), up, listed, 10_000);
    const got = sum(counts, own);
    if (part === 0 || part === 1) expect(got).toBe(10_000 * part);
    // Six standard deviations.
    else expect(Math.abs(got - 10_000 * part)).toBeLessThan(300);
    for (const some of [own, west]) {
      const each = some.map((endpoint) => counts.get(endpoint) ?? 0);
      if (each.length > 0) {
        expect(Math.max(...each) - Math.min(...each)).toBeLessThan(2);
      }
    }
  });
}

test("a single server of another zone takes what a short zone leaves", () => {
  const [own, other] = [east.slice(0, 1), west.slice(0, 1)];
  const listed = listOf([...east, ...other]);
  const up = listOf([...own, ...other]);
  const counts = counted(roundRobin("east"), up, listed, 10_000);
  expect(Math.abs(sum(counts, other) - 7_200)).toBeLessThan(300);
});

test("the inner pickers see one array for one array", () => {
  const seen = new Set<readonly Endpoint[]>();
  const picker = new ZonePicker(testRandom(), "east", () => ({
    pick(list) {
      seen.add(list);
      return list[0] as Endpoint;
    },
  }));
  const list = listOf([...east, ...west]);
  picker.pick(list, call);
  picker.pick(list, call);
  expect([...seen]).toEqual([east]);
});

test("where nobody else is up a short zone keeps its calls", () => {
  const listed = listOf([...east, ...west]);
  const up = listOf(east.slice(0, 1));
  expect(counted(roundRobin("east"), up, listed, 100).size).toBe(1);
});

test("no draw while the zone is not short", () => {
  let draws = 0;
  const random = () => {
    draws++;
    return 0.99;
  };
  const inside = () => new WeightedPicker(() => 0.5);
  const picker = new ZonePicker(random, "east", inside);
  const list = listOf([...east, ...west]);
  picker.pick(list, { ...call, listed: list });
  expect(draws).toBe(0);
  const up = list.filter(({ zone }) => zone === "west" || zone === undefined);
  picker.pick(up, { ...call, listed: list });
  expect(draws).toBe(0);
  picker.pick([east[0] as Endpoint, ...west], { ...call, listed: list });
  expect(draws).toBe(1);
});

test("without a zone of the caller's or the servers' all are one", () => {
  const zoned = listOf([...east, ...west]);
  expect(counted(roundRobin(undefined), zoned, zoned, 80).size).toBe(8);
  expect(counted(roundRobin("north"), zoned, zoned, 80).size).toBe(8);
  const plain = endpoints("a", "b", "c");
  expect(counted(roundRobin("east"), plain, plain, 30).size).toBe(3);
  expect(counted(roundRobin(undefined), plain, plain, 30).size).toBe(3);
});

test("what becomes of a call is told to the picker that chose", () => {
  const random = testRandom();
  const picker = new ZonePicker(
    random,
    "east",
    () => new LeastLoadedPicker(random),
  );
  const [a, b] = east as [Endpoint, Endpoint];
  const [k, l] = west as [Endpoint, Endpoint];
  for (const [slow, fast] of [
    [a, b],
    [k, l],
  ] as const) {
    for (const endpoint of [slow, fast]) {
      picker.started?.(endpoint, 0);
      picker.ended?.(endpoint, "answered", endpoint === slow ? 200 : 5, 200);
    }
  }
  expect(counted(picker, [a, b, k, l], undefined, 50).get(b)).toBe(50);
  expect(counted(picker, [k, l], [a, b, k, l], 50).get(l)).toBe(50);
  // Forgotten in both parts: those who are unknown are tried first.
  picker.retain?.(new Set([b.address, l.address]));
  expect(counted(picker, [a, b, k, l], undefined, 50).get(a)).toBe(50);
  expect(counted(picker, [k, l], [a, b, k, l], 50).get(k)).toBe(50);
});

test("an inner picker that asks for nothing is told nothing", () => {
  const random = testRandom();
  const picker = new ZonePicker(random, "east", () => new RandomPicker(random));
  expect(picker.started).toBeUndefined();
  expect(picker.ended).toBeUndefined();
  expect(picker.retain).toBeUndefined();
});
