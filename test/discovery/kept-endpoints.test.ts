import { expect, test } from "bun:test";
import type { Endpoint } from "../../src/discovery/discovery.ts";
import { KeptEndpoints } from "../../src/discovery/kept-endpoints.ts";

const endpoint = (name: string): Endpoint => ({
  address: `tcp@${name}:1`,
  services: undefined,
});
const [a, b, c] = ["a", "b", "c"].map(endpoint) as [
  Endpoint,
  Endpoint,
  Endpoint,
];
const list = (revision: string | undefined, fillingForMs: number) => ({
  endpoints: [],
  revision,
  fillingForMs,
});

test("who was known before the registry began stays until it lists them or has had its time", () => {
  const kept = new KeptEndpoints();
  kept.begin(list("e.0", 0), [], 0);
  expect(kept.until).toBe(Infinity);
  kept.begin(list("f.0", 10_000), [a, b], 1_000);
  expect(kept.until).toBe(11_000);
  expect(kept.with([c], 1_000)).toEqual([a, b, c]);
  expect(kept.with([a, c], 2_000)).toEqual([a, b, c]);
  // From now on a is the registry's to say.
  expect(kept.with([c], 3_000)).toEqual([b, c]);
  kept.begin(list("f.7", 1_000), [b, c], 10_000);
  expect(kept.with([c], 10_999)).toEqual([b, c]);
  expect(kept.with([c], 11_000)).toEqual([c]);
  expect(kept.until).toBe(Infinity);
});

test("a registry that is full decides at once", () => {
  const kept = new KeptEndpoints();
  kept.begin(list("f.0", 10_000), [a], 0);
  kept.begin(list("g.0", 0), [a], 1_000);
  expect(kept.with([], 1_000)).toEqual([]);
});

test("what was learnt of a registry in its present life is not kept", () => {
  const kept = new KeptEndpoints();
  kept.begin(list("f.0", 10_000), [], 0);
  kept.begin(list("f.3", 9_000), [a], 1_000);
  expect(kept.with([b], 1_000)).toEqual([b]);
});
