import { expect, test } from "bun:test";
import { FloorClient } from "../../src/bench/floor-client.ts";
import { FloorServer } from "../../src/bench/floor-server.ts";
import { varyingSums } from "../../src/bench/workload.ts";
import { RpcError } from "../../src/errors.ts";
import { memoryPipe } from "../../src/transport/memory.ts";
import { settle } from "../support/manual-clock.ts";
import { FakePipe } from "./fake-pipe.ts";

const args = { Num1: 1234, Num2: 5678 };
const requestBytes = 8 + JSON.stringify(args).length;

function frame(seq: number, body: string): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(Buffer.byteLength(body), 0);
  head.writeUInt32LE(seq, 4);
  return Buffer.concat([head, Buffer.from(body)]);
}

test("calls of one tick go out in one write, as length, seq and JSON", async () => {
  const pipe = new FakePipe();
  const client = new FloorClient(pipe);
  void client.call(args);
  void client.call("ä");
  expect(pipe.writes.length).toBe(0);
  await Promise.resolve();
  expect(pipe.writes.length).toBe(1);
  expect(pipe.take()).toEqual(
    Buffer.concat([frame(1, JSON.stringify(args)), frame(2, '"ä"')]),
  );
  void client.call(args);
  await Promise.resolve();
  expect(pipe.writes).toEqual([requestBytes]);
});

test("4 KiB that wait do not wait for the end of the tick", async () => {
  const pipe = new FakePipe();
  const client = new FloorClient(pipe);
  const calls = Math.ceil(4_096 / requestBytes);
  for (let call = 0; call < calls - 1; call++) void client.call(args);
  expect(pipe.writes.length).toBe(0);
  void client.call(args);
  expect(pipe.writes).toEqual([calls * requestBytes]);
  await Promise.resolve();
  expect(pipe.writes.length).toBe(1);
});

test("what the kernel refuses goes at the next drain, in order, and nothing twice", async () => {
  const pipe = new FakePipe();
  const client = new FloorClient(pipe);
  pipe.roomBytes = 10;
  void client.call("a");
  void client.call("b");
  await Promise.resolve();
  // Blocked: more waits, also more than there was room for, but is not tried.
  void client.call("ä".repeat(40_000));
  await Promise.resolve();
  expect(pipe.writes.length).toBe(1);
  pipe.roomBytes = Infinity;
  pipe.handler.drain();
  pipe.handler.drain();
  expect(pipe.take()).toEqual(
    Buffer.concat([
      frame(1, '"a"'),
      frame(2, '"b"'),
      frame(3, JSON.stringify("ä".repeat(40_000))),
    ]),
  );
});

test("an answer finds its call, however the stream is cut", async () => {
  const pipe = new FakePipe();
  const client = new FloorClient(pipe);
  const replies = Promise.all([client.call(1), client.call(2)]);
  const answers = Buffer.concat([frame(2, '{"a":"ü"}'), frame(1, "7")]);
  for (const byte of answers) pipe.handler.data(Uint8Array.of(byte));
  expect(await replies).toEqual([7, { a: "ü" }]);
});

test("both ends, through pipes that take little at a time", async () => {
  const [near, far] = memoryPipe({ capacityBytes: 64 });
  let isClosed = false;
  new FloorServer(far, () => {
    isClosed = true;
  });
  const client = new FloorClient(near);
  const { argsOf, isRight } = varyingSums();
  const numbers = Array.from({ length: 500 }, (_, at) => at);
  const replies = await Promise.all(
    numbers.map((number) => client.call(argsOf(number))),
  );
  expect(numbers.filter((at) => !isRight(at, replies[at]))).toEqual([]);
  near.shutdown();
  await settle();
  expect(isClosed).toBe(true);
});

test("a lost connection fails the calls on it, and those to come", async () => {
  const pipe = new FakePipe();
  const client = new FloorClient(pipe);
  const call = client.call(args);
  pipe.handler.close(new RpcError("unavailable", "reset"));
  expect(await call.catch((e) => e)).toMatchObject({ code: "unavailable" });
  const later = await client.call(args).catch((e) => e);
  expect(later).toMatchObject({ code: "unavailable" });
});
