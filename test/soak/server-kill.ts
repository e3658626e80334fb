import { inFlight, killServers } from "../faults/server-kill.ts";
import { report } from "./figures.ts";

const rounds = 20;

/** A kill -9 of one of three servers, again and again, under load. */
export async function serverKill(): Promise<void> {
  const { verdict, inFlightThere, failedElsewhere, longestAnswerMs } =
    await killServers(rounds);
  const { answered, failed } = verdict;
  const what = `kill -9 of one of three servers, ${rounds} times`;
  console.log(`${what}: ${answered} calls answered, ${failed} failed`);
  report(
    `${what}: calls executed twice`,
    verdict.executedTwice.length,
    { atMost: 0 },
    "calls",
  );
  report(
    `${what}: calls answered and in no ledger, or executed and said not to be`,
    verdict.answeredUnexecuted.length + verdict.executedUnsent.length,
    { atMost: 0 },
    "calls",
  );
  report(
    `${what}: calls failed, of ${inFlight} in flight at a time`,
    failed,
    { atMost: rounds * inFlight },
    "calls",
  );
  report(
    `${what}: calls failed, of those that had begun and were in flight there`,
    inFlightThere.reduce((sum, { failures }) => sum + failures, 0),
    { atMost: inFlightThere.reduce((sum, { calls }) => sum + calls, 0) },
    "calls",
  );
  report(
    `${what}: calls failed elsewhere`,
    failedElsewhere.length,
    { atMost: 0 },
    "calls",
  );
  report(
    `${what}: longest of the calls that went on`,
    longestAnswerMs,
    { atMost: 200 },
    "ms",
  );
}
