import { describe, expect, test } from "bun:test";
import { isAsyncIterable } from "../../src/base/async-values.ts";
import { Client } from "../../src/client/client.ts";
import { RpcError } from "../../src/errors.ts";
import { Server } from "../../src/server/server.ts";
import type { Context } from "../../src/service/context.ts";
import type { Interceptor } from "../../src/service/interceptor.ts";
import { connect } from "../../src/xclient/connect.ts";
import { Diary } from "./diary.ts";
import { Streams } from "./streams.ts";

interface SetUp {
  ofClient?: Interceptor[];
  ofServer?: Interceptor[];
}

async function setUp({ ofClient = [], ofServer = [] }: SetUp) {
  const service = new Streams();
  const server = new Server({ interceptors: ofServer }).register(service);
  const address = await server.listen();
  const client = await Client.dial(address, { interceptors: ofClient });
  return {
    service,
    address,
    client,
    remote: client.as<{ Streams: Streams }>().Streams,
    async [Symbol.asyncDispose]() {
      await client.close();
      await server.close();
    },
  };
}

/** Writes down when a call comes by, and when it is back. */
function note(diary: Diary, name: string): Interceptor {
  return async (call, next) => {
    diary.write(`${name} ${call.side} ${call.serviceMethod}`);
    try {
      return await next(call);
    } finally {
      diary.write(`${name} back`);
    }
  };
}

/** The reply with each item of it, where it is a stream, changed. */
function eachItem(change: (item: unknown) => unknown): Interceptor {
  return async (call, next) => {
    const reply = await next(call);
    return isAsyncIterable(reply) ? changed(reply, change) : reply;
  };
}

async function* changed(
  items: AsyncIterable<unknown>,
  change: (item: unknown) => unknown,
) {
  for await (const item of items) yield change(item);
}

async function listOf(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const list: unknown[] = [];
  for await (const item of items) list.push(item);
  return list;
}

async function* numbers(to: number) {
  for (let number = 1; number <= to; number++) yield number;
}

const token = "a secret";

const authenticate: Interceptor = (call, next) => {
  if (call.metadata.get("authorization") === token) return next(call);
  throw new RpcError("unauthenticated", "no such token");
};

const authorize: Interceptor = (call, next) => {
  const metadata = new Map(call.metadata).set("authorization", token);
  return next({ ...call, metadata });
};

test("the first of a list is the outermost, at both ends, around calls and streams", async () => {
  const diary = new Diary();
  await using both = await setUp({
    ofClient: [note(diary, "a"), note(diary, "b")],
    ofServer: [note(diary, "c"), note(diary, "d")],
  });
  const path = (serviceMethod: string) => [
    `a client ${serviceMethod}`,
    `b client ${serviceMethod}`,
    `c server ${serviceMethod}`,
    `d server ${serviceMethod}`,
    "d back",
    "c back",
    "b back",
    "a back",
  ];
  expect(await both.remote.same(1)).toBe(1);
  expect(diary.entries.splice(0)).toEqual(path("Streams.same"));
  expect(await listOf(both.remote.count(2))).toEqual([1, 2]);
  expect(diary.entries.splice(0)).toEqual(path("Streams.count"));
  expect(await both.remote.total(numbers(3))).toBe(6);
  expect(diary.entries.splice(0)).toEqual(path("Streams.total"));
  await both.client.go("Streams.same").done;
  expect(diary.entries.splice(0)).toEqual(path("Streams.same"));
  await both.client.notify("Streams.same");
  await diary.until("c back");
  expect(diary.entries.toSorted()).toEqual(path("Streams.same").toSorted());
});

describe("a server asks for a token in the metadata", () => {
  test("a client that adds it is served", async () => {
    await using both = await setUp({
      ofClient: [authorize],
      ofServer: [authenticate],
    });
    expect(await both.remote.same(1)).toBe(1);
    expect(await listOf(both.remote.echo(numbers(3)))).toEqual([1, 2, 3]);
    const metadata = { other: "kept" };
    expect(await both.remote.same(2, { metadata })).toBe(2);
  });

  test("one that does not gets no handler to run", async () => {
    await using both = await setUp({ ofServer: [authenticate] });
    const { remote, service } = both;
    const refused = { code: "unauthenticated" };
    await expect(remote.same(1)).rejects.toMatchObject(refused);
    await expect(listOf(remote.count(3))).rejects.toMatchObject(refused);
    await expect(remote.total(numbers(3))).rejects.toMatchObject(refused);
    expect(service.yielded).toBe(0);
    const metadata = { authorization: token };
    expect(await remote.same(1, { metadata })).toBe(1);
  });
});

