import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { Client } from "../../src/client/client.ts";
import { RpcError } from "../../src/errors.ts";
import { connect } from "../../src/xclient/connect.ts";
import { Program } from "../support/geerpc.ts";
import { Diary } from "./diary.ts";
import type { Work } from "./work.ts";

setDefaultTimeout(30_000);

const main = join(import.meta.dir, "../../src/main.ts");

/** A server of Work, as a process of its own. */
function startServer(): Program {
  return new Program([process.execPath, main, "server", "work.ts"], {
    cwd: import.meta.dir,
  });
}

async function lengthOf(items: AsyncIterable<unknown>): Promise<number> {
  let length = 0;
  for await (const _item of items) length++;
  return length;
}

/** Items that come once the diary says so. */
async function* after(diary: Diary, entry: string, count: number) {
  yield 0;
  await diary.until(entry);
  for (let number = 1; number < count; number++) yield number;
}

test("a server that gets SIGTERM ends the calls and the streams that it has taken, refuses the rest, and exits 0", async () => {
  await using server = startServer();
  await using client = await Client.dial(await server.listening());
  const remote = client.as<{ Work: Work }>().Work;
  const diary = new Diary();

  const waiting = remote.wait(undefined, { timeoutMs: 0 });
  const released = remote.release(after(diary, "draining", 5_000));
  // Far more than its window: it stands, half-sent, until it is read.
  const counted = (await remote.count(100_000))[Symbol.asyncIterator]();
  expect((await counted.next()).value).toBe(1);
  const echoed = await remote.echo(after(diary, "draining", 5_000));
  expect((await echoed.next()).value).toBe(0);

  let calls = 0;
  let refusal: RpcError | undefined;
  while (refusal === undefined) {
    try {
      expect(await remote.same(calls)).toBe(calls);
      if (++calls === 100) server.signal("SIGTERM");
    } catch (thrown) {
      refusal = RpcError.from(thrown);
    }
  }
  expect(calls).toBeGreaterThanOrEqual(100);
  expect(refusal).toMatchObject({ code: "unavailable", sent: false });
  expect(client.isAvailable).toBe(false);
  expect(client.inFlight).toBe(4);

  diary.write("draining");
  const counting = { [Symbol.asyncIterator]: () => counted };
  expect(
    await Promise.all([
      lengthOf(counting),
      lengthOf(echoed),
      released,
      waiting,
    ]),
  ).toEqual([99_999, 4_999, 5_000, "released"]);
  await client.closed;
  expect((await server.ended()).code).toBe(0);
});

test("of two servers one gets SIGTERM: no call and no stream is lost, and all go on at the other", async () => {
  await using first = startServer();
  await using second = startServer();
  const addresses = [await first.listening(), await second.listening()];
  await using xc = await connect<{ Work: Work }>(addresses, {
    mode: "round-robin",
  });
  let calls = 0;
  let isOver = false;
  const call = async (): Promise<void> => {
    const number = ++calls;
    if (number === 1_000) first.signal("SIGTERM");
    if (number % 10 > 0) expect(await xc.Work.same(number)).toBe(number);
    else expect(await lengthOf(xc.Work.count(500))).toBe(500);
  };
  const workers = Array.from({ length: 32 }, async () => {
    while (!isOver) await call();
  });
  const { code } = await first.ended();
  isOver = true;
  await Promise.all(workers);
  expect(code).toBe(0);
  expect(calls).toBeGreaterThan(1_000);
  const pids = await Promise.all(
    Array.from({ length: 10 }, () => xc.Work.pid()),
  );
  expect(new Set(pids)).toEqual(new Set([second.pid]));
});
