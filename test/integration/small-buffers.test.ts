import { expect, setDefaultTimeout, test } from "bun:test";
import { Client } from "../../src/client/client.ts";
import { Server } from "../../src/server/server.ts";
import type { Context, Peer } from "../../src/service/context.ts";
import type { Pipe } from "../../src/transport/pipe.ts";
import { blob, blobs, Checksum } from "./blobs.ts";
import { smallSockets } from "./small-sockets.ts";
import { Streams } from "./streams.ts";
import { WatchedPipe } from "./watched-pipe.ts";

setDefaultTimeout(60_000);

const kib = 1024;
const bodyBytes = 64 * kib;

/** Lets the server know its client. */
class Door {
  peer: Peer | undefined;

  enter(_args: unknown, { peer }: Context): void {
    this.peer = peer;
  }
}

/** A pipe that reads no more than one chunk in a turn of the loop. */
function slow(pipe: Pipe): WatchedPipe {
  const onRead = () => {
    pipe.pause();
    setImmediate(() => pipe.resume());
  };
  return new WatchedPipe(pipe, { onRead });
}

/** A client and a server, each with Streams for the other, over a socket with small buffers. */
async function setUp({ isSlow = false } = {}) {
  const [dialled, accepted] = await smallSockets();
  const door = new Door();
  const server = new Server().register(new Streams()).register(door);
  const far = new WatchedPipe(accepted);
  server.serve(far);
  const near = isSlow ? slow(dialled) : new WatchedPipe(dialled);
  const client = Client.over(near, {
    callTimeoutMs: 0,
    services: { Streams: new Streams() },
  });
  await client.call("Door.enter");
  const peer = door.peer as Peer;
  return {
    near,
    far,
    client,
    server: client.as<{ Streams: Streams }>().Streams,
    caller: peer.as<{ Streams: Streams }>().Streams,
    async [Symbol.asyncDispose]() {
      await client.close();
      await server.close();
    },
  };
}

type Remote = Awaited<ReturnType<typeof setUp>>["server"];

function numbersTo(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at);
}

/** Asks for what it sends, `inFlight` times at once. */
async function echoes(remote: Remote, inFlight: number): Promise<void> {
  const replies = await Promise.all(
    numbersTo(inFlight).map((number) =>
      remote.same(blob(number, bodyBytes), { timeoutMs: 0 }),
    ),
  );
  replies.forEach((reply, number) => {
    expect(Bun.deepEquals(reply, blob(number, bodyBytes))).toBe(true);
  });
}

/** The same as items of streams. */
async function echoedStreams(
  remote: Remote,
  streams: number,
  items: number,
): Promise<void> {
  const expected = await Checksum.of(blobs(items, bodyBytes));
  const found = await Promise.all(
    numbersTo(streams).map(() => {
      const echo = remote.echo(blobs(items, bodyBytes));
      return Checksum.of(echo as AsyncIterable<Uint8Array>);
    }),
  );
  expect(found).toEqual(found.map(() => expected));
}

test("a slow reader gets every reply whole", async () => {
  await using both = await setUp({ isSlow: true });
  const { server, far } = both;
  const count = (8 * kib * kib) / bodyBytes;
  const expected = await Checksum.of(blobs(count, bodyBytes));
  const replies = new Checksum();
  const calls = numbersTo(count).map((number) =>
    server.blob({ number, bytes: bodyBytes }),
  );
  for (const call of calls) replies.add(await call);
  expect(replies.toString()).toBe(expected);
  const stream = server.blobs({ count, bytes: bodyBytes });
  expect(await Checksum.of(stream)).toBe(expected);
  expect(far.shortWrites).toBeGreaterThan(count);
});

test("256 echoes of 64 KiB in flight never wait for each other", async () => {
  await using both = await setUp();
  await echoes(both.server, 256);
  expect(both.near.shortWrites).toBeGreaterThan(256);
  expect(both.far.shortWrites).toBeGreaterThan(256);
});

test("nor do they as streams, in both directions at once", async () => {
  await using both = await setUp();
  await echoedStreams(both.server, 256, 2);
});

test("nor where it is the accepting end that asks", async () => {
  await using both = await setUp();
  await echoes(both.caller, 64);
  await echoedStreams(both.caller, 256, 2);
});

test("nor where both ends ask, as calls and as streams", async () => {
  await using both = await setUp();
  await Promise.all([
    echoes(both.server, 64),
    echoes(both.caller, 64),
    echoedStreams(both.server, 8, 4),
    echoedStreams(both.caller, 8, 4),
  ]);
});
