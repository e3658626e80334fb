import { startGeerpc } from "../faults/fleet.ts";
import { endLeases } from "../faults/server-lease.ts";
import { report } from "./figures.ts";

const count = 5;

/** When servers that were killed go from the list: with heartbeats and TTL as they are by default, 5 s and 15 s. */
export async function serverLease(): Promise<void> {
  const { goneAfterMs, missed } = await endLeases(
    (registry) =>
      startGeerpc(["server", "--registry", registry, "--log-level=warn"]),
    count,
  );
  const what = `${count} servers that died, gone from the list after TTL`;
  report(
    `${what} at the latest`,
    Math.max(...goneAfterMs) / 1_000,
    { atMost: 1 },
    "s",
  );
  report(
    `${what} at the earliest`,
    Math.min(...goneAfterMs) / 1_000,
    { atLeast: 0 },
    "s",
  );
  report(
    "looks at the list without the one that lived",
    missed,
    { atMost: 0 },
    "looks",
  );
}
