import { describe, expect, spyOn, test } from "bun:test";
import { Registry, type RegistryOptions } from "../../src/registry/registry.ts";
import { Watchers } from "../../src/registry/watchers.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";

const path = "/_geerpc_/registry";
const a = "tcp@10.0.0.1:1";
const b = "tcp@10.0.0.2:1";

interface Answer {
  revision: string;
  servers?: { address: string }[];
  changes?: { address: string; removed?: true }[];
}

function setUp(options: RegistryOptions = {}) {
  const clock = new ManualClock();
  const registry = new Registry({ clock, ttlMs: 0, ...options });
  const ask = (query: string, init: RequestInit = {}) =>
    registry.fetch(new Request(`http://registry.test${path}${query}`, init));
  const change = async (
    method: "POST" | "DELETE",
    server: string,
    said: object = {},
  ) => {
    const headers = { "X-Geerpc-Server": server, "X-Geerpc-TTL": "15" };
    const body = method === "POST" ? JSON.stringify(said) : undefined;
    const request = { method, headers, ...(body && { body }) };
    expect((await ask("", request)).status).toBe(200);
  };
  const list = async () => {
    const answer = await ask("", { headers: { Accept: "application/json" } });
    return (await answer.json()) as Answer;
  };
  /** A watch, and what it was answered once it was. */
  const watch = (revision: string, rest = "", init: RequestInit = {}) => {
    const watching: { answer?: Answer; status?: number } = {};
    void ask(`?watch=${revision}${rest}`, init).then(async (response) => {
      watching.status = response.status;
      if (response.ok) watching.answer = (await response.json()) as Answer;
    });
    return watching;
  };
  return { clock, registry, ask, change, list, watch };
}

test("a change is answered 100 ms after it, with those that follow it until then", async () => {
  const { clock, change, list, watch } = setUp();
  await change("POST", b, { services: ["Foo"], zone: "z" });
  const { revision } = await list();
  const watching = watch(revision);
  await clock.advance(5_000);
  await change("POST", a, { services: ["Arith"] });
  await clock.advance(99);
  await change("DELETE", b);
  expect(watching).toEqual({});
  await clock.advance(1);
  expect(watching.answer).toEqual({
    revision: (await list()).revision,
    changes: [
      { address: a, services: ["Arith"] },
      { address: b, removed: true },
    ] as Answer["changes"],
  } as Answer);
  expect(watching.answer?.revision).not.toBe(revision);
});

test("what happened before it came is answered at once, and it goes on from there", async () => {
  const { clock, change, list, watch } = setUp();
  const { revision } = await list();
  await change("POST", a);
  const first = watch(revision);
  await settle();
  expect(first.answer?.changes).toMatchObject([{ address: a, services: null }]);
  const second = watch(first.answer?.revision as string);
  await clock.advance(1_000);
  expect(second).toEqual({});
  await change("DELETE", a);
  await clock.advance(100);
  expect(second.answer?.changes).toEqual([{ address: a, removed: true }]);
});

test("one that comes while changes are gathered waits for them", async () => {
  const { clock, change, list, watch } = setUp();
  const { revision } = await list();
  watch(revision);
  await change("POST", a);
  const late = watch(revision);
  await clock.advance(50);
  expect(late).toEqual({});
  await change("POST", b);
  await clock.advance(50);
  expect(late.answer?.changes).toHaveLength(2);
});

test("loads alone are gathered for 5 s, and go out with what comes before", async () => {
  const { clock, change, list, watch } = setUp();
  for (const server of [a, b]) await change("POST", server, { load: 0 });
  const first = watch((await list()).revision);
  await change("POST", a, { load: 0.5 });
  await clock.advance(1_000);
  await change("POST", b, { load: 0.7 });
  await clock.advance(3_999);
  expect(first).toEqual({});
  await clock.advance(1);
  expect(first.answer?.changes).toMatchObject([
    { address: a, load: 0.5 },
    { address: b, load: 0.7 },
  ]);
  // It asks again only after the next one.
  await change("POST", a, { load: 0.2 });
  const second = watch(first.answer?.revision as string);
  await clock.advance(1_000);
  expect(second).toEqual({});
  await change("DELETE", b);
  await clock.advance(100);
  expect(second.answer?.changes).toMatchObject([
    { address: a, load: 0.2 },
    { address: b, removed: true },
  ]);
  const third = watch(second.answer?.revision as string);
  await clock.advance(10_000);
  expect(third).toEqual({});
});

test.each(["behind", "in front of"])(
  "nobody waits 5 s for a server that came %s a load that is gathered",
  async (order) => {
    const { clock, change, list, watch } = setUp();
    await change("POST", a, { load: 0 });
    const { revision } = await list();
    if (order === "behind") await change("POST", a, { load: 1 });
    await change("POST", b);
    if (order === "in front of") await change("POST", a, { load: 1 });
    const watching = watch(revision);
    await clock.advance(100);
    expect(watching.answer?.changes).toHaveLength(2);
    const next = watch(watching.answer?.revision as string);
    await change("POST", a, { load: 0 });
    await clock.advance(4_999);
    expect(next).toEqual({});
    await clock.advance(1);
    expect(next.answer?.changes).toMatchObject([{ address: a, load: 0 }]);
  },
);

test("closed, it gathers nothing any more", () => {
  const clock = new ManualClock();
  const watchers = new Watchers(clock, "epoch");
  watchers.close();
  const registration = { address: a, services: undefined, load: 1 };
  watchers.add({ kind: "loaded", registration });
  expect(clock.timers).toBe(0);
});

test("a registry that is closed gathers nothing", async () => {
  const { clock, registry, change } = setUp();
  await change("POST", a, { load: 0 });
  await change("POST", a, { load: 1 });
  await registry.close();
  expect(clock.timers).toBe(0);
});

