import { expect, test } from "bun:test";
import { parseAddress } from "../../src/transport/address.ts";
import { dialPipe } from "../../src/transport/dial.ts";
import { listenPipes } from "../../src/transport/listen.ts";
import type { Pipe } from "../../src/transport/pipe.ts";
import { freeChunk } from "../../src/wire/chunk-memory.ts";
import { PipeEar, writeAll } from "../support/pipe-ear.ts";

// What every pipe does is in conformance/pipe.test.ts.

async function setUp() {
  const accepted = Promise.withResolvers<Pipe>();
  const listener = await listenPipes(
    parseAddress("tcp@127.0.0.1:0"),
    accepted.resolve,
  );
  const address = parseAddress(listener.address);
  const near = await dialPipe(address, { timeoutMs: 0 });
  const far = await accepted.promise;
  listener.close();
  const [nearEar, farEar] = [new PipeEar(), new PipeEar()];
  near.attach(nearEar);
  far.attach(farEar);
  return { near, far, nearEar, farEar };
}

test("a handler that throws loses its connection, and is told why", async () => {
  const { near, nearEar, farEar } = await setUp();
  const thrown = new Error("the handler is broken");
  farEar.onEvent = () => {
    if (farEar.closes.length === 0) throw thrown;
  };
  near.write(Buffer.from("x"));
  await nearEar.until(() => nearEar.closes.length > 0);
  expect(farEar.closes).toMatchObject([{ code: "unavailable", cause: thrown }]);
});

test("a reset is told as one", async () => {
  const { near, far, nearEar, farEar } = await setUp();
  // Unread bytes make the kernel answer a close with a reset.
  near.pause();
  far.write(Buffer.from("unread"));
  near.abort();
  await farEar.until(() => farEar.closes.length > 0);
  expect(nearEar.closes).toEqual([undefined]);
  expect(farEar.closes).toMatchObject([
    { code: "unavailable", cause: { code: "ECONNRESET" } },
  ]);
});

test("a large chunk is its reader's to free, and nobody else's memory", async () => {
  const { near, nearEar, farEar } = await setUp();
  const bytes = Buffer.alloc(1024 * 1024, 7);
  const largestOf = (chunks: Uint8Array[]) =>
    chunks.reduce((one, other) => (other.length > one.length ? other : one));
  // The kernel decides how much there is at a time.
  let sentBytes = 0;
  do {
    await writeAll(near, nearEar, bytes);
    sentBytes += bytes.length;
    await farEar.until(() => farEar.byteCount === sentBytes);
  } while (largestOf(farEar.chunks).length < 64 * 1024);
  const largest = largestOf(farEar.chunks);
  const restBytes = sentBytes - largest.length;
  freeChunk(largest);
  expect(farEar.byteCount).toBe(restBytes);
  const others = farEar.chunks.filter((chunk) => chunk !== largest);
  expect(Buffer.concat(others).every((byte) => byte === 7)).toBe(true);
  near.abort();
  await farEar.until(() => farEar.closes.length > 0);
});
