import { Fleet } from "./fleet.ts";
import { judge, type Verdict } from "./ledger.ts";
import { lastTried, Load } from "./load.ts";

export interface StopOptions {
  /** Calls at a time. */
  inFlight: number;
  stoppedMs: number;
  /** Of each call. */
  timeoutMs: number;
  /** How long it is waited for an answer of the server once it goes on. */
  patienceMs: number;
}

export interface Stop {
  verdict: Verdict;
  /** The longest that a call took, however it ended, in ms. */
  longestCallMs: number;
  /** Calls that went to the stopped server, while it was, and failed: those that began before it was left out, and after. */
  failedBefore: number;
  failedAfter: number;
  /** Of calls that failed there: what with. */
  codes: string[];
  failedElsewhere: number;
  /**
   * By how much executions were later than their calls' deadlines, in ms, where
   * they were. One may be, `mayBeLate`: a process can be stopped between its
   * look at the clock and the handler. What waits behind that is looked at anew.
   */
  lateMs: number[];
  /** Whether it has answered again once it was continued. */
  isBack: boolean;
}

/** After so many failures in a row a server is left out; those in flight there fail, too. */
export function mayFail(inFlight: number): number {
  return 5 + inFlight - 1;
}

/** Executions that may be late, however many calls wait. */
export const mayBeLate = 1;

/** Calls three servers with a deadline, stops one of them for a while, and continues it. */
export async function stopServer(options: StopOptions): Promise<Stop> {
  const { inFlight, stoppedMs, timeoutMs, patienceMs } = options;
  await using fleet = await Fleet.open();
  const victim = fleet.servers[0];
  if (victim === undefined) throw new Error("the fleet is empty");
  let ejectedAt = Infinity;
  const client = await fleet.connect({
    mode: "round-robin",
    onEvent(event) {
      if (event.kind !== "server-ejected") return;
      if (event.address !== victim.address) return;
      ejectedAt = Math.min(ejectedAt, Date.now());
    },
  });
  const load = new Load(client, { inFlight, timeoutMs, pauseMs: 1 });
  await load.more(1_000);
  victim.signal("SIGSTOP");
  await Bun.sleep(stoppedMs);
  const before = load.answersOf(victim.pid);
  victim.signal("SIGCONT");
  const isBack = await Promise.race([
    load.until(() => load.answersOf(victim.pid) > before).then(() => true),
    Bun.sleep(patienceMs).then(() => false),
  ]);
  await load.more(1_000);
  await load.stop();
  await client.close();
  const { calls } = load;
  const failed = calls.filter(({ error }) => error !== undefined);
  const there = failed.filter((call) => lastTried(call) === victim.address);
  const isBefore = ({ startedAt }: { startedAt: number }) =>
    startedAt <= ejectedAt;
  const executions = await fleet.executions();
  const firstId = calls[0]?.id ?? 0;
  return {
    verdict: judge(calls, executions),
    longestCallMs: calls.reduce(
      (longest, { tookMs }) => Math.max(longest, tookMs),
      0,
    ),
    failedBefore: there.filter(isBefore).length,
    failedAfter: there.filter((call) => !isBefore(call)).length,
    codes: there.flatMap(({ error }) => error?.code ?? []),
    failedElsewhere: failed.length - there.length,
    lateMs: executions
      .map(({ id, at }) => {
        const { startedAt = NaN } = calls[id - firstId] ?? {};
        return at - startedAt - timeoutMs;
      })
      .filter((ms) => ms > 0),
    isBack,
  };
}
