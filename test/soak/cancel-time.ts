import { Client } from "../../src/client/client.ts";
import type { Aborts } from "./aborts.ts";
import { median, report } from "./figures.ts";
import { startServer } from "./process.ts";

/** How long a caller's abort takes to reach the handler, in another process, and word of it to come back. */
export async function cancelTime(): Promise<void> {
  await using server = startServer("aborts.ts");
  await using client = await Client.dial(await server.listening());
  const remote = client.as<{ Aborts: Aborts }>().Aborts;
  const times: number[] = [];
  for (let round = 0; round < 201; round++) {
    const controller = new AbortController();
    const { signal } = controller;
    const started = remote.started();
    const held = remote.hold(undefined, { signal }).catch(() => {});
    await started;
    const aborted = remote.aborted();
    const abortedAt = performance.now();
    controller.abort();
    await Promise.all([aborted, held]);
    times.push(performance.now() - abortedAt);
  }
  report(
    "an abort at the caller until the handler's, and back, median of 201",
    median(times),
    { atMost: 50 },
    "ms",
  );
}
