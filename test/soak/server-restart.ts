import { restartServers } from "../faults/server-restart.ts";
import { report } from "./figures.ts";

const rounds = 10;
const calls = 200_000;

/** All three servers restarted in turn, again and again, under load. */
export async function serverRestart(): Promise<void> {
  const { verdict, codes, failures, longestAnswerMs } = await restartServers(
    rounds,
    calls,
  );
  const what = `rolling restart of three servers, ${rounds} rounds`;
  for (const failure of failures.slice(0, 5)) console.log(failure);
  report(`${what}: calls`, verdict.answered, { atLeast: calls }, "calls");
  report(`${what}: failed`, verdict.failed, { atMost: 0 }, "calls");
  report(
    `${what}: executed twice`,
    verdict.executedTwice.length,
    { atMost: 0 },
    "calls",
  );
  report(
    `${what}: servers that ended in order`,
    codes.filter((code) => code === 0).length,
    { atLeast: 3 * rounds },
    "servers",
  );
  console.log(`${what}: longest call ${longestAnswerMs.toFixed(0)} ms`);
}
