import { allowedAttempts, failEverything } from "../faults/server-failure.ts";
import { report } from "./figures.ts";

const durationMs = 20_000;

/** Retries of an idempotent method where all servers fail everything, under few calls and under many. */
export async function serverFailure(): Promise<void> {
  for (const callers of [1, 16, 256]) {
    const failures = await failEverything(callers, durationMs);
    const { attempts, calls, seconds } = failures;
    report(
      `all servers fail all of ${calls} calls in ${seconds.toFixed(1)} s, ${callers} at a time: attempts`,
      attempts,
      { atMost: allowedAttempts(failures) },
      "attempts",
    );
  }
}
