import { expect, test } from "bun:test";
import { EmptyDoubt } from "../../src/discovery/empty-doubt.ts";

test("believed at the second answer, 30 s after the first one", () => {
  const doubt = new EmptyDoubt();
  expect(doubt.isBelievedAt(100)).toBe(false);
  expect(doubt.isBelievedAt(30_099)).toBe(false);
  expect(doubt.isBelievedAt(30_100)).toBe(true);
});

test("the first answer is never believed", () => {
  expect(new EmptyDoubt().isBelievedAt(1e9)).toBe(false);
});

test("clear starts over", () => {
  const doubt = new EmptyDoubt();
  doubt.isBelievedAt(0);
  doubt.clear();
  expect(doubt.isBelievedAt(30_000)).toBe(false);
  expect(doubt.isBelievedAt(60_000)).toBe(true);
});
