import { expect, test } from "bun:test";
import { randomIndex } from "../../src/base/random.ts";
import { Queue } from "../../src/base/queue.ts";
import { testRandom } from "../support/seed.ts";

test("first in, first out", () => {
  const queue = new Queue<number>();
  for (const item of [1, 2, 3]) queue.push(item);
  expect(queue.length).toBe(3);
  expect(queue.peek()).toBe(1);
  expect([queue.shift(), queue.shift(), queue.shift()]).toEqual([1, 2, 3]);
  expect(queue.shift()).toBeUndefined();
  expect(queue.peek()).toBeUndefined();
  expect(queue.length).toBe(0);
});

test("iterates over what is left, oldest first; clear leaves nothing", () => {
  const queue = new Queue<string>();
  for (const item of ["a", "b", "c"]) queue.push(item);
  queue.shift();
  expect([...queue]).toEqual(["b", "c"]);
  queue.clear();
  expect([...queue]).toEqual([]);
  expect(queue.length).toBe(0);
});

test("does as an array does, through growing, shrinking and emptying", () => {
  const random = testRandom();
  const queue = new Queue<number>();
  const model: number[] = [];
  for (let round = 0; round < 40; round++) {
    const pushes = randomIndex(3_000, random);
    for (let i = 0; i < pushes; i++) {
      queue.push(i);
      model.push(i);
    }
    const shifts = randomIndex(3_500, random);
    for (let i = 0; i < shifts; i++) expect(queue.shift()).toBe(model.shift());
    expect(queue.length).toBe(model.length);
    expect(queue.peek()).toBe(model[0] as number);
  }
  expect([...queue]).toEqual(model);
});

test("an undefined item counts as one", () => {
  const queue = new Queue<undefined>();
  queue.push(undefined);
  expect(queue.length).toBe(1);
  queue.shift();
  expect(queue.length).toBe(0);
});
