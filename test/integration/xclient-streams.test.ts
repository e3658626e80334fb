import { afterEach, beforeEach, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { Server } from "../../src/server/server.ts";
import { connect } from "../../src/xclient/connect.ts";
import { Diary } from "./diary.ts";
import { Streams } from "./streams.ts";

/** Streams, of which one that is told to take no argument streams refuses them as not started. */
class Picky extends Streams {
  static rpc = { inherited: true, methods: { total: { maxRunning: 0 } } };
}

const servers: Server[] = [];
const services: Streams[] = [];
let addresses: string[];

beforeEach(async () => {
  services.push(new Picky(), new Streams());
  for (const service of services) {
    servers.push(new Server().register(service, "Streams"));
  }
  addresses = await Promise.all(servers.map((server) => server.listen()));
});
afterEach(async () => {
  services.length = 0;
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

function dial(to: readonly string[]) {
  return connect<{ Streams: Streams }>(to, { mode: "round-robin" });
}

/** Calls of a method so far, by server. */
function callsOf(method: string): number[] {
  return servers.map((server) => {
    const methods = server.methods.get("Streams") ?? [];
    const found = methods.find(
      ({ serviceMethod }) => serviceMethod === `Streams.${method}`,
    );
    return found?.calls ?? -1;
  });
}

async function* numbers(to: number, diary = new Diary()) {
  diary.write("begun");
  try {
    for (let number = 1; number <= to; number++) yield number;
  } finally {
    diary.write("ended");
  }
}

async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

test("streams of each kind go over an XClient, to one server after the other", async () => {
  await using xc = await dial(addresses);
  expect(await listOf(xc.Streams.count(3))).toEqual([1, 2, 3]);
  expect(await listOf(xc.Streams.count(4))).toEqual([1, 2, 3, 4]);
  expect(callsOf("count")).toEqual([1, 1]);
  expect(await listOf(xc.Streams.echo(numbers(5)))).toEqual([1, 2, 3, 4, 5]);
  await expect(listOf(xc.Streams.failing(2))).rejects.toMatchObject({
    code: "data_loss",
    details: { count: 2 },
  });
  for await (const number of xc.Streams.count(1e9)) if (number === 3) break;
  await Promise.race(
    services.map(({ diary }) => diary.until("count ended", 2)),
  );
});

test("an argument of which nothing was read goes to another server", async () => {
  const gone = new Server();
  const nobody = await gone.listen();
  await gone.close();
  await using xc = await dial([nobody, addresses[1] as string]);
  const diary = new Diary();
  for (let round = 0; round < 4; round++) {
    // Unlike a generator it begins anew for each who asks.
    const items = { [Symbol.asyncIterator]: () => numbers(4, diary) };
    expect(await xc.Streams.total(items)).toBe(10);
  }
  expect(callsOf("total")).toEqual([0, 4]);
  expect(diary.entries).toEqual(
    Array.from({ length: 4 }, () => ["begun", "ended"]).flat(),
  );
});

test("one of which something was read does not, and is ended", async () => {
  await using xc = await dial(addresses);
  const diary = new Diary();
  const outcomes = await Promise.all(
    [1, 2].map(() =>
      xc.Streams.total(numbers(4, diary)).catch((thrown) => thrown),
    ),
  );
  // One of them came to the server that refuses it.
  expect(outcomes).toContain(10);
  const error = outcomes.find((outcome) => outcome instanceof RpcError);
  expect(error).toMatchObject({ code: "resource_exhausted" });
  // Not to be tried again by others either.
  expect((error as RpcError).sent).not.toBe(false);
  await diary.until("ended", 2);
  expect(diary.entries.filter((entry) => entry === "begun")).toHaveLength(2);
  expect(callsOf("total")).toEqual([0, 1]);
});

test("a call without a stream goes on to the other server where it is refused", async () => {
  await using xc = await dial(addresses);
  const replies = [1, 2].map(() => xc.call("Streams.total", []));
  // A list is read as a stream is, and travels whole.
  expect(await Promise.all(replies)).toEqual([0, 0]);
  expect(callsOf("total")).toEqual([0, 2]);
});

test("a broadcast with a stream asks nobody", async () => {
  await using xc = await dial(addresses);
  const diary = new Diary();
  await expect(
    xc.broadcast("Streams.total", numbers(3, diary)),
  ).rejects.toMatchObject({ code: "invalid_argument", sent: false });
  await expect(
    xc.broadcastSettled("Streams.total", numbers(3, diary)),
  ).rejects.toMatchObject({ code: "invalid_argument", sent: false });
  expect(diary.entries).toEqual([]);
  expect(servers.map(({ connectionCount }) => connectionCount)).toEqual([0, 0]);
});

test("a broadcast whose replies are streams gives the first, and ends the others", async () => {
  await using xc = await dial(addresses);
  const items = await xc.broadcast<AsyncIterable<number>>(
    "Streams.count",
    20_000,
  );
  await Promise.race(services.map(({ diary }) => diary.until("count ended")));
  expect(await listOf(items)).toHaveLength(20_000);
  expect(Math.min(...services.map(({ yielded }) => yielded))).toBeLessThan(
    20_000,
  );
  await Promise.all(services.map(({ diary }) => diary.until("count ended")));
  const settled = await xc.broadcastSettled("Streams.count", 3);
  for (const outcome of settled.values()) {
    const { reply } = outcome as { reply: AsyncIterable<number> };
    expect(await listOf(reply)).toEqual([1, 2, 3]);
  }
});
