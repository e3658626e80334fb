import { heartbeat, Server } from "geerpc";

// A server whose lease is as short as its arguments say: registry, TTL in ms.
// geerpc server has 15 s.

const [registry = "", ttlMs = ""] = process.argv.slice(2);
await using server = new Server();
server.register({ ask: () => process.pid }, "Foo");
const address = await server.listen();
const beat = heartbeat(
  registry,
  { address, services: server.services },
  { ttlMs: Number(ttlMs), intervalMs: Number(ttlMs) / 3 },
);
await beat.firstAttempt;
console.log(JSON.stringify({ listening: address }));
// Until it is killed.
await new Promise(() => {});
