import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import type { RpcEvent } from "../../src/events.ts";
import {
  RegistryDiscovery,
  type RegistryDiscoveryOptions,
} from "../../src/discovery/registry.ts";
import { Registry } from "../../src/registry/registry.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import {
  FakeRegistry,
  headerListing,
  listing,
  refused,
  type Reply,
} from "./fake-registry.ts";

const a = "tcp@10.0.0.1:4000";
const b = "tcp@10.0.0.2:4000";

/** A discovery of one fake registry; no jitter, so that a list is stale after 10 s sharp. */
function setUp(reply?: Reply, options: RegistryDiscoveryOptions = {}) {
  const registry = new FakeRegistry(reply);
  const clock = new ManualClock();
  const events: RpcEvent[] = [];
  const discovery = new RegistryDiscovery("http://registry.test", {
    fetch: registry.fetch,
    clock,
    random: () => 0.5,
    onEvent: (event) => void events.push(event),
    ...options,
  });
  const addresses = async () =>
    (await discovery.all()).map(({ address }) => address);
  return { registry, clock, events, discovery, addresses };
}

/** Whether a promise has settled once all that needs no time has happened. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  const note = () => void (isSettled = true);
  promise.then(note, note);
  await settle();
  return !isSettled;
}

describe("asking", () => {
  test("asks for JSON at the registry's path, nothing before it is needed", async () => {
    const { registry, addresses } = setUp(() => listing(a));
    expect(registry.requestCount).toBe(0);
    expect(await addresses()).toEqual([a]);
    const [request] = registry.requests;
    expect(request?.url).toBe("http://registry.test/_geerpc_/registry");
    expect(new Headers(request?.init.headers).get("accept")).toBe(
      "application/json",
    );
    expect(request?.init.method ?? "GET").toBe("GET");
  });

  test("sends its token, which has to be one", async () => {
    const token = "0123456789abcdef";
    const { registry, addresses } = setUp(() => listing(a), { token });
    await addresses();
    const headers = new Headers(registry.requests[0]?.init.headers);
    expect(headers.get("authorization")).toBe(`Bearer ${token}`);
    expect(headers.get("accept")).toBe("application/json");
    expect(() => setUp(undefined, { token: "short" })).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  });

  test("a hundred callers at once make one request", async () => {
    const { registry, addresses, discovery } = setUp();
    const answer = registry.hold(() => listing(a, b));
    const calls = Array.from({ length: 100 }, () => addresses());
    void discovery.refresh();
    await settle();
    expect(registry.requestCount).toBe(1);
    answer();
    for (const call of calls) expect(await call).toEqual([a, b]);
    expect(registry.requestCount).toBe(1);
  });

  test("a fresh list is given without a request, a stale one with one behind it", async () => {
    const { registry, clock, addresses } = setUp(() => listing(a));
    await addresses();
    await clock.advance(9_999);
    await addresses();
    expect(registry.requestCount).toBe(1);
    await clock.advance(1);
    registry.reply = () => listing(b);
    expect(await addresses()).toEqual([a]);
    await settle();
    expect(registry.requestCount).toBe(2);
    expect(await addresses()).toEqual([b]);
  });

  test("the age varies by a fifth either way", async () => {
    for (const [draw, ageMs] of [
      [0, 8_000],
      [1, 12_000],
    ] as const) {
      const random = () => draw;
      const { registry, clock, addresses } = setUp(() => listing(a), {
        random,
      });
      await addresses();
      await clock.advance(ageMs - 1);
      await addresses();
      expect(registry.requestCount).toBe(1);
      await clock.advance(2);
      await addresses();
      expect(registry.requestCount).toBe(2);
    }
  });

  test("a registry that hangs delays nobody who has a list", async () => {
    const { registry, clock, addresses } = setUp(() => listing(a));
    await addresses();
    registry.hang();
    await clock.advance(10_000);
    for (let i = 0; i < 100; i++) {
      expect(await isPending(addresses())).toBe(false);
    }
    expect(registry.requestCount).toBe(2);
  });

  test("without a list callers wait, at most for the request's timeout", async () => {
    const { registry, clock, addresses } = setUp(undefined, {
      timeoutMs: 1_000,
    });
    registry.hang();
    const waiting = addresses();
    await clock.advance(999);
    expect(await isPending(waiting)).toBe(true);
    await clock.advance(1);
    await expect(waiting).rejects.toMatchObject({ code: "unavailable" });
    expect(clock.timers).toBe(0);
  });

  test("an empty list is an answer, asked for again after 250 ms and ever later, at most 1 s", async () => {
    const { registry, clock, addresses } = setUp(() => listing());
    const instants: number[] = [];
    const start = clock.now();
    for (let ms = 0; ms < 5_000; ms += 10) {
      const { requestCount } = registry;
      expect(await addresses()).toEqual([]);
      if (registry.requestCount > requestCount) {
        instants.push(clock.now() - start);
      }
      await clock.advance(10);
    }
    expect(instants.slice(0, 6)).toEqual([0, 250, 650, 1_290, 2_290, 3_290]);
    registry.reply = () => listing(a);
    await clock.advance(1_000);
    expect(await addresses()).toEqual([a]);
  });

  test("refresh asks at once also where the answer was empty just now", async () => {
    const { registry, addresses, discovery } = setUp(() => listing());
    await addresses();
    registry.reply = () => listing(a);
    await discovery.refresh();
    expect(await addresses()).toEqual([a]);
  });

  test("refresh asks also while the list is fresh", async () => {
    const { registry, addresses, discovery } = setUp(() => listing(a));
    await addresses();
    registry.reply = () => listing(b);
    await discovery.refresh();
    expect(await addresses()).toEqual([b]);
  });

  test("a list set by hand outlives the answer to a request made before", async () => {
    const { registry, addresses, discovery } = setUp();
    const answer = registry.hold(() => listing(a));
    const refreshed = discovery.refresh();
    discovery.update([{ address: b, services: undefined }]);
    answer();
    await refreshed;
    expect(await addresses()).toEqual([b]);
  });

  test("a list set by hand serves those who waited for a registry that failed", async () => {
    const { registry, addresses, discovery } = setUp();
    const answer = registry.hold(refused);
    const waiting = addresses();
    discovery.update([{ address: b, services: undefined }]);
    answer();
    expect(await waiting).toEqual([b]);
  });

  test("closing ends those who wait, and the request", async () => {
    const { registry, clock, addresses, discovery, events } = setUp();
    registry.hang();
    const waiting = addresses();
    await settle();
    discovery.close();
    await expect(waiting).rejects.toMatchObject({
      code: "unavailable",
      sent: false,
    });
    expect(registry.requests[0]?.init.signal?.aborted).toBe(true);
    expect(clock.timers).toBe(0);
    expect(events).toEqual([]);
  });
});

test("closing ends also the reading of an answer", async () => {
  const { registry, clock, addresses, discovery } = setUp(
    () =>
      new Response(new ReadableStream({ pull: () => new Promise(() => {}) })),
  );
  const waiting = addresses().catch((error: unknown) => error);
  await settle();
  discovery.close();
  expect(await waiting).toMatchObject({ code: "unavailable", sent: false });
  await settle();
  expect(registry.requestCount).toBe(1);
  expect(clock.timers).toBe(0);
});

const megabyte = new Uint8Array(1024 * 1024);

const failures: Record<string, Reply> = {
  "a refused connection": refused,
  "500": () => new Response("oops", { status: 500 }),
  "404 with a list": () =>
    new Response(null, { status: 404, headers: { "X-Geerpc-Servers": b } }),
  "a redirect": () =>
    new Response(null, { status: 302, headers: { Location: "/login" } }),
  "an HTML page": () =>
    new Response("<html>log in</html>", {
      headers: { "Content-Type": "text/html" },
    }),
  "no header and no body": () => new Response(null),
  "broken JSON": () =>
    new Response('{"servers":[', {
      headers: { "Content-Type": "application/json" },
    }),
  "JSON null": () => Response.json(null),
  "a JSON array": () => Response.json([b]),
  "servers as an object": () => Response.json({ servers: { [b]: true } }),
  "no servers": () => Response.json({ error: "down" }),
  "a million servers": () =>
    headerListing(...Array.from({ length: 200_000 }, (_, i) => `h:${i + 1}`)),
  "65,537 servers": () =>
    Response.json({ servers: Array.from({ length: 65_537 }, () => 0) }),
  "only entries that are none": () =>
    Response.json({ servers: [b, null, 7, {}, { address: 7 }] }),
  "only unknown protocols": () => headerListing("quic@10.0.0.1:1"),
  "bytes that are not UTF-8": () =>
    new Response(Buffer.from(`{"servers":[],"x":"\xff"}`, "latin1"), {
      headers: { "Content-Type": "application/json" },
    }),
  "an endless body": () =>
    new Response(
      new ReadableStream({ pull: (stream) => stream.enqueue(megabyte) }),
      { headers: { "Content-Type": "application/json" } },
    ),
  "a body that breaks off": () =>
    new Response(
      new ReadableStream({ pull: (stream) => stream.error(new Error("cut")) }),
      { headers: { "Content-Type": "application/json" } },
    ),
  "something else than a response": () => undefined as unknown as Response,
};

describe("failing", () => {
  for (const [name, reply] of Object.entries(failures)) {
    test(`${name}: the last good list is kept, and it is told once`, async () => {
      const { registry, clock, addresses, discovery, events } = setUp(() =>
        listing(a),
      );
      await addresses();
      registry.reply = reply;
      await expect(discovery.refresh()).rejects.toMatchObject({
        code: "unavailable",
        sent: false,
      });
      expect(await addresses()).toEqual([a]);
      expect(events).toEqual([
        {
          kind: "discovery-failed",
          registry: "http://registry.test/_geerpc_/registry",
          error: expect.any(RpcError),
        },
      ]);
      expect(clock.timers).toBe(0);
    });
  }

  test("with nothing known, the failure is the caller's, and names the URL", async () => {
    const { registry, clock, addresses } = setUp(refused);
    const failed = await addresses().catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: "unavailable", sent: false });
    expect((failed as RpcError).message).toContain("http://registry.test/");
    registry.reply = () => listing(a);
    await clock.advance(250);
    expect(await addresses()).toEqual([a]);
  });

  test("with nothing known, a thousand calls are no thousand requests", async () => {
    const { registry, clock, addresses, events } = setUp(refused);
    for (let call = 0; call < 1_000; call++) {
      const failed = await addresses().catch((error: unknown) => error);
      expect(failed).toMatchObject({ code: "unavailable", sent: false });
      await Promise.resolve();
    }
    expect(registry.requestCount).toBe(1);
    expect(events).toHaveLength(1);
    await clock.advance(250);
    await addresses().catch(() => {});
    expect(registry.requestCount).toBe(2);
  });

  test("an endless body is read no further than its limit", async () => {
    let sentMiB = 0;
    const body = new ReadableStream({
      pull(stream) {
        sentMiB++;
        stream.enqueue(megabyte);
      },
    });
    const { addresses } = setUp(() => {
      return new Response(body, {
        headers: { "Content-Type": "application/json" },
      });
    });
    await expect(addresses()).rejects.toMatchObject({ code: "unavailable" });
    await settle();
    expect(sentMiB).toBeLessThan(8);
  });

  test("a body that stops in the middle ends at the timeout", async () => {
    const body = new ReadableStream({
      start: (stream) => stream.enqueue(new Uint8Array([0x7b])),
    });
    const { clock, addresses } = setUp(() => {
      return new Response(body, {
        headers: { "Content-Type": "application/json" },
      });
    });
    const waiting = addresses();
    waiting.catch(() => {});
    await clock.advance(3_000);
    await expect(waiting).rejects.toMatchObject({ code: "unavailable" });
    expect(clock.timers).toBe(0);
  });

  test("failures in a row are repeated ever more seldom, up to the age", async () => {
    const { registry, clock, addresses } = setUp(() => listing(a));
    await addresses();
    registry.reply = refused;
    await clock.advance(10_000);
    const start = clock.now();
    const instants: number[] = [];
    for (let ms = 0; ms < 60_000; ms += 10) {
      const { requestCount } = registry;
      await discoveryTurn(addresses);
      if (registry.requestCount > requestCount) {
        instants.push(clock.now() - start);
      }
      await clock.advance(10);
    }
    const gaps = instants.map((at, i) => at - (instants[i - 1] ?? at)).slice(1);
    expect(gaps.slice(0, 3)).toEqual([250, 400, 640]);
    expect(gaps.at(-1)).toBe(10_000);
  }, 30_000);
});

test("a registry that begins again and again, each time with others, fills no memory", async () => {
  const { registry, discovery } = setUp();
  let life = 0;
  registry.reply = () => {
    life++;
    const servers = Array.from({ length: 40_000 }, (_, i) => ({
      address: `h${life}:${i + 1}`,
    }));
    const revision = `${life}.0`;
    return Response.json({ servers, revision, fillingForMs: 60_000 });
  };
  for (let poll = 0; poll < 5; poll++) await discovery.refresh();
  expect((await discovery.all()).length).toBeLessThan(3 * 65_536);
  discovery.close();
}, 30_000);

test("a list that is there again is told, once, with how long there was none", async () => {
  const { registry, clock, discovery, events } = setUp(() => listing(a));
  await discovery.refresh();
  expect(events).toEqual([]);
  registry.reply = refused;
  for (const waitMs of [1_000, 4_000]) {
    await discovery.refresh().catch(() => {});
    await clock.advance(waitMs);
  }
  registry.reply = () => listing(a, b);
  await discovery.refresh();
  await discovery.refresh();
  const url = "http://registry.test/_geerpc_/registry";
  expect(events.slice(2)).toEqual([
    { kind: "list-restored", registry: url, servers: 2, afterMs: 5_000 },
  ]);
});

test("of several registries each is told as there again on its own", async () => {
  const away = new Set(["one.test", "two.test"]);
  const events: RpcEvent[] = [];
  const discovery = new RegistryDiscovery(
    ["http://one.test", "http://two.test"],
    {
      clock: new ManualClock(),
      fetch: async (url) =>
        away.has(new URL(url).host) ? refused() : listing(a),
      onEvent: (event) => void events.push(event),
    },
  );
  await discovery.refresh().catch(() => {});
  for (const host of ["two.test", "one.test"]) {
    away.delete(host);
    await discovery.refresh();
  }
  expect(
    events.map(
      (event) =>
        "registry" in event && `${event.kind} ${new URL(event.registry).host}`,
    ),
  ).toEqual([
    "discovery-failed one.test",
    "discovery-failed two.test",
    "discovery-failed one.test",
    "list-restored two.test",
    "list-restored one.test",
  ]);
});

test("a success starts over with the delays", async () => {
  const { registry, clock, addresses, discovery } = setUp(() => listing(a));
  await addresses();
  for (let round = 0; round < 3; round++) {
    registry.reply = refused;
    await discovery.refresh().catch(() => {});
    const { requestCount } = registry;
    await clock.advance(249);
    await addresses();
    expect(registry.requestCount).toBe(requestCount);
    await clock.advance(1);
    registry.reply = () => listing(a);
    await addresses();
    await settle();
    expect(registry.requestCount).toBe(requestCount + 1);
  }
});

/** A call that has a list; what it starts in the background goes on as far as it can. */
async function discoveryTurn(addresses: () => Promise<unknown>) {
  await addresses();
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

describe("several registries", () => {
  test("the next one is asked when one fails, each failure told once", async () => {
    const asked: string[] = [];
    const events: RpcEvent[] = [];
    const discovery = new RegistryDiscovery("http://one.test,http://two.test", {
      clock: new ManualClock(),
      onEvent: (event) => void events.push(event),
      fetch: async (url) => {
        asked.push(new URL(url).hostname);
        return url.includes("one") ? refused() : listing(a);
      },
    });
    expect(await discovery.all()).toHaveLength(1);
    expect(asked).toEqual(["one.test", "two.test"]);
    expect(events.map(({ kind }) => kind)).toEqual(["discovery-failed"]);
  });

  test("the first one is asked first again", async () => {
    let isFirstAway = true;
    const discovery = new RegistryDiscovery(
      ["http://one.test", "http://two.test"],
      {
        clock: new ManualClock(),
        fetch: async (url) => {
          if (!url.includes("one")) return listing(b);
          return isFirstAway ? refused() : listing(a);
        },
      },
    );
    expect(await discovery.all()).toMatchObject([{ address: b }]);
    isFirstAway = false;
    await discovery.refresh();
    expect(await discovery.all()).toMatchObject([{ address: a }]);
  });

  test("one that hangs gives way to the next after its timeout", async () => {
    const clock = new ManualClock();
    const discovery = new RegistryDiscovery("http://one.test,http://two.test", {
      clock,
      timeoutMs: 1_000,
      fetch: async (url) =>
        url.includes("one") ? new Promise(() => {}) : listing(a),
    });
    const waiting = discovery.all();
    await clock.advance(1_000);
    expect(await waiting).toHaveLength(1);
  });

  test("when all fail, that is unavailable and names each", async () => {
    const discovery = new RegistryDiscovery("http://one.test,http://two.test", {
      clock: new ManualClock(),
      fetch: refused,
    });
    const failed = await discovery.all().catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: "unavailable", sent: false });
    expect((failed as RpcError).message).toContain("one.test");
    expect((failed as RpcError).message).toContain("two.test");
  });

  test("what is no registry's URL is refused", () => {
    for (const url of [
      "",
      " , ",
      "registry.test",
      "tcp@h:1",
      "http://",
      "http://user:secret@h",
      "ftp://h",
    ]) {
      expect(() => new RegistryDiscovery(url)).toThrow(
        expect.objectContaining({ code: "invalid_argument" }),
      );
    }
  });
});

