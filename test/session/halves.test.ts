import { describe, expect, test } from "bun:test";
import type { RequestHead } from "../../src/codec/codec.ts";
import { RpcError } from "../../src/errors.ts";
import { silentPeer } from "../../src/service/silent-peer.ts";
import { Services } from "../../src/service/services.ts";
import { Callee, type CalleeOwner } from "../../src/session/callee.ts";
import { Caller } from "../../src/session/caller.ts";
import { Flow } from "../../src/session/flow.ts";
import type { Sender } from "../../src/session/sender.ts";
import { defaultLimits } from "../../src/wire/limits.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { headOf, StartedCall } from "./two-ends.ts";

/** A sender that says how full it is, and flushes inside each message, as one of 4 KiB does. */
class FlushingSender {
  readonly sent: number[] = [];
  /** What each request said is left of its time. */
  readonly timeoutsMs: number[] = [];
  isCongested = false;
  canCancel = true;
  isFlooded = false;
  /** Messages from now on until it is congested again. */
  room = Infinity;
  flushed: () => void = () => {};

  request({ seq, timeoutMs }: RequestHead): number {
    this.timeoutsMs.push(timeoutMs);
    this.#send(seq);
    return seq;
  }

  response(seq: number): void {
    this.#send(seq);
  }

  cancel(): void {}

  hasTaken(): boolean {
    return true;
  }

  get flow(): Flow {
    return new Flow(this.asSender(), defaultLimits);
  }

  asSender(): Sender {
    return this as unknown as Sender;
  }

  #send(seq: number): void {
    this.sent.push(seq);
    this.isCongested = --this.room <= 0;
    this.flushed();
  }
}

/** More than the stack holds, if each were sent inside the flush of the one before. */
const many = 100_000;

function counted(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at + 1);
}

describe("the caller's half", () => {
  function setUp() {
    const sender = new FlushingSender();
    const caller = new Caller(
      sender.asSender(),
      sender.flow,
      new ManualClock(),
    );
    sender.flushed = () => caller.sendWaiting();
    const start = (count: number) => {
      for (let at = 0; at < count; at++) {
        const call = new StartedCall("Foo.echo", at, 0, undefined);
        caller.start(call.pending);
      }
    };
    return { sender, caller, start };
  }

  test("however many calls waited, they are sent in order, one flush after the other", () => {
    const { sender, caller, start } = setUp();
    sender.isCongested = true;
    start(many);
    expect(sender.sent).toEqual([]);
    sender.isCongested = false;
    caller.sendWaiting();
    expect(sender.sent).toEqual(counted(many));
  });

  test("only as many as there is room for; a new one waits behind them", () => {
    const { sender, caller, start } = setUp();
    sender.isCongested = true;
    start(5);
    sender.isCongested = false;
    sender.room = 2;
    caller.sendWaiting();
    expect(sender.sent).toEqual([1, 2]);
    sender.isCongested = false;
    sender.room = Infinity;
    start(1);
    expect(sender.sent).toEqual([1, 2]);
    caller.sendWaiting();
    expect(sender.sent).toEqual([1, 2, 3, 4, 5, 6]);
  });
});

test("a call whose turn comes at its deadline does not get all the time there is", async () => {
  const sender = new FlushingSender();
  const clock = new ManualClock();
  const caller = new Caller(sender.asSender(), sender.flow, clock);
  sender.isCongested = true;
  clock.after(10, () => {
    sender.isCongested = false;
    caller.sendWaiting();
  });
  caller.start(new StartedCall("Foo.echo", 1, 10, undefined).pending);
  await clock.advance(10);
  expect(sender.timeoutsMs).toEqual([1]);
});

