import { Client } from "../../src/client/client.ts";
import { blobs, Checksum } from "../integration/blobs.ts";
import type { Streams } from "../integration/streams.ts";
import { mib, report } from "./figures.ts";
import { rssBytes, settle, startServer } from "./process.ts";

const count = 1_000_000;

/** What a stream of the smallest items holds, at both ends, while its reader sleeps. */
export async function oneByteItems(): Promise<void> {
  await using server = startServer("../integration/streams.ts");
  await using client = await Client.dial(await server.listening());
  const remote = client.as<{ Streams: Streams }>().Streams;
  const memory = async () =>
    (await rssBytes(server.pid)) + process.memoryUsage.rss();
  const expected = await Checksum.of(blobs(count, 1));
  // Some beforehand, for what the code itself takes.
  await Checksum.of(remote.blobs({ count: 10_000, bytes: 1 }));
  await remote.checksum(blobs(10_000, 1));

  await settle();
  const before = await memory();
  const items = await remote.blobs({ count, bytes: 1 });
  const controller = new AbortController();
  const { signal } = controller;
  const stalled = remote.stall(blobs(count, 1), { signal }).catch(() => {});
  const read = new Checksum();
  const first = await items.next();
  if (first.done !== true) read.add(first.value);
  await settle();
  report(
    "1,000,000 one-byte items each way, whose readers sleep, both ends",
    ((await memory()) - before) / mib,
    { atMost: 16 },
    "MiB",
  );
  for await (const item of items) read.add(item);
  const isWhole = read.toString() === expected;
  report(
    "of them read in the end",
    isWhole ? count : 0,
    { atLeast: count },
    "items",
  );
  controller.abort();
  await stalled;
}
