import { Fleet } from "./fleet.ts";
import { Load } from "./load.ts";

export interface Failures {
  calls: number;
  failed: number;
  /** All executions, of whichever call. */
  attempts: number;
  /** From the first call until the last was over. */
  seconds: number;
}

/** Calls an idempotent method of three servers that always fail, so many callers at a time and for so long. */
export async function failEverything(
  callers: number,
  durationMs: number,
): Promise<Failures> {
  await using fleet = await Fleet.open();
  const client = await fleet.connect();
  const startedAt = performance.now();
  const load = new Load(client, {
    inFlight: callers,
    method: "fail",
    pauseMs: 1,
  });
  await Bun.sleep(durationMs);
  await load.stop();
  const seconds = (performance.now() - startedAt) / 1_000;
  await client.close();
  return {
    calls: load.calls.length,
    failed: load.calls.filter(({ error }) => error !== undefined).length,
    attempts: (await fleet.executions()).length,
    seconds,
  };
}

/** How many attempts there may be. */
export function allowedAttempts({ calls, seconds }: Failures): number {
  return 1.2 * calls + 10 * Math.max(1, seconds);
}