describe("what is read", () => {
  test("the original's answer: one header over an empty body", async () => {
    const { addresses } = setUp(() => headerListing(b, a));
    expect(await addresses()).toEqual([a, b]);
  });

  test("the original's answer without servers", async () => {
    const { addresses } = setUp(() => headerListing());
    expect(await addresses()).toEqual([]);
  });

  test("services, where they are told", async () => {
    const { discovery } = setUp(() =>
      Response.json({
        servers: [
          { address: a, services: ["Arith", "Foo"], expiresInMs: 1 },
          { address: b, services: [] },
          { address: "tcp@h:1", services: null },
          { address: "tcp@h:2" },
          { address: "tcp@h:3", services: ["Foo", 7] },
        ],
      }),
    );
    expect(await discovery.all()).toEqual([
      { address: a, services: ["Arith", "Foo"] },
      { address: b, services: [] },
      { address: "tcp@h:1", services: undefined },
      { address: "tcp@h:2", services: undefined },
      { address: "tcp@h:3", services: undefined },
    ]);
  });

  test("entries that this version cannot dial are skipped", async () => {
    const { addresses } = setUp(() =>
      headerListing("quic@h:1", a, "", "tcp@h:0", "nonsense", "a@b@c", b),
    );
    expect(await addresses()).toEqual([a, b]);
  });
});

