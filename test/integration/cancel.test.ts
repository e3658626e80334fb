import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "../../src/client/client.ts";
import { RpcError } from "../../src/errors.ts";
import { Server, type ServerOptions } from "../../src/server/server.ts";
import { parseAddress } from "../../src/transport/address.ts";
import { Program } from "../support/geerpc.ts";
import { Holding } from "./holding.ts";

setDefaultTimeout(30_000);

const folder = mkdtempSync(join(tmpdir(), "geerpc-cancel-"));
afterAll(() => rmSync(folder, { recursive: true }));

const addresses = [
  "tcp@127.0.0.1:0",
  `unix@${folder}/cancel.sock`,
  "http@127.0.0.1:0",
];

async function setUp(listenAt: string, options: ServerOptions = {}) {
  const holding = new Holding();
  const server = new Server(options).register(holding);
  const address = await server.listen(listenAt);
  return {
    holding,
    diary: holding.diary,
    server,
    address,
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** A program whose calls the server at `address` holds: one of each kind. */
async function startHolder({
  address,
  diary,
}: Pick<Awaited<ReturnType<typeof setUp>>, "address" | "diary">) {
  const program = new Program(
    [process.execPath, join(import.meta.dir, "holding-client.ts"), address],
    { cwd: import.meta.dir },
  );
  await program.stdoutLine(/^stream held$/m);
  await diary.until("call started");
  await diary.until("argument started");
  return program;
}

describe.each(
  addresses.map((address) => [parseAddress(address).protocol, address]),
)("%s@", (_protocol, listenAt) => {
  test("a caller's abort reaches its handler, and no other", async () => {
    await using both = await setUp(listenAt);
    const { diary, address } = both;
    await using client = await Client.dial(address, { callTimeoutMs: 0 });
    const remote = client.as<{ Holding: Holding }>().Holding;
    const controller = new AbortController();
    const { signal } = controller;
    const other = client.go("Holding.call", "other");
    const call = client.go("Holding.call", "call", { signal });
    const stream = await remote.stream("stream", { signal });
    expect((await stream.next()).value).toBe("stream held");
    await diary.until("other started");
    await diary.until("call started");
    diary.write("the caller aborts");
    controller.abort();
    expect((await call.done).error).toMatchObject({ code: "cancelled" });
    const error = await stream.next().catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "cancelled" });
    await diary.until("call aborted: cancelled");
    await diary.until("stream ended");
    expect(diary.entries.slice(0, 3).sort()).toEqual([
      "call started",
      "other started",
      "the caller aborts",
    ]);
    expect(diary.entries[2]).toBe("the caller aborts");
    expect(diary.entries.slice(3).sort()).toEqual([
      "call aborted: cancelled",
      "stream aborted: cancelled",
      "stream ended",
    ]);
    expect(client.inFlight).toBe(1);
    await client.close();
    expect((await other.done).error).toMatchObject({ code: "unavailable" });
  });

  test("so does the end of its time", async () => {
    await using both = await setUp(listenAt);
    await using client = await Client.dial(both.address);
    const call = client.go("Holding.call", "call", { timeoutMs: 50 });
    expect((await call.done).error).toMatchObject({
      code: "deadline_exceeded",
    });
    // Whichever of the two ends looks at its clock first.
    const { promise, resolve } = Promise.withResolvers<string>();
    for (const code of ["cancelled", "deadline_exceeded"]) {
      const entry = `call aborted: ${code}`;
      void both.diary.until(entry).then(() => resolve(entry));
    }
    await promise;
  });

  test("a process that is killed aborts all that it had asked for", async () => {
    await using both = await setUp(listenAt);
    const { diary } = both;
    await using holder = await startHolder(both);
    diary.write("it is killed");
    holder.signal("SIGKILL");
    await diary.until("call aborted: unavailable");
    await diary.until("stream ended");
    await diary.until("argument aborted: unavailable");
    expect(diary.entries.indexOf("it is killed")).toBe(2);
  });
});

/** Pings after tens of ms instead of tens of seconds; an answer has longer than a busy machine holds this process up. */
const keepAlive = { busyMs: 40, idleMs: 40, timeoutMs: 1_500 };

test("a client that stands still is found, and what it had asked for is aborted", async () => {
  const cuts: RpcError[] = [];
  await using both = await setUp("tcp@127.0.0.1:0", {
    keepAlive,
    onEvent: (event) => {
      if (event.kind === "connection-cut") cuts.push(event.error);
    },
  });
  const { diary } = both;
  await using holder = await startHolder(both);
  await using bystander = await Client.dial(both.address);
  holder.signal("SIGSTOP");
  await diary.until("call aborted: unavailable");
  await diary.until("stream ended");
  await diary.until("argument aborted: unavailable");
  expect(cuts.map(({ code }) => code)).toEqual(["unavailable"]);
  // It has answered each ping.
  expect(bystander.isAvailable).toBe(true);
  expect(both.server.connectionCount).toBe(1);
  holder.signal("SIGKILL");
});

test("a server that stands still is found, and its calls fail", async () => {
  await using server = new Program(
    [
      process.execPath,
      join(import.meta.dir, "../../src/main.ts"),
      "server",
      "holding.ts",
    ],
    { cwd: import.meta.dir },
  );
  const client = await Client.dial(await server.listening(), { keepAlive });
  const remote = client.as<{ Holding: Holding }>().Holding;
  const call = client.go("Holding.call", "call", { timeoutMs: 0 });
  const stream = await remote.stream("stream");
  expect((await stream.next()).value).toBe("stream held");
  server.signal("SIGSTOP");
  expect((await call.done).error).toMatchObject({
    code: "unavailable",
    sent: true,
  });
  const error = await stream.next().catch((thrown) => thrown);
  expect(error).toMatchObject({ code: "unavailable" });
  await client.closed;
  expect(client.isAvailable).toBe(false);
  server.signal("SIGKILL");
});
