import { describe, expect, setSystemTime, test } from "bun:test";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import type { RpcEvent } from "../../src/events.ts";
import { LeaseKeeper } from "../../src/registry/lease-keeper.ts";
import { defaultLeaseLimits } from "../../src/registry/lease-table.ts";
import { ManualClock } from "../support/manual-clock.ts";

const a = { address: "tcp@10.0.0.1:1", services: undefined };
const b = { address: "tcp@10.0.0.2:1", services: ["Arith"] };

/** A clock that can also go on while nothing of the process runs. */
class StallingClock implements Clock {
  readonly #clock = new ManualClock();
  #stalledMs = 0;

  get timers(): number {
    return this.#clock.timers;
  }

  now(): number {
    return this.#clock.now() + this.#stalledMs;
  }

  after(delayMs: number, run: () => void) {
    return this.#clock.after(delayMs, run);
  }

  advance(ms: number): Promise<void> {
    return this.#clock.advance(ms);
  }

  stall(ms: number): void {
    this.#stalledMs += ms;
  }
}

function setUp<C extends Clock>(clock: C) {
  const events: RpcEvent[] = [];
  const keeper = new LeaseKeeper(
    clock,
    defaultLeaseLimits,
    (event) => void events.push(event),
  );
  const addresses = () => keeper.list().servers.map(({ address }) => address);
  return { clock, events, keeper, addresses };
}

const extended = (count: number): RpcEvent => ({
  kind: "leases-extended",
  reason: "stalled",
  count,
});

describe("a process that stood still", () => {
  test("drops nobody for a TTL after it, whoever looks first", async () => {
    const looks: ((keeper: LeaseKeeper, clock: StallingClock) => unknown)[] = [
      (keeper) => keeper.list(),
      (keeper) => keeper.leases(),
      (keeper) => keeper.get(a.address),
      (keeper) => keeper.admit(a),
      (keeper) => keeper.remove("tcp@10.0.0.9:1"),
      (keeper) => keeper.register(b, 5_000),
      (_, clock) => clock.advance(500),
    ];
    for (const look of looks) {
      const { clock, events, keeper, addresses } = setUp(new StallingClock());
      keeper.register(a, 5_000);
      keeper.register(b, 5_000);
      await clock.advance(3_000);
      clock.stall(60_000);
      await look(keeper, clock);
      expect(events).toEqual([extended(2)]);
      await clock.advance(4_499);
      expect(addresses()).toEqual([a.address, b.address]);
      await clock.advance(1_501);
      expect(addresses()).toEqual([]);
      expect(events).toHaveLength(1);
      expect(clock.timers).toBe(0);
    }
  });

  test("for a moment only gives nothing", async () => {
    const { clock, events, keeper, addresses } = setUp(new StallingClock());
    keeper.register(a, 5_000);
    await clock.advance(3_000);
    clock.stall(900);
    await clock.advance(1_100);
    expect(addresses()).toEqual([]);
    expect(events).toEqual([]);
  });

  test("twice gives twice", async () => {
    const { clock, events, keeper, addresses } = setUp(new StallingClock());
    keeper.register(a, 5_000);
    for (let times = 0; times < 2; times++) {
      clock.stall(10_000);
      expect(addresses()).toEqual([a.address]);
      await clock.advance(4_000);
    }
    expect(events).toEqual([extended(1), extended(1)]);
  });

  test("with nothing to look after is none", async () => {
    const { clock, events, keeper, addresses } = setUp(new StallingClock());
    keeper.register(a, 1_000);
    keeper.register(b, 0);
    await clock.advance(2_000);
    expect(clock.timers).toBe(0);
    clock.stall(60_000);
    expect(addresses()).toEqual([b.address]);
    keeper.register(a, 1_000);
    expect(events).toEqual([]);
    await clock.advance(2_000);
    expect(addresses()).toEqual([b.address]);
  });
});

test("where no lease can end, extending them is no event", () => {
  const { events, keeper } = setUp(new ManualClock());
  keeper.register(a, 0);
  keeper.extendAll("store-failed");
  expect(events).toEqual([]);
});

test("changes of the date do nothing", () => {
  const { events, keeper } = setUp(systemClock);
  keeper.register(a, 60_000);
  try {
    for (const date of ["2001-01-01", "2101-01-01"]) {
      setSystemTime(new Date(date));
      const [server] = keeper.list().servers;
      expect(server?.expiresInMs).toBeGreaterThan(50_000);
      expect(server?.expiresInMs).toBeLessThanOrEqual(60_000);
    }
  } finally {
    setSystemTime();
    keeper.stop();
  }
  expect(events).toEqual([]);
});

test("says for how long after its beginning servers may be missing", async () => {
  const { clock, keeper } = setUp(new ManualClock());
  expect(keeper.list().fillingForMs).toBe(15_000);
  await clock.advance(14_000);
  expect(keeper.list().fillingForMs).toBe(1_000);
  await clock.advance(1_000);
  expect(keeper.list()).not.toHaveProperty("fillingForMs");
  const { keeper: other } = setUp(clock);
  other.endFilling();
  expect(other.list()).not.toHaveProperty("fillingForMs");
});
