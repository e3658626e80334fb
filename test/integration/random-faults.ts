import { type Random, randomIndex } from "../../src/base/random.ts";
import type { Direction, ProxiedConnection } from "../support/fault-proxy.ts";
import { FaultFleet, type Verdict } from "./fault-fleet.ts";

const inFlight = 16;
/** Calls from one disturbance to the next. */
const period = 40;

type Disturb = (connection: ProxiedConnection, random: Random) => void;

const disturbs: readonly Disturb[] = [
  (connection) => connection.reset(),
  (connection, random) => connection.halfClose(wayOf(random)),
  (connection, random) => connection.set({ isSilent: true }, wayOf(random)),
  (connection) => connection.set({ isSilent: true }),
  (connection, random) =>
    connection.set({ sliceBytes: 1 + randomIndex(64, random) }, wayOf(random)),
  (connection, random) =>
    connection.set({ latencyMs: randomIndex(20, random) }, wayOf(random)),
  (connection) => connection.set({ bytesPerSecond: 64 * 1024 }),
  (connection) =>
    connection.set({
      isSilent: false,
      sliceBytes: Infinity,
      latencyMs: 0,
      bytesPerSecond: Infinity,
    }),
];

/**
 * Makes `count` calls to two servers while their connections suffer from
 * faults that `random` chooses: what a short test and a long soak have in
 * common.
 */
export async function randomFaults(
  random: Random,
  count: number,
): Promise<{ verdict: Verdict; disturbances: number }> {
  await using fleet = await FaultFleet.open();
  let disturbances = 0;
  await fleet.run(count, inFlight, (number) => {
    const { connections } = fleet;
    const connection = connections[randomIndex(connections.length, random)];
    if (number % period === 0 && connection !== undefined) {
      disturbances++;
      disturbs[randomIndex(disturbs.length, random)]?.(connection, random);
    }
    return randomIndex(4, random);
  });
  return { verdict: await fleet.settled(), disturbances };
}

function wayOf(random: Random): Direction {
  return random() < 0.5 ? "up" : "down";
}
