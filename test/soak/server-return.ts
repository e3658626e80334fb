import { restartOnly } from "../faults/server-return.ts";
import { report } from "./figures.ts";

const clientCount = 1_000;
/** How long the server is away besides the start of its process: long enough for every client to notice. */
const awaysMs = [500, 1_500, 3_000];

/** How the clients of the only server come back to it. */
export async function serverReturn(): Promise<void> {
  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    for (const awayMs of awaysMs) {
      const { reconnects, mostAtOnce, unsent, backAfterMs, longestStallMs } =
        await restartOnly(clientCount, signal, awayMs);
      const what = `${clientCount} clients whose only server restarts (${signal}, away ${awayMs / 1_000} s)`;
      const backSeconds = (backAfterMs / 1_000).toFixed(2);
      console.log(
        `${what}: all back after ${backSeconds} s, ${unsent} calls found nobody; this process stood still for ${longestStallMs.toFixed(0)} ms at most`,
      );
      report(
        `${what}: reconnects`,
        reconnects,
        { atMost: clientCount },
        "clients",
      );
      report(
        `${what}: most of them within 100 ms`,
        mostAtOnce * 100,
        { atMost: 15 },
        "%",
      );
    }
  }
}
