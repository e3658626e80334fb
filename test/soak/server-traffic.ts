import { changeServers, slowServer } from "../faults/server-traffic.ts";
import { report } from "./figures.ts";

const slowMs = 200;
const settleMs = 5_000;

/** Where calls go when a server becomes slow, comes, leaves or is killed. */
export async function serverTraffic(): Promise<void> {
  report(
    `one of three servers at +${slowMs} ms, its part after ${settleMs / 1_000} s`,
    100 * (await slowServer(slowMs, settleMs, 20_000)),
    { atMost: 5 },
    "%",
  );
  for (let round = 0; round < 5; round++) {
    const { newcomerAfterMs, leaverUntilMs, killedUntilMs, failedBeforeKill } =
      await changeServers();
    report(
      "a new server has answered a call after",
      newcomerAfterMs,
      { atMost: 1_000 },
      "ms",
    );
    report(
      "a leaving one has begun its last call after",
      leaverUntilMs,
      { atMost: 1_000 },
      "ms",
    );
    report("calls that both cost", failedBeforeKill, { atMost: 0 }, "calls");
    report(
      "the last call that a killed one failed or held up began after",
      killedUntilMs,
      { atMost: 200 },
      "ms",
    );
  }
}
