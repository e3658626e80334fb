import { systemClock } from "../../src/base/clock.ts";
import { Client } from "../../src/client/client.ts";
import { Server } from "../../src/server/server.ts";
import {
  goodput,
  offer,
  Pool,
  slowestRefusalMs,
  Work,
} from "../integration/overload.ts";
import { report } from "./figures.ts";

const durationMs = 20_000;

/** Three times what a pool of ten places of 100 ms can do, with deadlines of 1 s, from a server that adapts. */
export async function overload(): Promise<void> {
  const pool = new Pool(systemClock, 10, 100);
  await using server = new Server({ adaptiveLimit: true });
  server.register(new Work(pool));
  await using client = await Client.dial(await server.listen());
  const load = (times: number) =>
    offer(client, systemClock, times * pool.capacity, durationMs);
  const peak = goodput(await load(1), durationMs);
  const endings = await load(3);
  report(
    `goodput at three times capacity, against ${peak.toFixed(1)} calls/s at once`,
    goodput(endings, durationMs) / peak,
    { atLeast: 0.85 },
    "times",
  );
  report("the slowest refusal", slowestRefusalMs(endings), { atMost: 5 }, "ms");
  const after = goodput(await load(0.8), durationMs);
  report(
    "goodput at 0.8 times capacity after it",
    after / (0.8 * pool.capacity),
    { atLeast: 0.99 },
    "times",
  );
}
