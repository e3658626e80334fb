import { expect, test } from "bun:test";
import { parseAddress } from "../../src/transport/address.ts";
import { dialPipe } from "../../src/transport/dial.ts";
import { listenPipes } from "../../src/transport/listen.ts";
import type { Pipe } from "../../src/transport/pipe.ts";
import { PipeEar } from "../support/pipe-ear.ts";

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