describe("an empty answer while servers are known", () => {
  test("is not believed before it came twice and for 30 s", async () => {
    const { registry, clock, addresses, discovery, events } = setUp(() =>
      listing(a),
    );
    await addresses();
    registry.reply = () => listing();
    await discovery.refresh();
    await discovery.refresh();
    await clock.advance(29_999);
    await discovery.refresh();
    expect(await addresses()).toEqual([a]);
    expect(events).toHaveLength(3);
    await clock.advance(1);
    await discovery.refresh();
    expect(await addresses()).toEqual([]);
    expect(events.slice(3)).toMatchObject([
      { kind: "list-restored", servers: 0, afterMs: 30_000 },
    ]);
  });

  test("a single one is not believed however late", async () => {
    const { registry, clock, addresses, discovery } = setUp(() => listing(a));
    await addresses();
    await clock.advance(60_000);
    registry.reply = () => listing();
    await discovery.refresh();
    expect(await addresses()).toEqual([a]);
  });

  test("is forgotten when servers are listed again", async () => {
    const { registry, clock, addresses, discovery } = setUp(() => listing(a));
    await addresses();
    registry.reply = () => listing();
    await discovery.refresh();
    await clock.advance(20_000);
    registry.reply = () => listing(b);
    await discovery.refresh();
    registry.reply = () => listing();
    await clock.advance(20_000);
    await discovery.refresh();
    await discovery.refresh();
    expect(await addresses()).toEqual([b]);
  });

  test("a registry that is away meanwhile says nothing either way", async () => {
    const { registry, clock, addresses, discovery } = setUp(() => listing(a));
    await addresses();
    registry.reply = () => listing();
    await discovery.refresh();
    registry.reply = refused;
    await discovery.refresh().catch(() => {});
    await clock.advance(30_000);
    registry.reply = () => listing();
    await discovery.refresh();
    expect(await addresses()).toEqual([]);
  });
});

