import { expect, test } from "bun:test";
import { Client } from "../../src/client/client.ts";
import { Server } from "../../src/server/server.ts";
import type { Context, Peer } from "../../src/service/context.ts";
import { memoryPipe } from "../../src/transport/memory.ts";
import { settle } from "../support/manual-clock.ts";
import { Streams } from "./streams.ts";

/** A client and a server, each with Streams for the other, joined by memory. */
async function setUp() {
  let peer: Peer | undefined;
  const door = {
    enter(_args: unknown, context: Context): void {
      ({ peer } = context);
    },
  };
  const server = new Server().register(new Streams()).register(door, "Door");
  const [near, far] = memoryPipe();
  server.serve(far);
  const client = Client.over(near, { services: { Streams: new Streams() } });
  await client.call("Door.enter");
  return {
    server: client.as<{ Streams: Streams }>().Streams,
    caller: (peer as unknown as Peer).as<{ Streams: Streams }>().Streams,
    async [Symbol.asyncDispose]() {
      await client.close();
      await server.close();
    },
  };
}

/** Waits until nothing moves any more: nothing here needs time. */
async function standstill(progress: () => number): Promise<void> {
  for (let before = -1; before !== progress();) {
    before = progress();
    for (let turn = 0; turn < 10; turn++) await settle();
  }
}

test("streams that nobody reads hold the connection's window until they are left", async () => {
  await using both = await setUp();
  const streams = await Promise.all(
    Array.from({ length: 8 }, () => both.server.count(100_000)),
  );
  await standstill(() => 0);
  let read = 0;
  void (async () => {
    for await (const _item of streams.at(-1) as AsyncIterable<number>) read++;
  })().catch(() => {});
  await standstill(() => read);
  expect(read).toBeLessThan(100_000);
  await Promise.all(streams.slice(0, -1).map((unread) => unread.return()));
  await standstill(() => read);
  expect(read).toBe(100_000);
});

test("an accepting end whose own calls wait for room reads the answers to them", async () => {
  await using both = await setUp();
  const body = "b".repeat(64 * 1024);
  const replies = await Promise.all(
    Array.from({ length: 256 }, () => both.caller.same(body)),
  );
  expect(replies).toEqual(replies.map(() => body));
});
