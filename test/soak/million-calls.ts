import { heapStats } from "bun:jsc";
import { getEventListeners } from "node:events";
import { Client } from "../../src/client/client.ts";
import { Server } from "../../src/server/server.ts";
import { CountingClock } from "./counting-clock.ts";
import { report } from "./figures.ts";
import { settle } from "./process.ts";

const count = 1_000_000;
const inFlight = 256;

class Calls {
  sum({ a, b }: { a: number; b: number }) {
    return a + b;
  }
  /** Answers in a turn of its own. */
  async late({ a, b }: { a: number; b: number }) {
    await new Promise((resolve) => setImmediate(resolve));
    return a + b;
  }
  fail() {
    throw new Error("as it was asked to");
  }
  async *numbers() {
    for (let n = 0; n < 3; n++) yield n;
  }
}

/**
 * A million calls between two ends in this process, with time limits, signals
 * that live on, cancels, failures and streams among them: what is still there
 * afterwards that was not before.
 */
export async function millionCalls(total = count): Promise<void> {
  const clock = new CountingClock();
  await using server = new Server({ clock }).register(new Calls());
  await using client = await Client.dial(await server.listen(), { clock });
  const remote = client.as<{ Calls: Calls }>().Calls;
  // One that lives on, as that of a program's end does.
  const { signal } = new AbortController();
  const call = async (number: number): Promise<unknown> => {
    const args = { a: number, b: 1 };
    switch (number % 8) {
      case 0:
        return remote.late(args, { timeoutMs: 60_000 });
      case 1:
        return remote.sum(args, { signal });
      case 2:
        return remote.late(args, { signal, timeoutMs: 60_000 });
      case 3:
        return remote.fail().catch(() => {});
      case 4: {
        const giving = new AbortController();
        const given = remote.late(args, { signal: giving.signal });
        giving.abort();
        return given.catch(() => {});
      }
      case 5:
        return client.notify("Calls.sum", args);
      case 6:
        if (number % 80 !== 6) return remote.sum(args);
        for await (const n of remote.numbers(undefined, { signal })) {
          if (n === number % 3) break;
        }
        return undefined;
      default:
        return remote.sum(args);
    }
  };
  const run = async (calls: number) => {
    let next = 0;
    const place = async () => {
      while (next < calls) await call(next++);
    };
    await Promise.all(Array.from({ length: inFlight }, place));
  };
  await run(20_000);
  await settle();
  const before = { timers: clock.timers, ...heapStats() };
  await run(total);
  await settle();
  const after = { timers: clock.timers, ...heapStats() };
  const most = (figure: string, left: number, atMost: number, unit: string) =>
    report(
      `after ${total.toLocaleString("en-US")} calls, ${figure}`,
      left,
      { atMost },
      unit,
    );
  most("timers more", after.timers - before.timers, 0, "timers");
  most("in flight", client.inFlight, 0, "calls");
  most(
    "on a signal that lives on",
    getEventListeners(signal, "abort").length,
    0,
    "listeners",
  );
  most(
    "objects more",
    after.objectCount - before.objectCount,
    1_000,
    "objects",
  );
}