describe("over real HTTP", () => {
  test("finds what is registered, and keeps it when the registry has gone", async () => {
    await using registry = new Registry();
    const url = await registry.listen("127.0.0.1:0");
    await fetch(url, {
      method: "POST",
      headers: { "X-Geerpc-Server": "tcp@[::]:4000" },
      body: JSON.stringify({ services: ["Arith"] }),
    });
    const discovery = new RegistryDiscovery(url);
    const known = [{ address: "tcp@127.0.0.1:4000", services: ["Arith"] }];
    expect(await discovery.all()).toEqual(known);
    await registry.close();
    await expect(discovery.refresh()).rejects.toMatchObject({
      code: "unavailable",
    });
    expect(await discovery.all()).toEqual(known);
    discovery.close();
  });

  test("nothing keeps the process alive, with or without close", async () => {
    await using registry = new Registry();
    const url = await registry.listen("127.0.0.1:0");
    const script = `
      import { RegistryDiscovery } from "../../src/discovery/registry.ts";
      const discovery = new RegistryDiscovery(${JSON.stringify(url)});
      console.log((await discovery.all()).length);
    `;
    const child = Bun.spawn([process.execPath, "-e", script], {
      cwd: import.meta.dir,
      stdout: "pipe",
    });
    expect(await child.stdout.text()).toBe("0\n");
    expect(await child.exited).toBe(0);
  });
});
