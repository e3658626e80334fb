import { edenGC, fullGC, heapStats } from "bun:jsc";
import { beforeEach, expect, test } from "bun:test";
import { Invocation } from "../../src/service/invocation.ts";
import { silentPeer } from "../../src/service/silent-peer.ts";
import { WaitingRequests } from "../../src/session/waiting-requests.ts";

let waiting: WaitingRequests;
beforeEach(() => {
  waiting = new WaitingRequests();
});

function push(seq: number, largeBytes?: number): Invocation {
  const peer = silentPeer("memory");
  const request = new Invocation(seq, "Foo.echo", undefined, 0, false, peer);
  waiting.push(request, largeBytes);
  return request;
}

test("those that wait leave in order, and are found until then", () => {
  const first = push(1);
  expect(waiting.get(1)).toBe(first);
  const second = push(2);
  expect(waiting.get(2)).toBe(second);
  expect(waiting.shift()).toBe(first);
  expect(waiting.get(1)).toBeUndefined();
  expect(waiting.length).toBe(1);
  expect(waiting.shift()).toBe(second);
  expect(waiting.shift()).toBeUndefined();
});

test("one that is dropped is found no more, and is over once it leaves", () => {
  const first = push(1);
  push(2);
  waiting.drop(1);
  expect(waiting.get(1)).toBeUndefined();
  waiting.shift();
  expect(waiting.takeOver(first)).toBe(true);
  expect(waiting.takeOver(first)).toBe(false);
  expect(waiting.takeOver(waiting.shift() as Invocation)).toBe(false);
});

test("what was dropped, or asked for, is forgotten once nothing waits", () => {
  push(1);
  expect(waiting.get(1)).toBeDefined();
  // It does not wait.
  waiting.drop(2);
  waiting.tidy();
  expect(waiting.get(1)).toBeDefined();
  waiting.shift();
  waiting.tidy();
  waiting.drop(2);
  const second = push(2);
  expect(waiting.get(2)).toBe(second);
  expect(waiting.takeOver(second)).toBe(false);
});

test("bytes of large arguments are counted from push() to takeLargeBytes(), also of one that is dropped", () => {
  push(1, 20_000);
  push(2);
  push(3, 30_000);
  waiting.drop(1);
  expect(waiting.largeBytes).toBe(50_000);
  const first = waiting.shift() as Invocation;
  expect(waiting.takeLargeBytes(first)).toBe(20_000);
  expect(waiting.takeLargeBytes(first)).toBe(0);
  expect(waiting.takeLargeBytes(waiting.shift() as Invocation)).toBe(0);
  expect(waiting.largeBytes).toBe(30_000);
});

test("clear() forgets all of it", () => {
  push(1, 20_000);
  waiting.drop(1);
  waiting.clear();
  expect(waiting.length).toBe(0);
  expect(waiting.largeBytes).toBe(0);
  expect(waiting.takeOver(push(1))).toBe(false);
});

test("large arguments are collected soon after they were taken out", () => {
  const chunk = () => {
    const peer = silentPeer("memory");
    for (let seq = 1; seq <= 8; seq++) {
      const args = new Float64Array(1);
      const request = new Invocation(seq, "Foo.echo", args, 0, false, peer);
      waiting.push(request, 1);
    }
    for (;;) {
      const request = waiting.shift();
      if (request === undefined) break;
      waiting.takeLargeBytes(request);
    }
    waiting.tidy();
  };
  const arrays = () => heapStats().objectTypeCounts.Float64Array ?? 0;
  for (let count = 0; count < 4; count++) chunk();
  fullGC();
  const before = arrays();
  for (let count = 0; count < 100; count++) chunk();
  edenGC();
  expect(arrays() - before).toBeLessThan(80);
});
