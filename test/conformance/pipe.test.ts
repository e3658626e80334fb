import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAddress } from "../../src/transport/address.ts";
import { dialPipe } from "../../src/transport/dial.ts";
import { listenPipes } from "../../src/transport/listen.ts";
import { memoryPipe } from "../../src/transport/memory.ts";
import type { Pipe } from "../../src/transport/pipe.ts";
import { settle } from "../support/manual-clock.ts";
import { PipeEar, writeAll } from "../support/pipe-ear.ts";

/** Opens a pipe and gives both of its ends, to which nobody is attached. */
export type PipeFactory = () => Promise<[near: Pipe, far: Pipe]>;

const mib = 1024 * 1024;

/** Bytes of which no two stretches are alike, so that a lost or moved one shows. */
function pattern(length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let at = 0; at < words.length; at++) {
    words[at] = Math.imul(at, 0x9e3779b1);
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** What every pipe does; see the contract above `Pipe`. */
export function describePipe(name: string, open: PipeFactory): void {
  describe(`every pipe: ${name}`, () => {
    async function setUp() {
      const [near, far] = await open();
      const [nearEar, farEar] = [new PipeEar(), new PipeEar()];
      near.attach(nearEar);
      far.attach(farEar);
      return { near, far, nearEar, farEar };
    }

    test("bytes arrive in the order in which they were written, in both directions", async () => {
      const { near, far, nearEar, farEar } = await setUp();
      const bytes = pattern(100_000);
      for (let at = 0; at < bytes.length; at += 1_000) {
        const part = bytes.subarray(at, at + 1_000);
        await Promise.all([
          writeAll(near, nearEar, part),
          writeAll(far, farEar, part),
        ]);
      }
      await farEar.until(() => farEar.byteCount >= bytes.length);
      await nearEar.until(() => nearEar.byteCount >= bytes.length);
      expect(farEar.bytes.equals(bytes)).toBe(true);
      expect(nearEar.bytes.equals(bytes)).toBe(true);
      near.abort();
    });

    test("what was written may be changed afterwards", async () => {
      const { near, farEar } = await setUp();
      const bytes = Buffer.from("as it was");
      near.write(bytes);
      bytes.fill(0);
      await farEar.until(() => farEar.byteCount === bytes.length);
      expect(farEar.bytes.toString()).toBe("as it was");
      near.abort();
    });

    test("a chunk is its receiver's to keep", async () => {
      const { near, farEar } = await setUp();
      near.write(Buffer.from("first"));
      await farEar.until(() => farEar.byteCount === 5);
      const [chunk] = farEar.chunks;
      near.write(Buffer.from("other"));
      await farEar.until(() => farEar.byteCount === 10);
      expect(Buffer.from(chunk as Uint8Array).toString()).toBe("first");
      near.abort();
    });

    test("a reader that pauses makes writes short; drain says when there is room", async () => {
      const { near, far, nearEar, farEar } = await setUp();
      far.pause();
      const bytes = pattern(16 * mib);
      const taken = near.write(bytes);
      expect(taken).toBeLessThan(bytes.length);
      await settle();
      expect(farEar.byteCount).toBe(0);
      // The kernel may have moved some of it on.
      const drainsBefore = nearEar.drains;
      const more = near.write(bytes.subarray(taken));
      expect(taken + more).toBeLessThan(bytes.length);
      far.resume();
      await nearEar.until(() => nearEar.drains > drainsBefore);
      await writeAll(near, nearEar, bytes.subarray(taken + more));
      await farEar.until(() => farEar.byteCount === bytes.length);
      expect(farEar.bytes.equals(bytes)).toBe(true);
      near.abort();
    });

    test("one short write, one drain; and never an empty chunk", async () => {
      const { near, far, nearEar, farEar } = await setUp();
      far.pause();
      const bytes = pattern(16 * mib);
      let taken = 0;
      for (let more = 1; more > 0; taken += more) {
        more = near.write(bytes.subarray(taken));
      }
      far.resume();
      await farEar.until(() => farEar.byteCount === taken);
      await nearEar.until(() => nearEar.drains > 0);
      await settle();
      expect(nearEar.drains).toBe(1);
      expect(farEar.chunks.every(({ length }) => length > 0)).toBe(true);
      near.abort();
    });

    test("shutdown ends one direction only, and both together the pipe", async () => {
      const { near, far, nearEar, farEar } = await setUp();
      near.write(Buffer.from("question"));
      near.shutdown();
      await farEar.until(() => farEar.ends === 1);
      expect(farEar.bytes.toString()).toBe("question");
      expect(near.write(Buffer.from("late"))).toBe(0);
      const answer = pattern(mib);
      await writeAll(far, farEar, answer);
      far.shutdown();
      await nearEar.until(() => nearEar.closes.length > 0);
      await farEar.until(() => farEar.closes.length > 0);
      expect(nearEar.bytes.equals(answer)).toBe(true);
      expect(farEar.bytes.toString()).toBe("question");
      expect(farEar.ends).toBe(1);
      expect(nearEar.closes).toEqual([undefined]);
      expect(farEar.closes).toEqual([undefined]);
    });

    test("a shutdown that follows much loses nothing, though the slow reader has sent its own", async () => {
      const { near, far, nearEar, farEar } = await setUp();
      far.shutdown();
      await nearEar.until(() => nearEar.ends === 1);
      far.pause();
      farEar.onEvent = () => {
        if (farEar.ends + farEar.closes.length > 0) return;
        // Slow: one chunk a turn of the loop.
        far.pause();
        setImmediate(() => far.resume());
      };
      const bytes = pattern(4 * mib);
      const written = writeAll(near, nearEar, bytes);
      far.resume();
      await written;
      near.shutdown();
      await farEar.until(() => farEar.closes.length > 0);
      expect(farEar.bytes.equals(bytes)).toBe(true);
      expect(farEar.closes).toEqual([undefined]);
      expect(nearEar.closes).toEqual([undefined]);
    });

    test("one that is shut down while it is paused still sees the other's end", async () => {
      const { near, far, nearEar, farEar } = await setUp();
      near.pause();
      far.write(Buffer.from("unread"));
      far.shutdown();
      await settle();
      near.shutdown();
      await nearEar.until(() => nearEar.closes.length > 0);
      await farEar.until(() => farEar.closes.length > 0);
      expect(nearEar.closes).toEqual([undefined]);
      expect(farEar.closes).toEqual([undefined]);
    });

    test("abort ends both directions, and each end is told once", async () => {
      const { near, far, nearEar, farEar } = await setUp();
      near.abort();
      expect(nearEar.closes).toEqual([undefined]);
      await farEar.until(() => farEar.closes.length > 0);
      for (const end of [near, far]) {
        expect(end.write(Buffer.from("x"))).toBe(0);
        end.pause();
        end.resume();
        end.shutdown();
        end.abort();
      }
      await settle();
      expect(nearEar.closes).toHaveLength(1);
      expect(farEar.closes).toHaveLength(1);
      expect(nearEar.chunks).toEqual([]);
      expect(farEar.chunks).toEqual([]);
    });

    test("a reader that paused is told of an abort, when it reads on at the latest", async () => {
      const { near, far, farEar } = await setUp();
      far.pause();
      near.write(Buffer.from("x"));
      near.abort();
      await settle();
      far.resume();
      await farEar.until(() => farEar.closes.length > 0);
      expect(farEar.closes).toHaveLength(1);
    });

    test("what comes before the first attach waits for it, in order", async () => {
      const [near, far] = await open();
      near.write(Buffer.from("early "));
      await settle();
      near.write(Buffer.from("bird"));
      near.shutdown();
      await settle();
      const farEar = new PipeEar();
      let atEnd = "";
      farEar.onEvent = () => {
        if (farEar.ends === 1 && atEnd === "") atEnd = farEar.bytes.toString();
      };
      far.attach(farEar);
      await farEar.until(() => farEar.ends === 1);
      expect(atEnd).toBe("early bird");
      far.abort();
    });

    test("so does the end of the pipe", async () => {
      const [near, far] = await open();
      near.abort();
      await settle();
      const [nearEar, farEar] = [new PipeEar(), new PipeEar()];
      near.attach(nearEar);
      far.attach(farEar);
      await nearEar.until(() => nearEar.closes.length > 0);
      await farEar.until(() => farEar.closes.length > 0);
      await settle();
      expect(nearEar.closes).toHaveLength(1);
      expect(farEar.closes).toHaveLength(1);
    });

    test("events go to whoever was attached last", async () => {
      const { near, far, farEar } = await setUp();
      near.write(Buffer.from("one"));
      await farEar.until(() => farEar.byteCount === 3);
      const next = new PipeEar();
      far.attach(next);
      near.write(Buffer.from("two"));
      near.shutdown();
      await next.until(() => next.ends === 1);
      far.abort();
      await next.until(() => next.closes.length > 0);
      expect(next.bytes.toString()).toBe("two");
      expect(farEar.bytes.toString()).toBe("one");
      expect([farEar.ends, farEar.closes.length]).toEqual([0, 0]);
    });

    test("a handler that hands over at its first chunk gets no second one", async () => {
      const [near, far] = await open();
      near.write(Buffer.from("one"));
      await settle();
      near.write(Buffer.from("two"));
      await settle();
      const [first, second] = [new PipeEar(), new PipeEar()];
      first.onEvent = () => far.attach(second);
      far.attach(first);
      await second.until(() => second.byteCount === 3);
      expect(first.bytes.toString()).toBe("one");
      expect(second.bytes.toString()).toBe("two");
      near.abort();
    });

    test("says who is at the other end", async () => {
      const { near, far } = await setUp();
      expect(near.peer).toMatch(/./);
      expect(far.peer).toMatch(/./);
      near.abort();
    });
  });
}

const folder = mkdtempSync(join(tmpdir(), "geerpc-pipe-"));
afterAll(() => rmSync(folder, { recursive: true }));
let sockets = 0;

/** Over real sockets of this machine. */
async function openSockets(text: string): Promise<[Pipe, Pipe]> {
  const accepted = Promise.withResolvers<Pipe>();
  const listener = await listenPipes(parseAddress(text), accepted.resolve);
  const near = await dialPipe(parseAddress(listener.address), { timeoutMs: 0 });
  const far = await accepted.promise;
  listener.close();
  return [near, far];
}

const openTcp = () => openSockets("tcp@127.0.0.1:0");
const openUnix = () => openSockets(`unix@${folder}/${sockets++}.sock`);
const swapped = (open: PipeFactory) => async (): Promise<[Pipe, Pipe]> => {
  const [near, far] = await open();
  return [far, near];
};

describePipe("memory", async () => memoryPipe());
describePipe("memory, of little room", async () =>
  memoryPipe({ capacityBytes: 100_000 }),
);
describePipe("tcp", openTcp);
describePipe("tcp, seen from the accepting end", swapped(openTcp));
describePipe("unix", openUnix);
describePipe("unix, seen from the accepting end", swapped(openUnix));
