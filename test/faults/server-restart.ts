import { Fleet } from "./fleet.ts";
import { judge, type Verdict } from "./ledger.ts";
import { Load } from "./load.ts";

const inFlight = 48;

export interface Restarts {
  verdict: Verdict;
  /** Exit codes of the servers that left. */
  codes: number[];
  /** What calls failed with. */
  failures: string[];
  longestAnswerMs: number;
}

/**
 * Calls three servers while they leave, one at a time, and others take their
 * places: `rounds` times all three, with at least so many calls in all.
 */
export async function restartServers(
  rounds: number,
  calls: number,
): Promise<Restarts> {
  await using fleet = await Fleet.open();
  const client = await fleet.connect({ mode: "round-robin" });
  const load = new Load(client, { inFlight, isHeld: true });
  const codes: number[] = [];
  for (let restart = 0; restart < 3 * rounds; restart++) {
    await load.more(Math.ceil(calls / (3 * rounds + 1)));
    const { pid } = await fleet.replace(restart % 3, async (leaving) => {
      codes.push(await leaving.leave());
    });
    await load.until(() => load.answersOf(pid) > 0);
  }
  await load.until(() => load.calls.length >= calls);
  await load.stop();
  await client.close();
  const errors = load.calls.flatMap(({ error }) => error ?? []);
  return {
    verdict: judge(load.calls, await fleet.executions()),
    codes,
    failures: errors.map(({ code, message }) => `${code}: ${message}`),
    longestAnswerMs: load.calls.reduce(
      (longest, { tookMs }) => Math.max(longest, tookMs),
      0,
    ),
  };
}
