import { join } from "node:path";
import { Client } from "../../src/client/client.ts";
import { median, report } from "./figures.ts";
import { startServer } from "./process.ts";

const pairs = 7;
const sliceMs = 1_000;

/** What a stream of 64 KiB items moves, beside a raw socket with a write for each of them, in turns. */
export async function bulkStream(): Promise<void> {
  await using server = startServer(join(import.meta.dir, "bulk-items.ts"));
  await using client = await Client.dial(await server.listening());
  const port = await client.call<number>("Bulk.rawPort");
  const ratios: number[] = [];
  const slice = () => streamBytesPerMs(client);
  await slice();
  for (let pair = 0; pair < pairs; pair++) {
    const raw = await rawBytesPerMs(port);
    ratios.push((await slice()) / raw);
  }
  report(
    "items of 64 KiB in a stream, against a raw socket with a write for each",
    median(ratios),
    { atLeast: 0.6 },
    "times",
  );
}

async function streamBytesPerMs(client: Client): Promise<number> {
  const startedAt = performance.now();
  const items = await client.call<AsyncIterable<Uint8Array>>("Bulk.items");
  let bytes = 0;
  for await (const { length } of items) {
    bytes += length;
    if (performance.now() - startedAt >= sliceMs) break;
  }
  return bytes / (performance.now() - startedAt);
}

async function rawBytesPerMs(port: number): Promise<number> {
  const startedAt = performance.now();
  let bytes = 0;
  const over = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data(_, chunk) {
        bytes += chunk.length;
        if (performance.now() - startedAt >= sliceMs) over.resolve();
      },
    },
  });
  await over.promise;
  const rate = bytes / (performance.now() - startedAt);
  socket.terminate();
  return rate;
}
