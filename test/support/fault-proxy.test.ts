import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { parseAddress } from "../../src/transport/address.ts";
import { dialPipe } from "../../src/transport/dial.ts";
import { type Listener, listenPipes } from "../../src/transport/listen.ts";
import type { Pipe } from "../../src/transport/pipe.ts";
import { FaultProxy, type ProxiedConnection } from "./fault-proxy.ts";
import { ManualClock } from "./manual-clock.ts";
import { PipeEar, writeAll } from "./pipe-ear.ts";

/** One end of a connection through the proxy. */
interface End {
  pipe: Pipe;
  ear: PipeEar;
}

let clock: ManualClock;
let listener: Listener;
let proxy: FaultProxy;
let accepting: PromiseWithResolvers<End>;

beforeEach(async () => {
  clock = new ManualClock();
  accepting = Promise.withResolvers();
  listener = await listenPipes(parseAddress("tcp@127.0.0.1:0"), (pipe) => {
    const { resolve } = accepting;
    accepting = Promise.withResolvers();
    resolve(heard(pipe));
  });
  proxy = new FaultProxy(listener.address, clock);
});
afterEach(async () => {
  await proxy.close();
  expect(proxy.connections).toEqual([]);
  expect(clock.timers).toBe(0);
  listener.close();
});

function heard(pipe: Pipe): End {
  const ear = new PipeEar();
  pipe.attach(ear);
  return { pipe, ear };
}

async function dial(): Promise<End> {
  return heard(await dialPipe(parseAddress(proxy.address), { timeoutMs: 0 }));
}

/** Both ends of a connection, and the proxy's part of it. */
async function connected() {
  const { promise } = accepting;
  const near = await dial();
  const far = await promise;
  const link = proxy.connections.at(-1) as ProxiedConnection;
  return { near, far, link };
}

const hello = Buffer.from("hello");

describe("without a fault", () => {
  test("bytes go both ways, as many as they are", async () => {
    const { near, far } = await connected();
    const bytes = crypto.getRandomValues(new Uint8Array(65_536));
    const many = Buffer.concat(Array<Uint8Array>(64).fill(bytes));
    await Promise.all([
      writeAll(near.pipe, near.ear, many),
      writeAll(far.pipe, far.ear, many),
    ]);
    for (const { ear } of [near, far]) {
      await ear.until(() => ear.byteCount === many.length);
      expect(ear.bytes.equals(many)).toBe(true);
    }
  });

  test("an end comes behind the bytes, and the other way goes on", async () => {
    const { near, far, link } = await connected();
    near.pipe.write(hello);
    near.pipe.shutdown();
    await far.ear.until(() => far.ear.ends === 1);
    expect(far.ear.bytes).toEqual(hello);
    far.pipe.write(hello);
    far.pipe.shutdown();
    await near.ear.until(() => near.ear.closes.length === 1);
    expect(near.ear.bytes).toEqual(hello);
    await link.closed;
    expect(near.ear.closes).toEqual([undefined]);
    expect(far.ear.closes).toEqual([undefined]);
  });

  test("a reset comes as one", async () => {
    const { near, far, link } = await connected();
    near.pipe.abort();
    await far.ear.until(() => far.ear.closes.length === 1);
    expect(far.ear.closes[0]).toMatchObject({ code: "unavailable" });
    await link.closed;
  });

  test("one that does not read slows the one that writes", async () => {
    const { near, far, link } = await connected();
    far.pipe.pause();
    const bytes = new Uint8Array(1024 * 1024);
    let count = 0;
    // Until the kernels are full, and the proxy, too.
    await new Promise<void>((resolve) => {
      const write = () => {
        for (;;) {
          const taken = near.pipe.write(bytes);
          count += taken;
          if (taken < bytes.length) break;
        }
        if (link.up.receivedBytes - link.up.passedBytes >= bytes.length) {
          resolve();
        } else setImmediate(write);
      };
      write();
    });
    const held = link.up.receivedBytes - link.up.passedBytes;
    expect(held).toBeLessThan(2 * 1024 * 1024);
    far.pipe.resume();
    await far.ear.until(() => far.ear.byteCount === count);
  });

  test("what comes before the target is reached waits for it", async () => {
    // To resolve a name takes longer than to accept.
    const target = listener.address.replace("127.0.0.1", "localhost");
    await proxy.close();
    proxy = new FaultProxy(target, clock);
    const { promise } = accepting;
    const near = await dial();
    near.pipe.write(hello);
    const { ear } = await promise;
    await ear.until(() => ear.byteCount === 5);
  });

  test("closed, it is not there any more", async () => {
    await connected();
    await proxy.close();
    const failed = await dial().catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: "unavailable", sent: false });
  });

  test("where nobody listens, who dials is reset", async () => {
    listener.close();
    const { ear } = await dial();
    await ear.until(() => ear.closes.length === 1);
    expect(ear.closes[0]).toMatchObject({ code: "unavailable" });
  });
});

