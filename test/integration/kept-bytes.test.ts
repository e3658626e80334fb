import { expect, test } from "bun:test";
import { Client } from "../../src/client/client.ts";
import { Server } from "../../src/server/server.ts";

const kib = 1024;

/** Keeps all that it gets, and gives it back. */
class Keeper {
  readonly kept: unknown[] = [];

  keep(args: unknown) {
    this.kept.push(args);
    return args;
  }

  async *stream() {
    for (let count = 1; count <= 40; count++) yield bytesOf(64 * kib, count);
  }
}

function bytesOf(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 31 + seed) & 0xff);
}

// Over a socket, whose chunks are freed once they are read (wire/chunk-memory.ts).
test("arguments, replies and items that are kept are not written to again", async () => {
  const keeper = new Keeper();
  await using server = new Server();
  server.register(keeper);
  await using client = await Client.dial(await server.listen());
  const sizes = [1, 20 * kib, 64 * kib, 64 * kib + 1, 300 * kib, 4096 * kib];
  const values = sizes.flatMap((size) =>
    [1, 2, 3].flatMap((seed): unknown[] => {
      const bytes = bytesOf(size, seed);
      if (size > 1000 * kib) return [bytes];
      return [
        bytes,
        new Map([["bytes", bytes]]),
        { text: `${seed}`.repeat(size) },
      ];
    }),
  );
  const call = (value: unknown) => client.call("Keeper.keep", value);
  const replies = await Promise.all(values.map(call));
  const items: unknown[] = [];
  const stream = await client.call("Keeper.stream");
  for await (const item of stream as AsyncIterable<unknown>) items.push(item);
  // More, for which memory is needed.
  for (let round = 0; round < 4; round++) await Promise.all(values.map(call));
  expect(Bun.deepEquals(replies, values)).toBe(true);
  expect(items.length).toBe(40);
  for (const [at, item] of items.entries()) {
    expect(Bun.deepEquals(item, bytesOf(64 * kib, at + 1))).toBe(true);
  }
  expect(keeper.kept.length).toBe(5 * values.length);
  const rests = [...keeper.kept];
  for (const value of values) {
    const count = rests.length;
    for (let at = rests.length; at-- > 0;) {
      if (Bun.deepEquals(rests[at], value)) rests.splice(at, 1);
    }
    expect(count - rests.length).toBe(5);
  }
});

test("bytes have a buffer of their own", async () => {
  const keeper = new Keeper();
  await using server = new Server();
  server.register(keeper);
  await using client = await Client.dial(await server.listen());
  const values = Array.from({ length: 16 }, (_, at) => bytesOf(64 * kib, at));
  const call = (value: unknown) => client.call("Keeper.keep", value);
  const replies = await Promise.all(values.map(call));
  for (const bytes of [...keeper.kept, ...replies] as Uint8Array[]) {
    expect(bytes.constructor).toBe(Uint8Array);
    expect(bytes.byteOffset).toBe(0);
  }
  const buffers = [...keeper.kept, ...replies].map(
    (bytes) => (bytes as Uint8Array).buffer,
  );
  expect(new Set(buffers).size).toBe(buffers.length);
});
