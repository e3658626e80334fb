import { expect, test } from "bun:test";
import { LimitClient } from "../../src/bench/limit-client.ts";
import { FrameWriter, WholeCount } from "../../src/bench/limit-frames.ts";
import { encodeGreeting, LimitServer } from "../../src/bench/limit-server.ts";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { randomIndex } from "../../src/base/random.ts";
import { RpcError } from "../../src/errors.ts";
import { memoryPipe } from "../../src/transport/memory.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import { testRandom } from "../support/seed.ts";
import { FakePipe } from "./fake-pipe.ts";

const sizes = { request: 51, response: 20, responsesPerRequest: 1 };

test("frames are counted however the stream is cut", () => {
  const random = testRandom();
  const count = new WholeCount(51);
  let bytes = 0;
  let frames = 0;
  for (let round = 0; round < 1_000; round++) {
    const part = randomIndex(200, random);
    bytes += part;
    frames += count.push(part);
    expect(frames).toBe(Math.floor(bytes / 51));
  }
});

test("what the kernel refuses goes at the next drain, and nothing twice", () => {
  const pipe = new FakePipe();
  const writer = new FrameWriter(pipe, 100);
  pipe.roomBytes = 250;
  writer.write(4);
  expect(pipe.writes).toEqual([250]);
  // Blocked: more is owed, but not tried.
  writer.write(1);
  expect(pipe.writes).toEqual([250]);
  pipe.roomBytes = Infinity;
  writer.drain();
  writer.drain();
  expect(pipe.writes).toEqual([250, 250]);
});

test("client: torn chunks keep the count in flight, one write a chunk", async () => {
  const clock = new ManualClock();
  const pipe = new FakePipe();
  const client = new LimitClient(pipe, sizes, clock);
  pipe.writes.length = 0;
  const run = client.run(8, 100);
  expect(pipe.writes).toEqual([8 * 51]);
  let answeredBytes = 0;
  const answer = (bytes: number) => {
    answeredBytes += bytes;
    pipe.handler.data(new Uint8Array(bytes));
  };
  for (const bytes of [19, 1, 21, 59, 3, 57]) {
    answer(bytes);
    expect(client.waitingFor).toBe(8);
    expect(pipe.writtenBytes).toBe((8 + Math.floor(answeredBytes / 20)) * 51);
  }
  expect(pipe.writes).toEqual([8, 1, 1, 3, 3].map((frames) => frames * 51));
  // The time is over: what is in flight is awaited, nothing new goes out.
  await clock.advance(100);
  answer(7 * 20);
  expect(client.waitingFor).toBe(1);
  answer(20);
  expect(await run).toEqual({ count: 16, elapsedMs: 100 });
  expect(pipe.writes.length).toBe(5);
});

test("client: a lost connection ends the run, and the next one", async () => {
  const pipe = new FakePipe();
  const client = new LimitClient(pipe, sizes, new ManualClock());
  const run = client.run(1, 100);
  pipe.handler.close(undefined);
  await expect(run).rejects.toMatchObject({ code: "unavailable" });
  await expect(client.run(1, 100)).rejects.toMatchObject({
    code: "unavailable",
  });
});

test("client: a connection that is lost before its first run is no unhandled rejection", async () => {
  const pipe = new FakePipe();
  const client = new LimitClient(pipe, sizes, new ManualClock());
  pipe.handler.close(new RpcError("unavailable", "reset"));
  await settle();
  await expect(client.run(1, 100)).rejects.toMatchObject({ message: "reset" });
});

test("server: a greeting in pieces, then as many frames as came", () => {
  const pipe = new FakePipe();
  let isClosed = false;
  new LimitServer(pipe, () => {
    isClosed = true;
  });
  const greeting = new FakePipe();
  const bytes: number[] = [];
  greeting.write = (part) => bytes.push(...part) && part.length;
  new LimitClient(greeting, sizes, new ManualClock());
  const stream = new Uint8Array([...bytes, ...new Uint8Array(51 * 5)]);
  for (const byte of stream) pipe.handler.data(new Uint8Array([byte]));
  expect(pipe.writes).toEqual([20, 20, 20, 20, 20]);
  pipe.handler.data(new Uint8Array(51 * 3));
  expect(pipe.writes.at(-1)).toBe(60);
  pipe.handler.close(undefined);
  expect(isClosed).toBe(true);
});

test("server: a stranger's greeting is cut", () => {
  for (const greeting of [
    [0, 0, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0],
    [51, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0],
    [51, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0],
    [51, 0, 0, 0, 255, 255, 255, 255, 1, 0, 0, 0],
    [51, 0, 0, 0, 20, 0, 0, 0, 255, 255, 255, 255],
  ]) {
    const pipe = new FakePipe();
    new LimitServer(pipe);
    pipe.handler.data(new Uint8Array([...greeting, ...new Uint8Array(500)]));
    expect(pipe.isAborted).toBe(true);
    expect(pipe.writes).toEqual([]);
  }
});

test("both halves go round through pipes that take little at a time", async () => {
  // Every look at this clock takes a ms; a clock that stands would let them go round for ever.
  let now = 0;
  const clock: Clock = { ...systemClock, now: () => now++ };
  const [near, far] = memoryPipe({ capacityBytes: 64 });
  new LimitServer(far);
  const client = new LimitClient(near, sizes, clock);
  const { count, elapsedMs } = await client.run(16, 500);
  expect(client.waitingFor).toBe(0);
  expect(elapsedMs).toBeGreaterThanOrEqual(500);
  expect(count).toBeGreaterThanOrEqual(500);
});

test("a stream's limit: one request for many responses, and the next when they are all there", async () => {
  const clock = new ManualClock();
  const [near, far] = [new FakePipe(), new FakePipe()];
  const frames = { request: 51, response: 20, responsesPerRequest: 100 };
  new LimitServer(far);
  far.handler.data(encodeGreeting(frames));
  const client = new LimitClient(near, frames, clock);
  const run = client.run(2, 100);
  expect(near.writes.slice(1)).toEqual([2 * 51]);
  far.handler.data(new Uint8Array(2 * 51));
  expect(far.writes).toEqual([2 * 100 * 20]);
  near.handler.data(new Uint8Array(99 * 20));
  expect(near.writes.length).toBe(2);
  near.handler.data(new Uint8Array(20));
  expect(near.writes.at(-1)).toBe(51);
  expect(client.waitingFor).toBe(2 * 100);
  await clock.advance(100);
  near.handler.data(new Uint8Array(200 * 20));
  expect(await run).toEqual({ count: 300, elapsedMs: 100 });
});
