import { expect, test } from "bun:test";
import { WeightedPicker } from "../../src/balance/weighted.ts";
import { type Random, randomIndex } from "../../src/base/random.ts";
import type { Endpoint } from "../../src/discovery/discovery.ts";
import { testRandom } from "../support/seed.ts";
import { call, endpoints, listOf, picks, server, shares } from "./endpoints.ts";

/** Draws a first credit of 0. */
const middle: Random = () => 0.5;

function letters(addresses: readonly string[]): string {
  return addresses.map((address) => address.slice(4, 5)).join("");
}

test("a server's turns are spread among the others'", () => {
  const list = listOf([
    server("a", { weight: 5 }),
    server("b", { weight: 1 }),
    server("c", { weight: 1 }),
  ]);
  const picker = new WeightedPicker(middle);
  expect(letters(picks(picker, list, 7))).toBe("aabacaa");
});

test("what is not told, or makes no sense, counts as weight 1 and load 0", () => {
  for (const told of [
    {},
    { weight: 0 },
    { weight: -3 },
    { weight: Number.NaN },
    { load: -1 },
    { load: Number.NaN },
    { load: Number.NEGATIVE_INFINITY },
  ]) {
    const list = listOf([server("a", told), server("b"), server("c")]);
    const counts = shares(picks(new WeightedPicker(middle), list, 300));
    expect([...counts.values()]).toEqual([100, 100, 100]);
  }
});

test("a weight beyond all measure leaves the others theirs", () => {
  for (const weight of [1e308, Infinity]) {
    const list = listOf([
      server("a", { weight }),
      server("b", { weight }),
      server("c", { weight: 1_000_000 }),
    ]);
    const counts = shares(picks(new WeightedPicker(middle), list, 300));
    expect([...counts.values()]).toEqual([100, 100, 100]);
  }
});

test("load takes from the weight, and nobody starves", () => {
  const list = listOf([
    server("a", { weight: 2, load: 0.5 }),
    server("b", { weight: 1 }),
    server("c", { weight: 1, load: 1 }),
    server("d", { weight: 1, load: 7 }),
  ]);
  const counts = shares(picks(new WeightedPicker(testRandom()), list, 21_000));
  const expected = { a: 10_000, b: 10_000, c: 500, d: 500 };
  for (const [name, count] of Object.entries(expected)) {
    const off = (counts.get(`tcp@${name}:1`) ?? 0) - count;
    expect(Math.abs(off)).toBeLessThanOrEqual(2);
  }
});

test("after any number of picks no server is more than two off its share", () => {
  const random = testRandom();
  for (let round = 0; round < 50; round++) {
    const servers = Array.from(
      { length: 1 + randomIndex(20, random) },
      (_, at) =>
        server(`s${at}`, {
          weight: Math.exp(6 * random() - 3),
          load: random(),
        }),
    );
    const list = listOf(servers);
    const weights = list.map(
      ({ weight = 1, load = 0 }) => weight * Math.max(1 - load, 0.05),
    );
    const whole = weights.reduce((sum, weight) => sum + weight);
    const counts = new Map(list.map((endpoint) => [endpoint, 0]));
    const picker = new WeightedPicker(random);
    for (let count = 1; count <= 300; count++) {
      const picked = picker.pick(list, call);
      counts.set(picked, (counts.get(picked) ?? 0) + 1);
      const off = list.map((endpoint, at) =>
        Math.abs(
          (counts.get(endpoint) as number) -
            (count * (weights[at] as number)) / whole,
        ),
      );
      expect(Math.max(...off)).toBeLessThan(2);
    }
  }
});

