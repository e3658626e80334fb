import { Client } from "../../src/client/client.ts";
import { Fleet } from "./fleet.ts";
import { type CallEntry, judge, type Verdict } from "./ledger.ts";
import { lastTried, Load } from "./load.ts";

/** Calls at a time. */
export const inFlight = 48;
/** Calls between two kills, at least. */
const period = 1_000;

export interface Kills {
  verdict: Verdict;
  /** Failures at the killed server of calls that were under way, and how many were, for each kill. */
  inFlightThere: { failures: number; calls: number }[];
  /** Failures of calls whose last attempt was not at a server that was killed. */
  failedElsewhere: CallEntry[];
  /** The longest that an answered call took, in ms. */
  longestAnswerMs: number;
}

/**
 * Calls three servers, kills one after the other in whichever moment, and
 * starts another in the place of each.
 */
export async function killServers(rounds: number): Promise<Kills> {
  await using fleet = await Fleet.open();
  const clients = new Map<string, Client>();
  const client = await fleet.connect({
    mode: "round-robin",
    dial: async (address, options) => {
      const dialled = await Client.dial(address, options);
      clients.set(address, dialled);
      return dialled;
    },
  });
  const load = new Load(client, { inFlight, isHeld: true });
  const killed = new Map<string, { callsBefore: number; inFlight: number }>();
  for (let round = 0; round < rounds; round++) {
    await load.more(period);
    const { address } = await fleet.replace(round % 3, (victim) => {
      const { inFlight = 0 } = clients.get(victim.address) ?? {};
      killed.set(victim.address, { callsBefore: load.calls.length, inFlight });
      return victim.kill();
    });
    await load.until(() => clients.has(address));
  }
  await load.more(period);
  await load.stop();
  await client.close();
  const failed = load.calls.filter(({ error }) => error !== undefined);
  const failedAt = Map.groupBy(failed, lastTried);
  const firstId = load.calls[0]?.id ?? 0;
  const answered = load.calls.filter(({ error }) => error === undefined);
  return {
    verdict: judge(load.calls, await fleet.executions()),
    inFlightThere: [...killed].map(([address, { callsBefore, inFlight }]) => {
      const there = failedAt.get(address) ?? [];
      const wasUnderWay = ({ id }: CallEntry) => id - firstId < callsBefore;
      return { failures: there.filter(wasUnderWay).length, calls: inFlight };
    }),
    failedElsewhere: failed.filter(
      (call) => !killed.has(lastTried(call) ?? ""),
    ),
    longestAnswerMs: answered.reduce(
      (longest, { tookMs }) => Math.max(longest, tookMs),
      0,
    ),
  };
}
