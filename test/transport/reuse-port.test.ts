import { expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { Server } from "../../src/server/server.ts";
import { Client } from "../../src/client/client.ts";

// Processes on one port. That the system spreads connections over processes is
// seen in test/cli/workers.test.ts; here two servers of one process share it.

const shared = { reusePort: true };

test("servers that say so share a port, and connections are spread over them", async () => {
  await using one = new Server();
  await using two = new Server();
  one.register({ who: () => 1 }, "Who");
  two.register({ who: () => 2 }, "Who");
  const address = await one.listen("tcp@127.0.0.1:0", shared);
  expect(await two.listen(address, shared)).toBe(address);
  const seen = new Set<unknown>();
  while (seen.size < 2) {
    await using client = await Client.dial(address);
    seen.add(await client.call("Who.who"));
  }
});

test("one that does not say so does not get a shared port, nor shares its own", async () => {
  for (const [first, second] of [
    [true, false],
    [false, true],
    [false, false],
  ] as const) {
    await using one = new Server();
    await using two = new Server();
    const address = await one.listen("tcp@127.0.0.1:0", { reusePort: first });
    const thrown = await two
      .listen(address, { reusePort: second })
      .catch((error: unknown) => error);
    expect(RpcError.from(thrown).code).toBe("unavailable");
  }
});

test("a unix socket cannot be shared", async () => {
  await using server = new Server();
  const thrown = await server
    .listen("unix@/tmp/geerpc-not-shared", shared)
    .catch((error: unknown) => error);
  expect(RpcError.from(thrown).code).toBe("invalid_argument");
});
