import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { randomIndex } from "../../src/base/random.ts";
import { RpcError } from "../../src/errors.ts";
import type { RpcEvent } from "../../src/events.ts";
import type { Interceptor } from "../../src/service/interceptor.ts";
import type { Direction, ProxiedConnection } from "../support/fault-proxy.ts";
import { testRandom } from "../support/seed.ts";
import { FaultFleet, nothingWrong, type Verdict } from "./fault-fleet.ts";
import { randomFaults } from "./random-faults.ts";

setDefaultTimeout(60_000);

const inFlight = 16;

function countOf(events: readonly RpcEvent[], kind: RpcEvent["kind"]): number {
  return events.filter((event) => event.kind === kind).length;
}

describe("the ledgers find", () => {
  const wrongs: Record<string, [Interceptor, Partial<Verdict>]> = {
    "what is executed twice": [
      async (call, next) => {
        await next(call);
        return next(call);
      },
      { executedTwice: ["call 1"] },
    ],
    "an answer that nobody gave": [
      async ({ args }) => (args as { id: string }).id,
      { answeredUnexecuted: ["call 1"] },
    ],
    "what was executed and is said not to be sent": [
      async (call, next) => {
        await next(call);
        throw new RpcError("unavailable", "lost", { sent: false });
      },
      { executedUnsent: ["call 1"] },
    ],
    "a failure that does not tell whether it was sent": [
      async () => {
        throw new RpcError("unavailable", "lost");
      },
      { illFailed: ["call 1"] },
    ],
  };
  for (const [name, [interceptor, found]] of Object.entries(wrongs)) {
    test(name, async () => {
      const interceptors = [interceptor];
      await using fleet = await FaultFleet.open(2, { interceptors });
      await fleet.call();
      expect(await fleet.settled()).toMatchObject({
        ...nothingWrong,
        ...found,
      });
    });
  }
});

test("without a fault no call fails, and both servers have some", async () => {
  await using fleet = await FaultFleet.open();
  await fleet.run(500, inFlight, () => 1);
  for (const { connections } of fleet.proxies)
    expect(connections).toHaveLength(1);
  expect(await fleet.settled()).toEqual({
    ...nothingWrong,
    answered: 500,
    failed: 0,
  });
  expect(countOf(fleet.clientEvents, "connected")).toBe(2);
  expect(countOf(fleet.serverEvents, "connection-cut")).toBe(0);
});

test("sliced into bytes, all of it arrives", async () => {
  await using fleet = await FaultFleet.open();
  for (const proxy of fleet.proxies) proxy.set({ sliceBytes: 1 });
  await fleet.run(200, inFlight, () => 0);
  expect(await fleet.settled()).toEqual({
    ...nothingWrong,
    answered: 200,
    failed: 0,
  });
});

/** What ends a connection, of which no more is lost than what is in flight there. */
const endings: Record<string, (connection: ProxiedConnection) => void> = {
  "a reset": (connection) => connection.reset(),
  "a half-close towards the server": (connection) => connection.halfClose("up"),
  "a half-close towards the client": (connection) =>
    connection.halfClose("down"),
};

for (const [name, end] of Object.entries(endings)) {
  test(`${name}, 20 times: the calls there fail, and the others go on`, async () => {
    await using fleet = await FaultFleet.open();
    const random = testRandom();
    const ended = new Set<ProxiedConnection>();
    await fleet.run(2_000, inFlight, (number) => {
      const live = fleet.connections.filter((one) => !ended.has(one));
      const chosen = live[randomIndex(live.length, random)];
      if (number % 100 === 50 && chosen !== undefined) {
        ended.add(chosen);
        end(chosen);
      }
      return randomIndex(4, random);
    });
    expect(ended.size).toBeGreaterThan(10);
    const verdict = await fleet.settled();

    expect(verdict).toMatchObject(nothingWrong);
    expect(verdict.answered + verdict.failed).toBe(2_000);
    expect(verdict.failed).toBeLessThanOrEqual(ended.size * inFlight);
    const lost =
      countOf(fleet.clientEvents, "disconnected") +
      countOf(fleet.clientEvents, "dial-failed");
    expect(lost).toBeGreaterThanOrEqual(ended.size);
  });
}

describe("silence", () => {
  const ways: [string, Direction | undefined][] = [
    ["both ways", undefined],
    ["towards the server", "up"],
    ["towards the client", "down"],
  ];
  for (const [name, direction] of ways) {
    test(`${name}: it is found, what was in flight fails as sent, and the others go on`, async () => {
      await using fleet = await FaultFleet.open();
      let silent: ProxiedConnection | undefined;
      await fleet.run(1_000, inFlight, (number) => {
        if (number === 500) {
          silent = fleet.connections[0];
          silent?.set({ isSilent: true }, direction);
        }
        return 1;
      });
      expect(silent).toBeDefined();
      // Either end may find it first, and its reset tells the other.
      const cuts = [...fleet.clientEvents, ...fleet.serverEvents];
      expect(countOf(cuts, "connection-cut")).toBeGreaterThan(0);
      expect(countOf(fleet.clientEvents, "disconnected")).toBe(1);
      const verdict = await fleet.settled();

      expect(verdict).toMatchObject(nothingWrong);
      expect(verdict.answered + verdict.failed).toBe(1_000);
      expect(verdict.failed).toBeGreaterThan(0);
      expect(verdict.failed).toBeLessThanOrEqual(inFlight);
    });
  }
});

test("faults of all kinds at random, seeded", async () => {
  const { verdict, disturbances } = await randomFaults(testRandom(), 800);
  expect(verdict).toMatchObject(nothingWrong);
  expect(verdict.answered + verdict.failed).toBe(800);
  expect(verdict.failed).toBeLessThanOrEqual(disturbances * inFlight);
});
