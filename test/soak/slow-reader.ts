import { Client } from "../../src/client/client.ts";
import { Server } from "../../src/server/server.ts";
import { blobs, Checksum } from "../integration/blobs.ts";
import { smallSockets } from "../integration/small-sockets.ts";
import { Streams } from "../integration/streams.ts";
import { WatchedPipe } from "../integration/watched-pipe.ts";
import { mib, report } from "./figures.ts";
import { settle } from "./process.ts";

const bytes = 64 * 1024;
const count = (1024 * mib) / bytes;
const inFlight = 256;

/** 1 GiB of replies and 1 GiB of a stream through socket buffers of some KiB, to an end that reads a chunk in a turn of the loop. */
export async function slowReader(): Promise<void> {
  const [dialled, accepted] = await smallSockets();
  await using server = new Server().register(new Streams());
  server.serve(accepted);
  const onRead = () => {
    dialled.pause();
    setImmediate(() => dialled.resume());
  };
  await using client = Client.over(new WatchedPipe(dialled, { onRead }), {
    callTimeoutMs: 0,
  });
  const remote = client.as<{ Streams: Streams }>().Streams;
  const expected = await Checksum.of(blobs(count, bytes));
  await settle();
  const before = process.memoryUsage.rss();
  let peak = before;
  const look = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 100);

  const replies = new Checksum();
  const calls: Promise<Uint8Array>[] = [];
  for (let number = 0; number < count + inFlight; number++) {
    if (number < count) calls.push(remote.blob({ number, bytes }));
    if (number >= inFlight) replies.add((await calls.shift()) as Uint8Array);
  }
  const items = await Checksum.of(remote.blobs({ count, bytes }));
  clearInterval(look);
  for (const [what, sum] of [
    ["replies", replies.toString()],
    ["items", items],
  ]) {
    const rightBytes = sum === expected ? count * bytes : 0;
    report(
      `1 GiB of ${what} to a slow reader, whole`,
      rightBytes / mib,
      { atLeast: 1024 },
      "MiB",
    );
  }
  report(
    "memory of both ends meanwhile",
    (peak - before) / mib,
    { atMost: 256 },
    "MiB",
  );
}
