import { Client } from "../../src/client/client.ts";
import { type Demand, Unreader } from "../integration/unreader.ts";
import { mib, report } from "./figures.ts";
import { rssBytes, settle, startServer } from "./process.ts";

const kib = 1024;
const peerCount = 50;

const demands: Demand[] = [
  {
    serviceMethod: "Streams.blob",
    args: { number: 1, bytes: mib },
    count: 200,
  },
  {
    serviceMethod: "Streams.same",
    args: new Uint8Array(32 * kib),
    count: 2_000,
  },
  {
    serviceMethod: "Streams.blobs",
    args: { count: 1e9, bytes: 64 * kib },
    count: 4,
  },
];

/** Peers that ask for much and never read: what they cost a server with the default limits, and for how long. */
export async function unread(): Promise<void> {
  await using server = startServer(
    "../integration/streams.ts",
    "--log",
    "json",
  );
  const address = await server.listening();
  await using bystander = await Client.dial(address);
  await bystander.call("Streams.same", 1);
  await settle();
  const before = await rssBytes(server.pid);
  const startedAt = performance.now();
  const peers = await Promise.all(
    Array.from({ length: peerCount }, (_, at) =>
      Unreader.dial(address, demands[at % demands.length] as Demand),
    ),
  );
  let peak = before;
  const cutAtMs: number[] = [];
  while (cutAtMs.length < peerCount && performance.now() - startedAt < 30_000) {
    await Bun.sleep(50);
    peak = Math.max(peak, await rssBytes(server.pid));
    const cuts = server.stderr.split('"connection-cut"').length - 1;
    while (cutAtMs.length < cuts) cutAtMs.push(performance.now() - startedAt);
    await bystander.call("Streams.same", 1);
  }
  for (const peer of peers) peer.abort();
  report(
    `memory with ${peerCount} peers that never read`,
    (peak - before) / mib,
    { atMost: 256 },
    "MiB above idle",
  );
  report("of them cut", cutAtMs.length, { atLeast: peerCount }, "peers");
  report(
    "the first of them",
    (cutAtMs[0] ?? NaN) / 1_000,
    { atLeast: 10 },
    "s",
  );
  report(
    "the last of them",
    (cutAtMs.at(-1) ?? NaN) / 1_000,
    { atMost: 15 },
    "s",
  );
}
