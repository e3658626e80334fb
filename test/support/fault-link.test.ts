import { expect, test } from "bun:test";
import { FaultLink, noFaults } from "./fault-link.ts";
import { ManualClock } from "./manual-clock.ts";

const hello = Buffer.from("hello");

/** A link between sockets that are none: what it does to them is written down. */
function setUp() {
  const clock = new ManualClock();
  const told: string[] = [];
  const socket = { room: Infinity };
  const link = new FaultLink(
    {
      write(bytes) {
        const taken = Math.min(bytes.length, socket.room);
        told.push(`wrote ${taken}`);
        return taken;
      },
      shutdown: () => void told.push("shutdown"),
      reset: () => void told.push("reset"),
      readOn: (mayRead) => void told.push(mayRead ? "resume" : "pause"),
      passed() {},
    },
    clock,
    noFaults,
  );
  return { clock, told, socket, link };
}

test("what a socket does not take waits for its room", () => {
  const { told, socket, link } = setUp();
  socket.room = 2;
  link.push(hello);
  link.end();
  expect(told).toEqual(["wrote 2"]);
  socket.room = 5;
  link.drain();
  expect(told).toEqual(["wrote 2", "wrote 3", "shutdown"]);
});

test("an end is passed once, and what comes behind is lost", () => {
  const { told, link } = setUp();
  link.end();
  link.end();
  link.push(hello);
  expect(told).toEqual(["shutdown"]);
  expect(link.lostBytes).toBe(5);
});

test("a reset overtakes what is on its way, but not silence", () => {
  const { clock, told, link } = setUp();
  link.set({ latencyMs: 10 });
  link.push(hello);
  link.set({ isSilent: true });
  link.reset();
  expect(told).toEqual([]);
  link.set({ isSilent: false });
  expect(told).toEqual(["reset"]);
  expect(clock.timers).toBe(0);
});

test("stopped, it drops what is on its way, and leaves no timer", async () => {
  const { clock, told, link } = setUp();
  link.set({ latencyMs: 10 });
  link.push(hello);
  expect(clock.timers).toBe(1);
  link.stop();
  expect(clock.timers).toBe(0);
  link.push(hello);
  link.end();
  link.reset();
  await clock.advance(10);
  expect(told).toEqual([]);
});

test("pauses its sender while a mebibyte waits", () => {
  const { told, socket, link } = setUp();
  socket.room = 0;
  link.push(new Uint8Array(1024 * 1024 - 1));
  link.push(new Uint8Array(1));
  expect(told).toEqual(["wrote 0", "pause"]);
  socket.room = 1;
  link.drain();
  expect(told).toEqual(["wrote 0", "pause", "wrote 1", "resume"]);
});
