import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { memoryPipe } from "../../src/transport/memory.ts";
import type { Pipe } from "../../src/transport/pipe.ts";
import { splice } from "../../src/transport/splice.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import { PipeEar, writeAll } from "../support/pipe-ear.ts";

const idleTimeoutMs = 60_000;

/** A client, a server and the splice between them; the server is there once `open` is called. */
function setUp({ capacityBytes = 256 * 1024, first = "" } = {}) {
  const clock = new ManualClock();
  const [client, outer] = memoryPipe({ capacityBytes });
  const [inner, server] = memoryPipe({ capacityBytes });
  const dialled = Promise.withResolvers<Pipe>();
  const state = { isBusy: false, gone: 0, failed: 0 };
  splice(outer, Buffer.from(first), dialled.promise, {
    clock,
    idleTimeoutMs,
    isBusy: () => state.isBusy,
    onFailed: (pipe) => {
      state.failed++;
      pipe.write(Buffer.from("sorry"));
      pipe.shutdown();
    },
    onGone: () => void state.gone++,
  });
  const clientEar = new PipeEar();
  const serverEar = new PipeEar();
  client.attach(clientEar);
  server.attach(serverEar);
  return {
    clock,
    state,
    client,
    server,
    clientEar,
    serverEar,
    open: () => dialled.resolve(inner),
    fail: () => dialled.reject(new RpcError("unavailable", "no")),
  };
}

const hello = Buffer.from("hello");

test("carries bytes both ways, those read before first", async () => {
  const all = setUp({ first: "first " });
  all.client.write(hello);
  await settle();
  all.open();
  await all.serverEar.until(() => all.serverEar.byteCount === 11);
  expect(all.serverEar.bytes.toString()).toBe("first hello");
  all.server.write(hello);
  await all.clientEar.until(() => all.clientEar.byteCount === 5);
  expect(all.clientEar.bytes.toString()).toBe("hello");
});

describe.each(["to the server", "to the client"])("bytes %s", (way) => {
  test("wait, within bounds, while nobody reads them", async () => {
    const all = setUp({ capacityBytes: 64 * 1024 });
    const [from, fromEar, to, toEar] =
      way === "to the server"
        ? [all.client, all.clientEar, all.server, all.serverEar]
        : [all.server, all.serverEar, all.client, all.clientEar];
    all.open();
    await settle();
    to.pause();
    const bytes = Buffer.alloc(2_000_000).map((_, at) => at % 251);
    let written = 0;
    const counted: Pipe = {
      ...from,
      write: (part: Uint8Array) => {
        const taken = from.write(part);
        written += taken;
        return taken;
      },
    } as Pipe;
    const done = writeAll(counted, fromEar, bytes);
    await settle();
    expect(toEar.byteCount).toBeLessThanOrEqual(64 * 1024);
    expect(written).toBeLessThan(700_000);
    to.resume();
    await done;
    await toEar.until(() => toEar.byteCount === bytes.length);
    expect(toEar.bytes.equals(bytes)).toBe(true);
  });
});