describe("faults", () => {
  test("latency: bytes and the end come so much later", async () => {
    proxy.set({ latencyMs: 100 }, "up");
    const { near, far, link } = await connected();
    near.pipe.write(hello);
    await proxy.until(() => link.up.receivedBytes === 5);
    await clock.advance(99);
    expect(link.up.passedBytes).toBe(0);
    await clock.advance(1);
    expect(link.up.passedBytes).toBe(5);
    await far.ear.until(() => far.ear.byteCount === 5);
    far.pipe.write(hello);
    await near.ear.until(() => near.ear.byteCount === 5);
    near.pipe.shutdown();
    near.pipe.write(hello);
    link.halfClose("up");
    await clock.advance(99);
    expect(far.ear.ends).toBe(0);
    await clock.advance(1);
    await far.ear.until(() => far.ear.ends === 1);
  });

  test("bandwidth: so many bytes a second", async () => {
    proxy.set({ bytesPerSecond: 10_000 });
    const { near, far, link } = await connected();
    near.pipe.write(new Uint8Array(1_000));
    await proxy.until(() => link.up.receivedBytes === 1_000);
    expect(link.up.passedBytes).toBe(100);
    await clock.advance(9);
    expect(link.up.passedBytes).toBe(100);
    await clock.advance(1);
    expect(link.up.passedBytes).toBe(200);
    await clock.advance(80);
    await far.ear.until(() => far.ear.byteCount === 1_000);
    expect(link.up.passedBytes).toBe(1_000);
  });

  test("slicing: no write has more, and each a turn of its own", async () => {
    proxy.set({ sliceBytes: 2 });
    const { near, far, link } = await connected();
    let turn = 0;
    const count = () => {
      turn++;
      turns = setImmediate(count);
    };
    let turns = setImmediate(count);
    const passedIn = new Map<number, number>();
    void proxy.until(() => {
      if (link.up.passedBytes > 0) passedIn.set(turn, link.up.passedBytes);
      return false;
    });
    near.pipe.write(hello);
    await far.ear.until(() => far.ear.byteCount === 5);
    clearImmediate(turns);
    expect([...passedIn.values()]).toEqual([2, 4, 5]);
    expect(far.ear.bytes).toEqual(hello);
  });

  test("silence: nothing comes, one way or both, until it is over", async () => {
    const { near, far, link } = await connected();
    link.set({ isSilent: true }, "up");
    near.pipe.write(hello);
    far.pipe.write(hello);
    await near.ear.until(() => near.ear.byteCount === 5);
    await proxy.until(() => link.up.receivedBytes === 5);
    link.set({ isSilent: true });
    far.pipe.shutdown();
    far.pipe.write(hello);
    await clock.advance(60_000);
    expect(link.up.passedBytes).toBe(0);
    expect(far.ear.byteCount).toBe(0);
    link.set({ isSilent: false });
    await far.ear.until(() => far.ear.byteCount === 5);
    await near.ear.until(() => near.ear.ends === 1);
  });

  test("silence: who gives up is not noticed until it is over", async () => {
    const { near, far, link } = await connected();
    link.set({ isSilent: true });
    near.pipe.abort();
    const { down } = link;
    // Once the proxy knows, what comes for it is lost.
    for (let sentBytes = 5; down.lostBytes === 0; sentBytes += 5) {
      far.pipe.write(hello);
      await proxy.until(
        () => down.receivedBytes + down.lostBytes === sentBytes,
      );
    }
    expect(far.ear.closes).toEqual([]);
    link.set({ isSilent: false });
    await far.ear.until(() => far.ear.closes.length === 1);
    expect(far.ear.closes[0]).toMatchObject({ code: "unavailable" });
  });

  test("half-close: one end is told, and what comes behind is lost", async () => {
    const { near, far, link } = await connected();
    near.pipe.write(hello);
    await proxy.until(() => link.up.receivedBytes === 5);
    link.halfClose("up");
    link.halfClose("up");
    await far.ear.until(() => far.ear.ends === 1);
    near.pipe.write(hello);
    await proxy.until(() => link.up.lostBytes === 5);
    far.pipe.write(hello);
    await near.ear.until(() => near.ear.byteCount === 5);
    expect(far.ear.bytes).toEqual(hello);
    expect(near.ear.ends).toBe(0);
  });

  test("reset: both ends are, also behind silence", async () => {
    const { near, far, link } = await connected();
    link.set({ isSilent: true });
    link.reset();
    for (const { ear } of [near, far]) {
      await ear.until(() => ear.closes.length === 1);
      expect(ear.closes[0]).toMatchObject({ code: "unavailable" });
    }
    await link.closed;
    expect(proxy.connections).toEqual([]);
  });

  test("are of one connection, or of all and those to come", async () => {
    const first = await connected();
    const second = await connected();
    first.link.set({ isSilent: true });
    first.near.pipe.write(hello);
    second.near.pipe.write(hello);
    await second.far.ear.until(() => second.far.ear.byteCount === 5);
    await proxy.until(() => first.link.up.receivedBytes === 5);
    expect(first.link.up.passedBytes).toBe(0);
    proxy.set({ isSilent: true });
    const near = await dial();
    near.pipe.write(hello);
    await proxy.until(() => proxy.connections[2]?.up.receivedBytes === 5);
    expect(proxy.connections[2]?.up.passedBytes).toBe(0);
    proxy.set({ isSilent: false });
    await first.far.ear.until(() => first.far.ear.byteCount === 5);
    await proxy.until(() => proxy.connections[2]?.up.passedBytes === 5);
    expect(proxy.acceptedCount).toBe(3);
  });
});