test("both ends may change a stream's items, and see its end", async () => {
  await using both = await setUp({
    ofClient: [eachItem((item) => `${String(item)}!`)],
    ofServer: [eachItem((item) => Number(item) * 10)],
  });
  const { remote, service } = both;
  expect(await listOf(remote.count(3))).toEqual(["10!", "20!", "30!"]);
  for await (const item of remote.count(1e9)) {
    if (String(item) === "30!") break;
  }
  // Through both of them.
  await service.diary.until("count ended", 2);
  const failing = listOf(remote.failing(2));
  await expect(failing).rejects.toMatchObject({ details: { count: 2 } });
});

test("a client's may try again, or answer itself", async () => {
  const diary = new Diary();
  const twice: Interceptor = (call, next) => next(call).catch(() => next(call));
  const cached: Interceptor = (call, next) =>
    call.args === "known" ? "from memory" : next(call);
  let failures = 1;
  const flaky: Interceptor = (call, next) => {
    if (failures-- > 0) throw new RpcError("aborted", "once");
    return next(call);
  };
  await using both = await setUp({
    ofClient: [cached, twice],
    ofServer: [note(diary, "c"), flaky],
  });
  expect(await both.remote.same("new")).toBe("new");
  expect(diary.entries).toEqual([
    "c server Streams.same",
    "c back",
    "c server Streams.same",
    "c back",
  ]);
  expect(await both.remote.same("known")).toBe("from memory");
  expect(diary.entries).toHaveLength(4);
});

test("what an interceptor throws fails the call, with its code at either end", async () => {
  const broken: Interceptor = () => {
    throw new TypeError("broken");
  };
  for (const options of [{ ofClient: [broken] }, { ofServer: [broken] }]) {
    await using both = await setUp(options);
    const { remote } = both;
    await expect(remote.same(1)).rejects.toMatchObject({ code: "unknown" });
    const items = listOf(remote.count(3));
    await expect(items).rejects.toMatchObject({ code: "unknown" });
  }
});

test("an XClient's stand around a call, not around each of its attempts", async () => {
  await using both = await setUp({ ofServer: [authenticate] });
  const gone = new Server();
  const nobody = await gone.listen();
  await gone.close();
  const diary = new Diary();
  const events: string[] = [];
  await using xc = await connect<{ Streams: Streams }>([nobody, both.address], {
    mode: "round-robin",
    interceptors: [note(diary, "a"), authorize],
    onEvent: ({ kind }) => void events.push(kind),
  });
  const calls = 4;
  for (let call = 0; call < calls; call++) {
    expect(await xc.Streams.same(call)).toBe(call);
  }
  expect(events).toContain("dial-failed");
  expect(diary.entries.splice(0)).toEqual(
    Array.from({ length: calls }, () => [
      "a client Streams.same",
      "a back",
    ]).flat(),
  );
  expect(await listOf(xc.Streams.echo(numbers(3)))).toEqual([1, 2, 3]);
  expect(diary.entries).toEqual(["a client Streams.echo", "a back"]);
});

test("of a broadcast they stand around each server's call", async () => {
  await using one = await setUp({ ofServer: [authenticate] });
  await using two = await setUp({ ofServer: [authenticate] });
  const diary = new Diary();
  await using xc = await connect([one.address, two.address], {
    interceptors: [note(diary, "a"), authorize],
  });
  expect(await xc.broadcast("Streams.same", 1)).toBe(1);
  const settled = await xc.broadcastSettled("Streams.same", 2);
  expect([...settled.values()]).toEqual([{ reply: 2 }, { reply: 2 }]);
  const passed = diary.entries.filter((entry) => entry !== "a back");
  expect(passed).toEqual(passed.map(() => "a client Streams.same"));
  expect(passed).toHaveLength(4);
});

test("an XClient's stand around what its services are asked, too", async () => {
  await using server = new Server().register(
    {
      ring: (_args: unknown, { peer }: Context) => peer.call("Bell.ring"),
    },
    "Door",
  );
  const seen: string[] = [];
  await using xc = await connect(await server.listen(), {
    services: { Bell: { ring: () => "rung" } },
    interceptors: [
      (call, next) => {
        seen.push(`${call.side} ${call.serviceMethod}`);
        return next(call);
      },
    ],
  });
  expect(await xc.call("Door.ring")).toBe("rung");
  expect(seen).toEqual(["client Door.ring", "server Bell.ring"]);
});