test("a server that comes or goes takes nothing from the turns of those that stay", () => {
  const random = testRandom();
  const picker = new WeightedPicker(random);
  const counts = new Map([
    ["tcp@b:1", 0],
    ["tcp@d:1", 0],
    ["tcp@f:1", 0],
  ]);
  for (let count = 0; count < 1_000; count++) {
    const visitors = ["a", "c", "e", "g"].filter(() => random() < 0.5);
    const list = endpoints("b", "d", "f", ...visitors);
    const { address } = picker.pick(list, call);
    const picked = counts.get(address);
    if (picked !== undefined) counts.set(address, picked + 1);
    const values = [...counts.values()];
    expect(Math.max(...values) - Math.min(...values)).toBeLessThan(4);
  }
  expect(Math.min(...counts.values())).toBeGreaterThan(100);
});

test("a server that is tried in vain has had its turn", () => {
  const picker = new WeightedPicker(testRandom());
  const list = endpoints("a", "b");
  const firsts = Array.from({ length: 10 }, () => {
    const first = picker.pick(list, call);
    const left = list.filter((endpoint) => endpoint !== first);
    expect(picker.pick(left, call)).toBe(left[0] as Endpoint);
    return first.address;
  });
  expect([...shares(firsts).values()]).toEqual([5, 5]);
});

test("a new weight counts at once, and old credit is worth the picks that it was", () => {
  const picker = new WeightedPicker(middle);
  const heavy = listOf([
    server("a", { weight: 1_000_000 }),
    server("b", { weight: 1_000_000 }),
  ]);
  expect(letters(picks(picker, heavy, 1))).toBe("a");
  const light = listOf([server("a", { weight: 3 }), server("b")]);
  const counts = shares(picks(picker, light, 40));
  expect(Math.abs((counts.get("tcp@a:1") ?? 0) - 30)).toBeLessThanOrEqual(1);
});

test("a server that comes is neither owed turns nor owes any", () => {
  const picker = new WeightedPicker(middle);
  picks(picker, endpoints("a"), 3);
  expect(letters(picks(picker, endpoints("a", "b"), 4))).toBe("abab");
});

test("weights are looked at once for each array", () => {
  let looks = 0;
  const list = Object.freeze([
    {
      ...server("a"),
      get weight() {
        looks++;
        return 1;
      },
    },
  ]);
  const picker = new WeightedPicker(middle);
  picks(picker, list, 5);
  expect(looks).toBe(1);
});

test("methods called in turns are each spread over all servers", () => {
  const picker = new WeightedPicker(testRandom());
  const list = endpoints("a", "b");
  const dear = Array.from({ length: 10 }, () => {
    picker.pick(list, { serviceMethod: "Foo.Cheap" });
    return picker.pick(list, call).address;
  });
  expect([...shares(dear).values()]).toEqual([5, 5]);
});

test("clients that start together do not march together", () => {
  const random = testRandom();
  const list = endpoints("a", "b", "c", "d");
  const firsts = Array.from(
    { length: 200 },
    () => new WeightedPicker(random).pick(list, call).address,
  );
  expect(shares(firsts).size).toBe(4);
});

test("servers that are no longer listed are forgotten, the others not", () => {
  let draws = 0;
  const picker = new WeightedPicker(() => {
    draws++;
    return 0.5;
  });
  const both = () => endpoints("a", "b");
  picker.pick(both(), call);
  expect(draws).toBe(2);
  picker.pick(both(), call);
  expect(draws).toBe(2);
  picker.retain(new Set(["tcp@a:1"]));
  picker.pick(both(), call);
  expect(draws).toBe(3);
});

test("more methods than there are places for are picked for, too", () => {
  let draws = 0;
  const picker = new WeightedPicker(() => {
    draws++;
    return 0.5;
  });
  const list = endpoints("a");
  for (let method = 0; method <= 1_024; method++) {
    picker.pick(list, { serviceMethod: `Foo.m${method}` });
  }
  expect(draws).toBe(1_025);
  picker.pick(list, { serviceMethod: "Foo.m1024" });
  picker.pick(list, { serviceMethod: "Foo.m1" });
  expect(draws).toBe(1_025);
  picker.pick(list, { serviceMethod: "Foo.m0" });
  expect(draws).toBe(1_026);
});
