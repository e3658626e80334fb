import { Histogram } from "../../src/metrics/histogram.ts";
import { systemClock } from "../../src/base/clock.ts";
import { CallLoad } from "../../src/bench/call-load.ts";
import { varyingSums } from "../../src/bench/workload.ts";
import { Client } from "../../src/client/client.ts";
import { mib, report } from "./figures.ts";
import { rssBytes, startServer } from "./process.ts";

const inFlight = 256;
const minutes = 10;

/** Memory of both ends through ten minutes of calls at full speed: what it reaches after the first minute against what it did in it. */
export async function flatMemory(minuteMs = 60_000): Promise<void> {
  await using server = startServer();
  await using client = await Client.dial(await server.listening());
  const load = new CallLoad({
    calls: [(serviceMethod, args) => client.call(serviceMethod, args)],
    inFlight,
    workload: varyingSums(),
    clock: systemClock,
  });
  const ends = [
    { name: "server", pid: server.pid, first: 0, later: 0 },
    { name: "client", pid: process.pid, first: 0, later: 0 },
  ];
  const startedAt = performance.now();
  const look = async () => {
    const isFirst = performance.now() - startedAt < minuteMs;
    for (const end of ends) {
      const bytes = await rssBytes(end.pid);
      if (isFirst) end.first = Math.max(end.first, bytes);
      else end.later = Math.max(end.later, bytes);
    }
  };
  const looking = setInterval(() => void look(), minuteMs / 240);
  await load.run(minutes * minuteMs, new Histogram());
  clearInterval(looking);
  console.log(
    `${load.done.toLocaleString("en-US")} calls in ${minutes} minutes`,
  );
  // A load that a lost connection has ended keeps memory flat, too.
  report(
    `calls that went wrong in ${minutes} minutes`,
    load.errors,
    { atMost: 0 },
    "",
  );
  for (const { name, first, later } of ends) {
    report(
      `memory of the ${name} after the first minute, above the most in it`,
      (later - first) / mib,
      { atMost: 16 },
      "MiB",
    );
  }
}
