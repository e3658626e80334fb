import { describe, expect, test } from "bun:test";
import { Client } from "../../src/client/client.ts";
import type { ClientOptions } from "../../src/client/options.ts";
import { Server, type ServerOptions } from "../../src/server/server.ts";
import { parseAddress } from "../../src/transport/address.ts";
import { dialPipe } from "../../src/transport/dial.ts";
import { listenPipes } from "../../src/transport/listen.ts";
import { blob } from "./blobs.ts";
import { Streams } from "./streams.ts";
import { WatchedPipe } from "./watched-pipe.ts";

const kib = 1024;

type Wish = Required<ClientOptions & ServerOptions>["compression"];

/** A client and a server over TCP, with the bytes that each has read so far. */
async function setUp(ofClient: Wish, ofServer: Wish) {
  const bytes = { read: 0, served: 0 };
  const server = new Server({ compression: ofServer });
  server.register(new Streams());
  const listener = await listenPipes(
    parseAddress("tcp@127.0.0.1:0"),
    (pipe) => {
      const onRead = (totalBytes: number) => {
        bytes.served = totalBytes;
      };
      server.serve(new WatchedPipe(pipe, { onRead }));
    },
  );
  const pipe = await dialPipe(parseAddress(listener.address), { timeoutMs: 0 });
  const onRead = (totalBytes: number) => {
    bytes.read = totalBytes;
  };
  const client = Client.over(new WatchedPipe(pipe, { onRead }), {
    compression: ofClient,
    callTimeoutMs: 0,
  });
  // With the answer the client knows what the server has agreed to.
  await client.call("Streams.same", 0);
  return {
    remote: client.as<{ Streams: Streams }>().Streams,
    /** What went each way while `work` ran. */
    async during(work: () => Promise<void>) {
      const before = { ...bytes };
      await work();
      return {
        sentBytes: bytes.served - before.served,
        readBytes: bytes.read - before.read,
      };
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      listener.close();
      await server.close();
    },
  };
}

/** Bytes of which half are zeros: they become about half as many. */
function halfEmpty(number: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(blob(number, length / 2));
  return bytes;
}

async function* texts(count: number) {
  for (let number = 0; number < count; number++) yield textOf(number);
}

function textOf(number: number): string {
  return `${number} `.repeat(20_000);
}

test("where both ends agree, bodies are short on the wire, each way", async () => {
  await using both = await setUp(true, true);
  const { remote } = both;
  const text = textOf(7);
  const { sentBytes, readBytes } = await both.during(async () => {
    expect(await remote.same(text)).toBe(text);
  });
  expect(sentBytes).toBeLessThan(text.length / 10);
  expect(readBytes).toBeLessThan(text.length / 10);
});

test("so are the items of streams", async () => {
  await using both = await setUp(true, true);
  const { sentBytes, readBytes } = await both.during(async () => {
    let number = 0;
    for await (const item of both.remote.echo(texts(50))) {
      expect(item).toBe(textOf(number++));
    }
    expect(number).toBe(50);
  });
  expect(sentBytes).toBeLessThan((50 * 40_000) / 10);
  expect(readBytes).toBeLessThan((50 * 40_000) / 10);
});

test("those that are long all the same go in pieces, in calls and in streams", async () => {
  await using both = await setUp(true, true);
  const { remote } = both;
  const bytes = 1024 * kib;
  const { sentBytes, readBytes } = await both.during(async () => {
    const bodies = [0, 1, 2, 3].map((number) => halfEmpty(number, bytes));
    const replies = await Promise.all(bodies.map((body) => remote.same(body)));
    expect(Bun.deepEquals(replies, bodies)).toBe(true);
    async function* items() {
      yield* bodies;
    }
    let number = 0;
    for await (const item of remote.echo(items())) {
      expect(Bun.deepEquals(item, bodies[number++])).toBe(true);
    }
    expect(number).toBe(4);
  });
  for (const wireBytes of [sentBytes, readBytes]) {
    expect(wireBytes).toBeGreaterThan(8 * bytes * 0.4);
    expect(wireBytes).toBeLessThan(8 * bytes * 0.6);
  }
});

test("what does not get shorter goes as it is", async () => {
  await using both = await setUp(true, true);
  const body = blob(1, 500 * kib);
  const { sentBytes } = await both.during(async () => {
    expect(Bun.deepEquals(await both.remote.same(body), body)).toBe(true);
  });
  expect(sentBytes).toBeLessThan(body.length + kib);
  expect(sentBytes).toBeGreaterThan(body.length);
});

test("bodies of fewer bytes than each end says go as they are", async () => {
  await using both = await setUp({ minBytes: 50_000 }, { minBytes: 10 });
  const text = textOf(7);
  const { sentBytes, readBytes } = await both.during(async () => {
    expect(await both.remote.same(text)).toBe(text);
  });
  expect(sentBytes).toBeGreaterThan(text.length);
  expect(readBytes).toBeLessThan(text.length / 10);
});

describe("where not both ends want it nothing is compressed", () => {
  test.each<[string, Wish, Wish]>([
    ["not the client", false, true],
    ["not the server", true, false],
    ["neither", false, false],
  ])("%s", async (_name, ofClient, ofServer) => {
    await using both = await setUp(ofClient, ofServer);
    const text = textOf(7);
    const { sentBytes, readBytes } = await both.during(async () => {
      expect(await both.remote.same(text)).toBe(text);
      for await (const item of both.remote.echo(texts(2))) {
        expect(typeof item).toBe("string");
      }
    });
    expect(sentBytes).toBeGreaterThan(3 * text.length);
    expect(readBytes).toBeGreaterThan(3 * text.length);
  });
});
