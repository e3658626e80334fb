import { Client } from "../../src/client/client.ts";
import { mib, report } from "./figures.ts";
import { rssBytes, settle, startServer } from "./process.ts";

/** What a connection costs over which nothing is called, with keepalive as it is by default. */
export async function idleConnections(): Promise<void> {
  const { server, client } = await grown(1_000);
  report(
    "1,000 idle connections, both ends",
    (server + client) / mib,
    { atMost: 32 },
    "MiB",
  );
}

/** What a server needs for them. Each end has a file for each: `ulimit -n` has to allow some more. */
export async function manyIdleConnections(): Promise<void> {
  const { server } = await grown(10_000);
  report(
    "10,000 idle connections, the server",
    server / mib,
    { atMost: 100 },
    "MiB",
  );
}

/** By how many bytes the memory of both ends grows. */
async function grown(
  connections: number,
): Promise<{ server: number; client: number }> {
  const most = String(connections + 1);
  await using server = startServer("--max-connections", most);
  const address = await server.listening();
  const warm = await Client.dial(address);
  await warm.call("Foo.Sum", { Num1: 1, Num2: 2 });
  await settle();
  const before = { server: await rssBytes(server.pid), client: ownBytes() };
  const clients: Client[] = [];
  while (clients.length < connections) clients.push(await Client.dial(address));
  await settle();
  const after = { server: await rssBytes(server.pid), client: ownBytes() };
  if (!clients.every(({ isAvailable }) => isAvailable)) {
    throw new Error("a connection was lost");
  }
  await Promise.all([...clients, warm].map((client) => client.close()));
  return {
    server: after.server - before.server,
    client: after.client - before.client,
  };
}

function ownBytes(): number {
  return process.memoryUsage.rss();
}