describe("the callee's half", () => {
  function setUp() {
    const sender = new FlushingSender();
    const paused: boolean[] = [];
    let settledCount = 0;
    const services = new Services();
    const activeCounts: number[] = [];
    const echo = (args: unknown) => {
      activeCounts.push(callee.activeCount);
      return args;
    };
    const wait = () => new Promise<never>(() => {});
    services.register({ echo, wait }, "Foo");
    const owner: CalleeOwner = {
      flooded() {},
      setPaused: (isPaused) => void paused.push(isPaused),
      settled: () => void settledCount++,
    };
    const callee = new Callee(sender.asSender(), sender.flow, owner, {
      services,
      clock: new ManualClock(),
      handleTimeoutMs: 0,
      maxRunning: 10,
      onEvent() {},
      peer: silentPeer("here"),
      interceptors: [],
      maxStreams: 10,
      yieldsToCongestion: true,
    });
    sender.flushed = () => callee.resume();
    const read = (count: number) => {
      for (let seq = 1; seq <= count; seq++) {
        callee.request(headOf(seq, "echo"), seq);
      }
      callee.advance();
    };
    return {
      sender,
      callee,
      paused,
      activeCounts,
      read,
      settledCount: () => settledCount,
    };
  }

  test("holds no arguments once the connection has ended", () => {
    const { callee, sender } = setUp();
    callee.request({ ...headOf(1, "wait"), argumentBytes: 20_000 }, 1);
    callee.advance();
    sender.isCongested = true;
    callee.request({ ...headOf(2, "echo"), argumentBytes: 30_000 }, 2);
    callee.advance();
    expect(callee.heldArgumentBytes).toBe(50_000);
    expect(callee.waitingArgumentBytes).toBe(30_000);
    callee.end(new RpcError("unavailable", "gone"));
    expect(callee.heldArgumentBytes).toBe(0);
    expect(callee.waitingArgumentBytes).toBe(0);
  });

  for (const turn of ["resume", "advance"] as const) {
    test(`however many requests waited, they are served in order, also where a flush leads to ${turn}`, () => {
      const { sender, callee, paused, read, settledCount } = setUp();
      sender.flushed = () => callee[turn]();
      sender.isCongested = true;
      read(many);
      expect(sender.sent).toEqual([]);
      expect(paused).toEqual([true]);
      sender.isCongested = false;
      callee.resume();
      expect(sender.sent).toEqual(counted(many));
      expect(paused).toEqual([true, false]);
      // Once, when all of them have been answered.
      expect(settledCount()).toBe(1);
    });
  }

  test("one that is just being started is active", () => {
    const { callee, activeCounts, read } = setUp();
    read(2);
    expect(activeCounts).toEqual([2, 1]);
    expect(callee.activeCount).toBe(0);
  });

  test("only as many as there is room for", () => {
    const { sender, callee, paused, read } = setUp();
    sender.room = 2;
    read(5);
    expect(sender.sent).toEqual([1, 2]);
    expect(callee.activeCount).toBe(3);
    expect(paused).toEqual([true]);
    sender.isCongested = false;
    sender.room = 2;
    callee.resume();
    expect(sender.sent).toEqual([1, 2, 3, 4]);
    expect(paused).toEqual([true]);
  });

  test("cancels while requests wait take back those, and leave nothing behind", () => {
    const { sender, callee, read } = setUp();
    sender.isCongested = true;
    read(3);
    callee.cancel(2);
    callee.cancel(9);
    sender.isCongested = false;
    callee.resume();
    expect(sender.sent).toEqual([1, 3]);
    callee.request(headOf(9, "echo"), 9);
    callee.advance();
    expect(sender.sent).toEqual([1, 3, 9]);
  });

  test("after the end nothing starts and nothing is paused", () => {
    const { sender, callee, paused, read } = setUp();
    sender.isCongested = true;
    read(3);
    callee.end(new RpcError("unavailable", "gone"));
    sender.isCongested = false;
    callee.resume();
    callee.request(headOf(4, "echo"), 4);
    callee.advance();
    expect(sender.sent).toEqual([]);
    expect(paused).toEqual([true]);
  });
});