test("renewals answer nobody; the time that it may take does, without changes", async () => {
  const { clock, change, list, watch } = setUp();
  await change("POST", a, { load: 0.5 });
  const { revision } = await list();
  const short = watch(revision, "&timeout=1.5");
  const usual = watch(revision);
  for (let ms = 0; ms < 24_000; ms += 5_000) {
    await change("POST", a, { load: 0.5 + ms / 250_000 });
    await clock.advance(ms === 0 ? 1_499 : 5_000);
    if (ms === 0) expect(short).toEqual({});
  }
  expect(short.answer).toEqual({ revision, changes: [] });
  expect(usual).toEqual({});
  await change("POST", a, { load: 0.5 });
  await clock.advance(3_501);
  expect(usual.answer).toEqual({ revision, changes: [] });
});

test("a lease that ends is a change like others", async () => {
  const { clock, change, list, watch } = setUp();
  await change("POST", a);
  const watching = watch((await list()).revision);
  await clock.advance(15_000);
  await clock.advance(600);
  expect(watching.answer?.changes).toEqual([{ address: a, removed: true }]);
});

test("what cannot go on gets the whole list, at once", async () => {
  const first = setUp();
  const { revision } = await first.list();
  const { change, watch, list } = setUp();
  await change("POST", a);
  for (const other of [revision, "", "0", "x.1"]) {
    const watching = watch(other);
    await settle();
    expect(watching.answer).toMatchObject({
      revision: (await list()).revision,
      servers: [{ address: a }],
    });
  }
});

test("for one service: who has it not any more is gone", async () => {
  const { clock, change, list, watch } = setUp();
  const { revision } = await list();
  const foo = watch(revision, "&service=Foo");
  const all = watch(revision);
  await change("POST", a, { services: ["Foo"] });
  await change("POST", b, { services: ["Bar"] });
  await clock.advance(100);
  expect(foo.answer?.changes).toEqual([
    { address: a, services: ["Foo"] },
    { address: b, removed: true },
  ] as Answer["changes"]);
  expect(all.answer?.changes).toHaveLength(2);
  expect(all.answer?.changes?.[1]).not.toHaveProperty("removed");
});

test("a timeout that is none is 400", async () => {
  const { list, ask } = setUp();
  const { revision } = await list();
  for (const timeout of ["", "-1", "soon", "61"]) {
    const answer = await ask(`?watch=${revision}&timeout=${timeout}`);
    expect(answer.status).toBe(400);
  }
});

test("HEAD does not wait", async () => {
  const { list, ask } = setUp();
  const { revision } = await list();
  const answer = await ask(`?watch=${revision}`, { method: "HEAD" });
  expect(answer.status).toBe(200);
});

test("who may not read may not watch", async () => {
  const { ask } = setUp({ readTokens: "0123456789abcdef" });
  expect((await ask("?watch=x")).status).toBe(401);
});

test("closing sends everybody home, and leaves nothing behind", async () => {
  const { clock, registry, change, list, watch } = setUp();
  const { revision } = await list();
  const [one, other] = [watch(revision), watch(revision)];
  await change("POST", a);
  await registry.close();
  await settle();
  for (const { answer } of [one, other]) {
    expect(answer).toEqual({ revision, changes: [] });
  }
  expect(clock.timers).toBe(0);
});

describe("many", () => {
  const request = (revision: string, signal: AbortSignal) => ({
    revision,
    service: null,
    timeoutMs: 25_000,
    signal,
  });

  test("are woken by one timer, with one text made once", async () => {
    const clock = new ManualClock();
    const watchers = new Watchers(clock, "e");
    const { signal } = new AbortController();
    const answers = Array.from({ length: 1_000 }, () =>
      watchers.wait(request("e.0", signal)),
    );
    expect(clock.timers).toBe(1);
    const registration = { address: a, services: undefined };
    watchers.add({ kind: "added", registration });
    expect(clock.timers).toBe(2);
    const stringify = spyOn(JSON, "stringify");
    await clock.advance(100);
    expect(stringify).toHaveBeenCalledTimes(1);
    stringify.mockRestore();
    expect(new Set(await Promise.all(answers)).size).toBe(1);
    expect(watchers.size).toBe(0);
  });

  test("who has gone is forgotten", async () => {
    const watchers = new Watchers(new ManualClock(), "e");
    const controller = new AbortController();
    const waiting = [
      watchers.wait(request("e.0", controller.signal)),
      watchers.wait(request("e.0", AbortSignal.abort())),
    ];
    expect(watchers.size).toBe(1);
    controller.abort();
    await Promise.all(waiting);
    expect(watchers.size).toBe(0);
  });

  test("are no more than may be", async () => {
    const watchers = new Watchers(new ManualClock(), "e", 1);
    const { signal } = new AbortController();
    const waiting = watchers.wait(request("e.0", signal));
    await expect(watchers.wait(request("e.0", signal))).rejects.toMatchObject({
      code: "resource_exhausted",
    });
    watchers.close();
    await waiting;
  });
});

test("over real HTTP", async () => {
  const clock = new ManualClock();
  await using registry = new Registry({ clock, ttlMs: 0 });
  const url = await registry.listen("127.0.0.1:0");
  const headers = { Accept: "application/json" };
  const { revision } = (await (await fetch(url, { headers })).json()) as Answer;
  const answer = fetch(`${url}?watch=${revision}`);
  // Until the registry has it: it wakes only those who wait.
  while (clock.timers === 0) await settle();
  await fetch(url, { method: "POST", headers: { "X-Geerpc-Server": a } });
  await clock.advance(100);
  expect(await (await answer).json()).toMatchObject({
    changes: [{ address: a }],
  });
});
