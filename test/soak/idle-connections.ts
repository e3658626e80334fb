import { Client } from "../../src/client/client.ts";
import { mib, report } from "./figures.ts";
import { rssBytes, settle, startServer } from "./process.ts";

/** What a connection costs over which nothing is called, with keepalive as it is by default. */
export async function idleConnections(): Promise<void> {
  await using server = startServer();
  const address = await server.listening();
  const warm = await Client.dial(address);
  await warm.call("Foo.Sum", { Num1: 1, Num2: 2 });
  await settle();
  const before = (await rssBytes(server.pid)) + process.memoryUsage.rss();
  const clients: Client[] = [];
  for (let count = 0; count < 1_000; count++) {
    clients.push(await Client.dial(address));
  }
  await settle();
  const after = (await rssBytes(server.pid)) + process.memoryUsage.rss();
  report(
    "1,000 idle connections, both ends",
    (after - before) / mib,
    { atMost: 32 },
    "MiB",
  );
  await Promise.all([...clients, warm].map((client) => client.close()));
}
