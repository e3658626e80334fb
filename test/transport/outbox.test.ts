import { describe, expect, test } from "bun:test";
import { Outbox } from "../../src/transport/outbox.ts";
import type { Pipe } from "../../src/transport/pipe.ts";
import type { SendBuffer } from "../../src/wire/send-buffer.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";

/** A pipe that takes what it is told to, and writes down each write. */
class MeteredPipe implements Pipe {
  readonly peer = "metered";
  readonly writes: string[] = [];
  shutdowns = 0;
  /** Bytes that it will take; the rest is refused. */
  room = Infinity;

  write(bytes: Uint8Array): number {
    const taken = Math.min(this.room, bytes.length);
    this.room -= taken;
    this.writes.push(Buffer.from(bytes.subarray(0, taken)).toString("latin1"));
    return taken;
  }

  shutdown(): void {
    this.shutdowns++;
  }

  attach(): void {}
  pause(): void {}
  resume(): void {}
  abort(): void {}
}

function setUp({
  lowBytes = 0,
  stallTimeoutMs = 10_000,
  waitsForTurn = false,
} = {}) {
  const clock = new ManualClock();
  const pipe = new MeteredPipe();
  const owner = {
    flushes: 0,
    stalls: 0,
    /** Messages that wait until little is queued. */
    held: [] as string[],
    refill(buffer: SendBuffer): void {
      const message = this.held.shift();
      if (message !== undefined) buffer.writeText(message);
    },
    flushed(): void {
      this.flushes++;
    },
    stalled(): void {
      this.stalls++;
    },
  };
  const outbox = new Outbox(pipe, owner, {
    clock,
    stallTimeoutMs,
    lowBytes,
    waitsForTurn,
  });
  const send = (text: string) => {
    outbox.buffer.writeText(text);
    outbox.schedule();
  };
  return { clock, pipe, owner, outbox, send };
}

describe("coalescing", () => {
  test("what is appended in one turn leaves in one write", async () => {
    const { pipe, outbox, owner, send } = setUp();
    for (const text of ["a", "b", "c"]) send(text);
    expect(pipe.writes).toEqual([]);
    expect(outbox.queuedBytes).toBe(3);
    await settle();
    expect(pipe.writes).toEqual(["abc"]);
    expect(owner.flushes).toBe(1);
    send("d");
    await settle();
    expect(pipe.writes).toEqual(["abc", "d"]);
    expect(outbox.queuedBytes).toBe(0);
  });

  test("16 messages of together 1 KiB leave at once", () => {
    const { pipe, send } = setUp();
    const message = "x".repeat(100);
    for (let count = 1; count < 16; count++) send(message);
    expect(pipe.writes).toEqual([]);
    send(message);
    expect(pipe.writes).toEqual([message.repeat(16)]);
  });

  test("so many wait where they are small", () => {
    const { pipe, send } = setUp();
    for (let count = 0; count < 40; count++) send("x".repeat(25));
    expect(pipe.writes).toEqual([]);
    send("x".repeat(24));
    expect(pipe.writes).toHaveLength(1);
  });

  test("each write of a turn is twice the one before, up to 8 KiB", async () => {
    const { pipe, send } = setUp();
    const lengths = () => pipe.writes.splice(0).map(({ length }) => length);
    for (let count = 0; count < 900; count++) send("x".repeat(32));
    const kib = 1024;
    const first = [kib, 2 * kib, 4 * kib, 8 * kib];
    expect(lengths()).toEqual([...first, 8 * kib]);
    await settle();
    expect(lengths()).toEqual([900 * 32 - 23 * kib]);
    for (let count = 0; count < 32; count++) send("x".repeat(32));
    expect(lengths()).toEqual([kib]);
  });

  test("16 messages make each of them", () => {
    const { pipe, send } = setUp();
    const message = "x".repeat(300);
    for (let count = 1; count < 32; count++) send(message);
    expect(pipe.writes).toHaveLength(1);
    send(message);
    expect(pipe.writes).toHaveLength(2);
  });

  test("few large ones leave together, up to 192 KiB", () => {
    const { pipe, send } = setUp();
    const message = "x".repeat(64 * 1024);
    send(message);
    send(message);
    expect(pipe.writes).toEqual([]);
    send(message);
    expect(pipe.writes).toEqual([message.repeat(3)]);
  });

  test("one that waits for the turn leaves at its end, in one write", async () => {
    const { pipe, send } = setUp({ waitsForTurn: true });
    send("a");
    await Promise.resolve();
    expect(pipe.writes).toEqual([]);
    send("b");
    await settle();
    expect(pipe.writes).toEqual(["ab"]);
  });

  test("one that may not wait takes along those that do, in order", async () => {
    const { outbox, pipe, send } = setUp({ waitsForTurn: true });
    send("a");
    outbox.buffer.writeText("b");
    outbox.schedule(false);
    await Promise.resolve();
    expect(pipe.writes).toEqual(["ab"]);
    send("c");
    expect(pipe.writes).toEqual(["ab"]);
    await settle();
    expect(pipe.writes).toEqual(["ab", "c"]);
  });

  test("the first write of a turn that ends late is a small one, too", async () => {
    const { pipe, send } = setUp({ waitsForTurn: true });
    for (let turn = 1; turn <= 2; turn++) {
      for (let count = 0; count < 33; count++) send("x".repeat(32));
      expect(pipe.writes.splice(0)).toEqual(["x".repeat(1024)]);
      await settle();
      expect(pipe.writes.splice(0)).toEqual(["x".repeat(32)]);
    }
  });

  test("nothing is written where nothing is queued", async () => {
    const { pipe, outbox, owner } = setUp();
    outbox.schedule();
    await settle();
    expect(pipe.writes).toEqual([]);
    expect(owner.flushes).toBe(1);
  });

  test("counts what the kernel took, and where the next byte will stand", async () => {
    const { outbox, pipe, send } = setUp();
    send("abc");
    expect([outbox.takenBytes, outbox.position]).toEqual([0, 3]);
    await settle();
    expect([outbox.takenBytes, outbox.position]).toEqual([3, 3]);
    pipe.room = 1;
    send("de");
    await settle();
    expect([outbox.takenBytes, outbox.position]).toEqual([4, 5]);
  });
});

