import { mayBeLate, mayFail, stopServer } from "../faults/server-stop.ts";
import { report } from "./figures.ts";

const stoppedMs = 20_000;
const timeoutMs = 1_000;

/** SIGSTOP of one of three servers, and SIGCONT, under load with deadlines: of few callers and of many. */
export async function serverStop(): Promise<void> {
  for (const inFlight of [4, 32]) await stopUnder(inFlight);
}

async function stopUnder(inFlight: number): Promise<void> {
  const patienceMs = 60_000;
  const stop = await stopServer({ inFlight, stoppedMs, timeoutMs, patienceMs });
  const what = `SIGSTOP of one of three servers for ${stoppedMs / 1_000} s, ${inFlight} calls at a time`;
  const { answered, failed } = stop.verdict;
  console.log(`${what}: ${answered} calls answered, ${failed} failed`);
  report(
    `${what}: longest call`,
    stop.longestCallMs,
    { atMost: 1.25 * timeoutMs },
    "ms",
  );
  report(
    `${what}: calls failed there until it was left out, 5 and those in flight`,
    stop.failedBefore,
    { atMost: mayFail(inFlight) },
    "calls",
  );
  // After 5 s and after 10 s more, if it were not cut before.
  report(
    `${what}: calls failed there later, its probes`,
    stop.failedAfter,
    { atMost: 2 },
    "calls",
  );
  report(
    `${what}: calls failed elsewhere`,
    stop.failedElsewhere,
    { atMost: 0 },
    "calls",
  );
  report(
    `${what}: calls that ran when they had expired, but for one that was being started`,
    stop.lateMs.length,
    { atMost: mayBeLate },
    "calls",
  );
  report(
    `${what}: servers that answer once it goes on`,
    stop.isBack ? 3 : 2,
    { atLeast: 3 },
    "servers",
  );
}
