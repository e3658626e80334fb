import { expect, test } from "bun:test";
import { CallLoad } from "../../src/bench/call-load.ts";
import { LoadBesideStream } from "../../src/bench/load-beside-stream.ts";
import { StreamLoad } from "../../src/bench/stream-load.ts";
import {
  itemsOf,
  smallItems,
  type StreamWorkload,
} from "../../src/bench/stream-workload.ts";
import { varyingSums } from "../../src/bench/workload.ts";
import { RpcError } from "../../src/errors.ts";
import { Histogram } from "../../src/metrics/histogram.ts";
import { ManualClock } from "../support/manual-clock.ts";

const workload = smallItems();

/** A server that sends an item each ms, and counts the streams that are open. */
function fakeServer(
  clock: ManualClock,
  send: () => AsyncIterable<unknown> = () => itemsOf(workload),
) {
  const server = {
    methods: [] as string[],
    open: 0,
    mostOpen: 0,
    begin: async (method: string) => {
      server.methods.push(method);
      return items();
    },
  };
  async function* items() {
    server.open++;
    server.mostOpen = Math.max(server.mostOpen, server.open);
    try {
      for await (const item of send()) {
        await new Promise<void>((resolve) => void clock.after(1, resolve));
        yield item;
      }
    } finally {
      server.open--;
    }
  }
  return server;
}

function streamLoad(
  clock: ManualClock,
  servers: ReturnType<typeof fakeServer>[],
  inFlight = 1,
): StreamLoad {
  const streams = servers.map(({ begin }) => begin);
  return new StreamLoad({ streams, inFlight, workload, clock });
}

test("reads each stream until its time is over, then gives it up", async () => {
  const clock = new ManualClock();
  const servers = [fakeServer(clock), fakeServer(clock)];
  const load = streamLoad(clock, servers, 3);
  for (const total of [6 * 32, 2 * 6 * 32]) {
    const run = load.run(20);
    await clock.advance(40);
    // Each 16th item there is a look at the clock.
    expect(await run).toEqual({ count: 6 * 32, elapsedMs: 32 });
    expect(load.done).toBe(total);
  }
  expect(load.errors).toBe(0);
  for (const server of servers) {
    expect(server.methods).toEqual(Array(6).fill(workload.method));
    expect(server.mostOpen).toBe(3);
    expect(server.open).toBe(0);
  }
});

test("an item that was lost shows from there on", async () => {
  const clock = new ManualClock();
  const server = fakeServer(clock, async function* () {
    for (const index of [0, 1, ...Array(14).keys()].map((n, at) =>
      at < 2 ? n : at + 1,
    )) {
      yield workload.itemOf(index);
    }
  });
  const load = streamLoad(clock, [server]);
  const run = load.run(10);
  await clock.advance(30);
  expect((await run).count).toBe(2);
  expect(load).toMatchObject({ done: 16, errors: 14, firstFailure: { at: 2 } });
});

test.each([
  ["ends by itself", undefined, "the stream ended"],
  ["fails", new RpcError("data_loss", "torn"), "data_loss: torn"],
])("a stream that %s is an error", async (_name, error, reason) => {
  const clock = new ManualClock();
  const server = fakeServer(clock, async function* () {
    yield workload.itemOf(0);
    if (error !== undefined) throw error;
  });
  const load = streamLoad(clock, [server]);
  const run = load.run(1_000);
  await clock.advance(10);
  expect(await run).toEqual({ count: 1, elapsedMs: 1 });
  expect(load).toMatchObject({ done: 2, errors: 1 });
  expect(load.firstFailure).toEqual({ at: 1, reason });
});

test("a stream that does not begin is an error", async () => {
  const clock = new ManualClock();
  const begin = async () => {
    throw new RpcError("unimplemented", "no such method");
  };
  const load = new StreamLoad({
    streams: [begin],
    inFlight: 2,
    workload,
    clock,
  });
  expect(await load.run(10)).toEqual({ count: 0, elapsedMs: 0 });
  expect(load).toMatchObject({ done: 2, errors: 2 });
});

/** Calls that take 2 ms each, and a stream of an item each ms. */
function besideStream(clock: ManualClock, wrong: Partial<StreamWorkload> = {}) {
  const calls = new CallLoad({
    calls: [
      (_method, args) =>
        new Promise((resolve) => {
          const { Num1, Num2 } = args as { Num1: number; Num2: number };
          clock.after(2, () => resolve(Num1 + Num2));
        }),
    ],
    inFlight: 4,
    workload: varyingSums(),
    clock,
  });
  const stream = new StreamLoad({
    streams: [fakeServer(clock).begin],
    inFlight: 1,
    workload: { ...workload, ...wrong },
    clock,
  });
  return new LoadBesideStream(calls, stream);
}

test("beside a stream the calls are counted and timed, the stream for itself", async () => {
  const clock = new ManualClock();
  const load = besideStream(clock);
  const latenciesUs = new Histogram();
  const run = load.run(32, latenciesUs);
  await clock.advance(40);
  expect(await run).toEqual({ count: 64, elapsedMs: 32 });
  expect(load).toMatchObject({ done: 64, errors: 0, firstFailure: undefined });
  expect(load.lastStream).toEqual({ count: 32, elapsedMs: 32 });
  expect(latenciesUs.count).toBe(64);
});

test("a stream that goes wrong beside right calls is an error", async () => {
  const clock = new ManualClock();
  const load = besideStream(clock, { isRight: (index) => index !== 5 });
  const run = load.run(32, new Histogram());
  await clock.advance(40);
  await run;
  expect(load).toMatchObject({ done: 64, errors: 1, firstFailure: { at: 5 } });
});