describe("backpressure", () => {
  test("what was refused stays, in order, until drain", async () => {
    const { pipe, outbox, send } = setUp();
    pipe.room = 2;
    send("abcd");
    await settle();
    send("ef");
    send("x".repeat(8_192));
    await settle();
    expect(pipe.writes).toEqual(["ab"]);
    pipe.room = 3;
    outbox.drain();
    expect(pipe.writes).toEqual(["ab", "cde"]);
    pipe.room = Infinity;
    outbox.drain();
    expect(pipe.writes.join("")).toBe(`abcdef${"x".repeat(8_192)}`);
    expect(outbox.queuedBytes).toBe(0);
  });

  test("a drain that nobody waited for does nothing", () => {
    const { outbox, owner, pipe } = setUp();
    outbox.buffer.writeText("a");
    outbox.drain();
    expect(pipe.writes).toEqual([]);
    expect(owner.flushes).toBe(0);
  });

  test("the owner is told after each flush, also a short one", async () => {
    const { outbox, owner, pipe, send } = setUp();
    pipe.room = 1;
    send("ab");
    await settle();
    expect(owner.flushes).toBe(1);
    pipe.room = 1;
    outbox.drain();
    expect(owner.flushes).toBe(2);
  });
});

describe("refill", () => {
  test("is asked for while little is queued, until there is no more", async () => {
    const { owner, pipe, send } = setUp({ lowBytes: 4 });
    owner.held = ["1111", "2222", "3333"];
    send("a");
    await settle();
    expect(pipe.writes).toEqual(["a1111", "2222", "3333"]);
  });

  test("is not asked for while enough is queued", async () => {
    const { outbox, owner, pipe, send } = setUp({ lowBytes: 4 });
    owner.held = ["1111"];
    pipe.room = 0;
    send("abcd");
    await settle();
    expect(owner.held).toHaveLength(1);
    send("ef");
    pipe.room = Infinity;
    outbox.drain();
    expect(pipe.writes).toEqual(["", "abcdef", "1111"]);
  });
});

