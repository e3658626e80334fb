import { expect, test } from "bun:test";
import { CallLoad, type CallFunction } from "../../src/bench/call-load.ts";
import { repeated, varyingSums } from "../../src/bench/workload.ts";
import { RpcError } from "../../src/errors.ts";
import { Histogram } from "../../src/metrics/histogram.ts";
import { ManualClock } from "../support/manual-clock.ts";

type Sum = { Num1: number; Num2: number };

/** A server that answers each call after `delayMs`, and counts what is in flight. */
function fakeServer(
  clock: ManualClock,
  delayMs: number,
  answer: (args: Sum, call: number) => unknown = ({ Num1, Num2 }) =>
    Num1 + Num2,
) {
  const server = {
    calls: 0,
    inFlight: 0,
    mostInFlight: 0,
    call: ((_method, args) => {
      const call = server.calls++;
      server.inFlight++;
      server.mostInFlight = Math.max(server.mostInFlight, server.inFlight);
      return new Promise((resolve, reject) =>
        clock.after(delayMs, () => {
          server.inFlight--;
          try {
            resolve(answer(args as Sum, call));
          } catch (thrown) {
            reject(thrown);
          }
        }),
      );
    }) satisfies CallFunction,
  };
  return server;
}

test("keeps so many calls in flight, and waits for the last", async () => {
  const clock = new ManualClock();
  const server = fakeServer(clock, 10);
  const load = new CallLoad({
    calls: [server.call],
    inFlight: 8,
    workload: varyingSums(),
    clock,
  });
  const latenciesUs = new Histogram();
  const run = load.run(95, latenciesUs);
  await clock.advance(50);
  expect(server.inFlight).toBe(8);
  await clock.advance(50);
  expect(await run).toEqual({ count: 80, elapsedMs: 100 });
  expect(server.inFlight).toBe(0);
  expect(server.mostInFlight).toBe(8);
  expect(latenciesUs.count).toBe(80);
  expect(latenciesUs.quantile(0.5)).toBe(10_000);
  expect({ done: load.done, errors: load.errors }).toEqual({
    done: 80,
    errors: 0,
  });
});

test("totals add up over runs, a run's count is its own", async () => {
  const clock = new ManualClock();
  const server = fakeServer(clock, 10);
  const other = fakeServer(clock, 10);
  const load = new CallLoad({
    calls: [server.call, other.call],
    inFlight: 2,
    workload: varyingSums(),
    clock,
  });
  for (const total of [12, 24]) {
    const run = load.run(30, new Histogram());
    await clock.advance(30);
    expect((await run).count).toBe(12);
    expect(load.done).toBe(total);
  }
  expect(server.calls).toBe(12);
  expect(other.calls).toBe(12);
});

test("replies that are wrong or late for another call are errors", async () => {
  const clock = new ManualClock();
  let before = 0;
  // Answers each call with the reply of the one before.
  const server = fakeServer(clock, 10, ({ Num1, Num2 }) => {
    const reply = before;
    before = Num1 + Num2;
    return reply;
  });
  const load = new CallLoad({
    calls: [server.call],
    inFlight: 4,
    workload: varyingSums(),
    clock,
  });
  const run = load.run(20, new Histogram());
  await clock.advance(20);
  expect((await run).count).toBe(0);
  expect(load.done).toBe(8);
  expect(load.errors).toBe(8);
  expect(load.firstFailure?.at).toBe(0);
});

test("a call that fails is counted, and the next one starts", async () => {
  const clock = new ManualClock();
  const server = fakeServer(clock, 10, (_args, call) => {
    if (call % 2 === 0) throw new RpcError("not_found", "no such thing");
    return "right";
  });
  const load = new CallLoad({
    calls: [server.call],
    inFlight: 1,
    workload: repeated("Foo.Find", 1),
    clock,
  });
  const run = load.run(60, new Histogram());
  await clock.advance(60);
  expect((await run).count).toBe(3);
  expect(load.errors).toBe(3);
  expect(load.firstFailure?.reason).toStartWith("not_found");
});

test("a lost connection ends the run", async () => {
  const clock = new ManualClock();
  let calls = 0;
  const load = new CallLoad({
    calls: [
      async () => {
        calls++;
        throw new RpcError("unavailable", "lost");
      },
    ],
    inFlight: 3,
    workload: varyingSums(),
    clock,
  });
  const { count } = await load.run(1_000, new Histogram());
  expect(count).toBe(0);
  expect(calls).toBe(3);
  expect(load.errors).toBe(3);
});
