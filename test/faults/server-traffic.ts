import { Client } from "../../src/client/client.ts";
import { Fleet, type FleetServer } from "./fleet.ts";
import { type CallEntry, judge, type Verdict } from "./ledger.ts";
import { Load } from "./load.ts";

/** Calls at a time. */
export const inFlight = 16;

/**
 * Calls three servers, the least loaded of two at a time; then one of them
 * answers `delayMs` later. Gives its part, 0 to 1, of the `count` calls that
 * start `settleMs` after that and later.
 */
export async function slowServer(
  delayMs: number,
  settleMs: number,
  count: number,
): Promise<number> {
  await using fleet = await Fleet.open();
  const slow = fleet.servers[0] as FleetServer;
  const client = await fleet.connect({ mode: "least-loaded" });
  const load = new Load(client, { inFlight, pauseMs: 1 });
  await load.more(500);
  {
    await using direct = await Client.dial(slow.address);
    await direct.call("Ledger.delay", delayMs);
  }
  await Bun.sleep(settleMs);
  const first = load.calls.length;
  await load.more(count);
  await load.stop();
  await client.close();
  const late = load.calls.slice(first);
  return late.filter(({ pid }) => pid === slow.pid).length / late.length;
}

export interface Traffic {
  verdict: Verdict;
  failedBeforeKill: number;
  /** From the registration of a new server until it has answered a call, in ms. */
  newcomerAfterMs: number;
  /** From SIGTERM until the last call began that the leaving server answered, in ms. */
  leaverUntilMs: number;
  /** From the kill until the last call began that was not answered within 50 ms, in ms; 0 where all were. */
  killedUntilMs: number;
}

/** Calls three servers while one comes, one leaves and one is killed. */
export async function changeServers(): Promise<Traffic> {
  await using fleet = await Fleet.open();
  const client = await fleet.connect();
  const load = new Load(client, { inFlight, pauseMs: 1 });
  await load.more(500);

  const newcomer = await fleet.add();
  const registeredAt = performance.now();
  await load.until(() => load.answersOf(newcomer.pid) > 0);
  const newcomerAfterMs = performance.now() - registeredAt;

  const [leaver, victim] = fleet.servers as [FleetServer, FleetServer];
  const leftAt = Date.now();
  await leaver.leave();
  await load.more(500);

  const isFailed = ({ error }: CallEntry) => error !== undefined;
  const failedBeforeKill = load.calls.filter(isFailed).length;
  const killedAt = Date.now();
  await victim.kill();
  await load.more(2_000);
  await load.stop();
  await client.close();
  const lastOf = (since: number, found: typeof load.calls) =>
    Math.max(since, ...found.map(({ startedAt }) => startedAt)) - since;
  return {
    verdict: judge(load.calls, await fleet.executions()),
    failedBeforeKill,
    newcomerAfterMs,
    leaverUntilMs: lastOf(
      leftAt,
      load.calls.filter(({ pid }) => pid === leaver.pid),
    ),
    killedUntilMs: lastOf(
      killedAt,
      load.calls.filter(
        ({ pid, tookMs }) => pid === undefined || !(tookMs < 50),
      ),
    ),
  };
}