describe("a peer that takes nothing", () => {
  test("is told of after the stall timeout, once", async () => {
    const { clock, owner, pipe, send } = setUp();
    pipe.room = 0;
    send("a");
    await clock.advance(9_999);
    expect(owner.stalls).toBe(0);
    await clock.advance(1);
    expect(owner.stalls).toBe(1);
    await clock.advance(60_000);
    expect(owner.stalls).toBe(1);
    expect(clock.timers).toBe(0);
  });

  test("each byte that it takes starts the time again", async () => {
    const { clock, outbox, owner, pipe, send } = setUp();
    pipe.room = 1;
    send("abcd");
    for (let took = 0; took < 2; took++) {
      await clock.advance(9_000);
      pipe.room = 1;
      outbox.drain();
    }
    await clock.advance(9_999);
    expect(owner.stalls).toBe(0);
    await clock.advance(1);
    expect(owner.stalls).toBe(1);
  });

  test("so does a write that took all, before one that took nothing", async () => {
    const { clock, outbox, owner, pipe, send } = setUp({ lowBytes: 4 });
    pipe.room = 1;
    send("abcd");
    await clock.advance(9_000);
    owner.held = ["1111"];
    pipe.room = 3;
    outbox.drain();
    expect(outbox.queuedBytes).toBe(4);
    await clock.advance(9_999);
    expect(owner.stalls).toBe(0);
    await clock.advance(1);
    expect(owner.stalls).toBe(1);
  });

  test("a drain without a byte does not", async () => {
    const { clock, outbox, owner, pipe, send } = setUp();
    pipe.room = 0;
    send("a");
    await clock.advance(9_000);
    outbox.drain();
    await clock.advance(1_000);
    expect(owner.stalls).toBe(1);
  });

  test("once all was taken, there is nothing to tell", async () => {
    const { clock, outbox, owner, pipe, send } = setUp();
    pipe.room = 0;
    send("a");
    await clock.advance(9_000);
    pipe.room = Infinity;
    outbox.drain();
    await clock.advance(60_000);
    expect(owner.stalls).toBe(0);
  });
});

describe("the end", () => {
  test("shutdown comes behind all that is queued", async () => {
    const { outbox, pipe, send } = setUp();
    pipe.room = 1;
    send("abc");
    outbox.shutdown();
    expect(pipe.writes).toEqual(["a"]);
    expect(pipe.shutdowns).toBe(0);
    pipe.room = Infinity;
    outbox.drain();
    expect(pipe.writes).toEqual(["a", "bc"]);
    expect(pipe.shutdowns).toBe(1);
  });

  test("shutdown comes behind what waited for room, too", () => {
    const { outbox, owner, pipe } = setUp({ lowBytes: 4 });
    owner.held = ["1111", "2222"];
    outbox.shutdown();
    expect(pipe.writes).toEqual(["1111", "2222"]);
    expect(pipe.shutdowns).toBe(1);
  });

  test("a write that finds the pipe gone is the last", async () => {
    const { clock, outbox, owner, pipe, send } = setUp();
    const { write } = pipe;
    pipe.write = (bytes) => {
      outbox.close();
      return write.call(pipe, bytes.subarray(0, 1));
    };
    send("abc");
    await settle();
    expect(pipe.writes).toEqual(["a"]);
    expect(outbox.queuedBytes).toBe(0);
    expect([owner.flushes, clock.timers]).toEqual([0, 0]);
  });

  test("after close nothing is written, and no timer is left", async () => {
    const { clock, outbox, owner, pipe, send } = setUp();
    pipe.room = 0;
    send("a");
    await settle();
    outbox.close();
    expect(clock.timers).toBe(0);
    expect(outbox.queuedBytes).toBe(0);
    const { length } = pipe.writes;
    pipe.room = Infinity;
    send("b");
    outbox.drain();
    outbox.shutdown();
    await clock.advance(60_000);
    expect(pipe.writes).toHaveLength(length);
    expect([pipe.shutdowns, owner.stalls]).toEqual([0, 0]);
  });
});