describe("the end", () => {
  test("of one direction leaves the other open", async () => {
    const all = setUp();
    all.open();
    all.client.write(hello);
    all.client.shutdown();
    await all.serverEar.until(() => all.serverEar.ends === 1);
    expect(all.serverEar.bytes.toString()).toBe("hello");
    all.server.write(hello);
    await all.clientEar.until(() => all.clientEar.byteCount === 5);
    expect(all.state.gone).toBe(0);
    all.server.shutdown();
    await all.clientEar.until(() => all.clientEar.closes.length === 1);
    await settle();
    expect(all.state.gone).toBe(1);
    expect(all.serverEar.closes).toHaveLength(1);
    expect(all.clock.timers).toBe(0);
  });

  test("by the server arrives behind what it sent", async () => {
    const all = setUp();
    all.open();
    await settle();
    all.server.write(Buffer.alloc(100_000));
    all.server.shutdown();
    await all.clientEar.until(() => all.clientEar.ends === 1);
    expect(all.clientEar.byteCount).toBe(100_000);
    all.client.shutdown();
    await all.clientEar.until(() => all.clientEar.closes.length === 1);
    expect(all.clientEar.closes).toEqual([undefined]);
    expect(all.state.gone).toBe(1);
    expect(all.clock.timers).toBe(0);
  });

  test("by a reset of the client cuts the server", async () => {
    const all = setUp();
    all.open();
    await settle();
    all.client.abort();
    await settle();
    expect(all.serverEar.closes[0]?.code).toBe("unavailable");
    expect(all.state.gone).toBe(1);
    expect(all.clock.timers).toBe(0);
  });

  test("by a reset of the server ends the client in order", async () => {
    const all = setUp();
    all.open();
    await settle();
    all.server.write(hello);
    await settle();
    all.server.abort();
    await all.clientEar.until(() => all.clientEar.ends === 1);
    expect(all.clientEar.bytes.toString()).toBe("hello");
    // What still comes is dropped.
    all.client.write(hello);
    all.client.shutdown();
    await all.clientEar.until(() => all.clientEar.closes.length === 1);
    expect(all.state.gone).toBe(1);
    expect(all.clock.timers).toBe(0);
  });

  test("of a client that went during the dial is not forgotten", async () => {
    const all = setUp();
    all.client.abort();
    await settle();
    all.open();
    await settle();
    expect(all.state.gone).toBe(1);
    expect(all.serverEar.closes).toHaveLength(1);
    expect(all.clock.timers).toBe(0);
  });
});

describe("a dial that fails", () => {
  test("is answered, and the pipe is gone after it", async () => {
    const all = setUp({ first: "GET" });
    all.fail();
    await all.clientEar.until(() => all.clientEar.ends === 1);
    expect(all.clientEar.bytes.toString()).toBe("sorry");
    all.client.shutdown();
    await all.clientEar.until(() => all.clientEar.closes.length === 1);
    expect(all.state).toMatchObject({ failed: 1, gone: 1 });
  });

  test("is told once where the client went before", async () => {
    const all = setUp();
    all.client.abort();
    await settle();
    all.fail();
    await settle();
    expect(all.state.gone).toBe(1);
  });
});

describe("silence", () => {
  test("ends both after its time", async () => {
    const all = setUp();
    all.open();
    await all.clock.advance(idleTimeoutMs - 1);
    expect(all.serverEar.closes).toHaveLength(0);
    await all.clock.advance(1);
    expect(all.serverEar.closes).toHaveLength(1);
    expect(all.clientEar.ends).toBe(1);
  });

  test("is counted from the last byte of either side", async () => {
    const all = setUp();
    all.open();
    await settle();
    for (const pipe of [all.client, all.server]) {
      await all.clock.advance(idleTimeoutMs - 1);
      pipe.write(hello);
      await settle();
    }
    await all.clock.advance(idleTimeoutMs - 1);
    expect(all.serverEar.closes).toHaveLength(0);
    await all.clock.advance(1);
    expect(all.serverEar.closes).toHaveLength(1);
  });

  test("of a server that is busy with an answer is waited out", async () => {
    const all = setUp();
    all.state.isBusy = true;
    all.open();
    await all.clock.advance(10 * idleTimeoutMs);
    expect(all.serverEar.closes).toHaveLength(0);
    all.server.write(hello);
    await settle();
    // It has answered: others' requests keep it busy now.
    await all.clock.advance(idleTimeoutMs);
    expect(all.serverEar.closes).toHaveLength(1);
  });

  test("of a side that takes no bytes cuts it", async () => {
    const all = setUp({ capacityBytes: 1_000 });
    all.state.isBusy = true;
    all.open();
    await settle();
    all.client.pause();
    all.server.write(Buffer.alloc(1_000));
    await settle();
    all.server.write(Buffer.alloc(1_000));
    await settle();
    await all.clock.advance(30_000);
    expect(all.state.gone).toBe(1);
    expect(all.serverEar.closes).toHaveLength(1);
    expect(all.clock.timers).toBe(0);
  });
});
