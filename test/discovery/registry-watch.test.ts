import { describe, expect, test } from "bun:test";
import {
  RegistryDiscovery,
  type RegistryDiscoveryOptions,
} from "../../src/discovery/registry.ts";
import type { RpcEvent } from "../../src/events.ts";
import { Registry } from "../../src/registry/registry.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { headerListing, listing } from "./fake-registry.ts";

const a = "tcp@10.0.0.1:4000";
const b = "tcp@10.0.0.2:4000";
const c = "tcp@10.0.0.3:4000";
const path = "/_geerpc_/registry";

/** Real registries behind a network that can be cut; what they were asked, as `list` and `watch`. */
function setUp(
  options: RegistryDiscoveryOptions = {},
  hosts: readonly string[] = ["one.test"],
) {
  const clock = new ManualClock();
  const events: RpcEvent[] = [];
  const asked: string[] = [];
  const registries = new Map(
    hosts.map((host) => [host, new Registry({ clock, ttlMs: 0 })]),
  );
  const cut = new Set<string>();
  /** Told of each connection when its host goes. */
  let isCut = Promise.withResolvers<never>();
  isCut.promise.catch(() => {});
  const fetch = async (url: string, init: RequestInit) => {
    const { host, searchParams } = new URL(url);
    const kind = searchParams.has("watch") ? "watch" : "list";
    asked.push(hosts.length > 1 ? `${host} ${kind}` : kind);
    if (cut.has(host)) throw new TypeError("Unable to connect");
    const registry = registries.get(host) as Registry;
    return Promise.race([
      isCut.promise,
      registry.fetch(new Request(url, init)),
    ]);
  };
  const discovery = new RegistryDiscovery(
    hosts.map((host) => `http://${host}`),
    {
      fetch,
      clock,
      random: () => 0.5,
      onEvent: (event) => void events.push(event),
      ...options,
    },
  );
  const network = {
    registries,
    down(host = "one.test") {
      cut.add(host);
      isCut.reject(new TypeError("the connection was cut"));
      isCut = Promise.withResolvers<never>();
      isCut.promise.catch(() => {});
    },
    up: (host = "one.test") => cut.delete(host),
  };
  const send = async (
    method: string,
    server: string,
    said: object = {},
    host = "one.test",
  ) => {
    const headers = { "X-Geerpc-Server": server };
    const body = method === "POST" ? { body: JSON.stringify(said) } : {};
    const request = new Request(`http://${host}${path}`, {
      method,
      headers,
      ...body,
    });
    await registries.get(host)?.fetch(request);
  };
  const addresses = async () =>
    (await discovery.all()).map(({ address }) => address);
  return { clock, events, asked, discovery, network, send, addresses };
}

test("a change is there without being asked for, and no poll is needed", async () => {
  const { clock, asked, send, addresses, discovery } = setUp();
  await send("POST", a, { services: ["Foo"], zone: "z", weight: 2 });
  expect(await addresses()).toEqual([a]);
  await clock.advance(1_000);
  await send("POST", b);
  await clock.advance(200);
  expect(await addresses()).toEqual([a, b]);
  await send("DELETE", b);
  await send("POST", c);
  await clock.advance(200);
  expect(await discovery.all()).toEqual([
    { address: a, services: ["Foo"], zone: "z", weight: 2 },
    { address: c, services: undefined },
  ]);
  for (let ms = 0; ms < 50_000; ms += 1_000) {
    await clock.advance(1_000);
    await addresses();
  }
  expect(asked.filter((kind) => kind === "list")).toHaveLength(1);
  expect(asked.length).toBeLessThanOrEqual(7);
});

test("refreshing by hand does not bring the polls back", async () => {
  const { clock, asked, send, addresses, discovery } = setUp();
  await send("POST", a);
  await addresses();
  await discovery.refresh();
  await clock.advance(15_000);
  await addresses();
  expect(asked).toEqual(["list", "watch", "list"]);
});

test("a registry that cannot tell the changes is listed anew", async () => {
  const { clock, events, network, send, addresses } = setUp();
  await send("POST", a);
  await addresses();
  await clock.advance(20_000);
  const other = new Registry({ clock, ttlMs: 0 });
  network.registries.set("one.test", other);
  await send("POST", b);
  await clock.advance(15_500);
  await addresses();
  await clock.advance(0);
  expect(await addresses()).toContain(b);
  await clock.advance(250);
  await addresses();
  await send("POST", c);
  await clock.advance(200);
  expect(await addresses()).toContain(c);
  expect(events).toEqual([]);
});

test("a watch keeps its connection, a poll has one of its own", async () => {
  const kept: (boolean | undefined)[] = [];
  const { addresses } = setUp({
    async fetch(url, { keepalive }) {
      kept.push(keepalive);
      if (url.includes("watch=")) return new Promise<Response>(() => {});
      return Response.json({ revision: "e.1", servers: [{ address: a }] });
    },
  });
  await addresses();
  expect(kept).toEqual([false, true]);
});

test("a list that does not change is the same promise", async () => {
  const { clock, send, addresses, discovery } = setUp();
  await send("POST", a);
  await addresses();
  const before = await discovery.all();
  await clock.advance(20_000);
  expect(await discovery.all()).toBe(before);
});

test("a load that has moved comes by the watch, and polls rest", async () => {
  const { clock, asked, discovery, send } = setUp();
  await send("POST", a, { load: 0.5 });
  await discovery.all();
  await clock.advance(0);
  asked.length = 0;
  for (const [load, known] of [
    [0.75, 0.75],
    [0.8, 0.75],
    [0.2, 0.2],
  ] as const) {
    await send("POST", a, { load });
    await clock.advance(6_000);
    expect(await discovery.all()).toMatchObject([{ load: known }]);
  }
  expect(asked).not.toContain("list");
});

describe("a registry that lies", () => {
  function lying(answer: (watches: number) => Response) {
    let watches = 0;
    const urls: string[] = [];
    const set = setUp({
      fetch: async (url) => {
        urls.push(url);
        if (url.includes("watch=")) return answer(++watches);
        const revision = url.includes("?") ? "" : "1.1";
        return Response.json({ servers: [{ address: a }], revision });
      },
    });
    return { ...set, urls };
  }

  test("tells of ever more servers: the watch ends, and the list is read anew", async () => {
    const services = Array.from({ length: 1_000 }, (_, i) =>
      `${i}`.padEnd(2_000, "x"),
    );
    const { clock, events, discovery, addresses } = lying((n) =>
      Response.json({
        revision: `1.${n}`,
        changes: [{ address: `h:${n}`, services }],
      }),
    );
    await addresses();
    await clock.advance(150);
    expect(await addresses()).toHaveLength(3);
    await clock.advance(100);
    expect(events).toMatchObject([{ kind: "discovery-failed" }]);
    await addresses();
    await clock.advance(0);
    expect(await addresses()).toEqual([a]);
    discovery.close();
  });

  test.each([
    ["HTML", () => new Response("<html>")],
    ["null", () => Response.json(null)],
    [
      "50 MiB",
      () => new Response(" ".repeat(50 * 1024 * 1024), { headers: json }),
    ],
    [
      "a million changes",
      () =>
        Response.json({
          revision: "1.2",
          changes: Array.from({ length: 100_000 }, () => 0),
        }),
    ],
    [
      "a revision without end",
      () => Response.json({ revision: "1.2".repeat(100_000), changes: [] }),
    ],
  ])("says %s: that ends the watch, not the list", async (_, answer) => {
    const { clock, events, urls, discovery, addresses } = lying(answer);
    await addresses();
    await clock.advance(0);
    expect(events).toMatchObject([{ kind: "discovery-failed" }]);
    expect(await addresses()).toEqual([a]);
    expect(Math.max(...urls.map(({ length }) => length))).toBeLessThan(500);
    discovery.close();
    await clock.advance(0);
    expect(clock.timers).toBe(0);
  });

  test("gives a revision that is too long to send back: it is not watched", async () => {
    const urls: string[] = [];
    const { clock, addresses } = setUp({
      fetch: async (url) => {
        urls.push(url);
        const revision = "1".repeat(257);
        return Response.json({ servers: [{ address: a }], revision });
      },
    });
    await addresses();
    await clock.advance(0);
    expect(urls).toHaveLength(1);
  });

  const json = { "Content-Type": "application/json" };
});

describe("polls go on", () => {
  const kindsIn30s = async ({
    clock,
    asked,
    addresses,
  }: ReturnType<typeof setUp>) => {
    await addresses();
    asked.length = 0;
    for (let ms = 0; ms < 30_000; ms += 1_000) {
      await clock.advance(1_000);
      await addresses();
    }
    return asked;
  };

  test("where it is turned off, without any watch", async () => {
    const set = setUp({ watch: false });
    await set.send("POST", a);
    expect(await kindsIn30s(set)).toEqual(["list", "list", "list"]);
  });

  test("where the registry is an original, or an older one of ours", async () => {
    for (const reply of [headerListing, listing]) {
      const urls: string[] = [];
      const fetch = async (url: string) => {
        urls.push(url);
        return reply(a);
      };
      const { clock, addresses } = setUp({ fetch });
      for (let ms = 0; ms < 30_000; ms += 1_000) {
        await addresses();
        await clock.advance(1_000);
      }
      expect(urls).toEqual([1, 2, 3].map(() => `http://one.test${path}`));
    }
  });

  test("while no server is known, and nothing is watched", async () => {
    const set = setUp();
    const asked = await kindsIn30s(set);
    expect(new Set(asked)).toEqual(new Set(["list"]));
    expect(asked.length).toBeGreaterThan(10);
  });

  test("at a registry that is not the first, until that one is back", async () => {
    const set = setUp({}, ["one.test", "two.test"]);
    set.network.down("one.test");
    await set.send("POST", a, {}, "two.test");
    expect(await kindsIn30s(set)).toContain("two.test list");
    expect(set.asked).toContain("two.test watch");
    set.network.up("one.test");
    await set.send("POST", b, {}, "one.test");
    await set.clock.advance(10_000);
    await set.addresses();
    await set.clock.advance(0);
    expect(await set.addresses()).toContain(b);
    set.asked.length = 0;
    await set.clock.advance(30_000);
    await set.addresses();
    expect(new Set(set.asked)).toEqual(new Set(["one.test watch"]));
  });
});

describe("a watch that fails", () => {
  test("is told, followed by a poll at once, and begun anew", async () => {
    const { clock, events, asked, network, send, addresses } = setUp();
    await send("POST", a);
    await addresses();
    for (const [times, added] of [
      [1, b],
      [2, c],
    ] as const) {
      await clock.advance(30_000);
      await addresses();
      await clock.advance(0);
      asked.length = 0;
      network.down();
      network.up();
      await clock.advance(0);
      expect(events).toHaveLength(2 * times - 1);
      expect(events.at(-1)?.kind).toBe("discovery-failed");
      expect(asked).toEqual([]);
      await send("POST", added);
      await addresses();
      await clock.advance(0);
      expect(await addresses()).toContain(added);
      expect(events.at(-1)?.kind).toBe("list-restored");
      expect(asked).toEqual(["list"]);
      await clock.advance(250);
      await addresses();
      await clock.advance(0);
      expect(asked).toEqual(["list", "list", "watch"]);
    }
  });

  test("again and again is begun ever more seldom", async () => {
    const instants: number[] = [];
    const { clock, addresses } = setUp({
      fetch: async (url) => {
        if (url.includes("watch=")) {
          instants.push(clock.now());
          throw new TypeError("cut");
        }
        return Response.json({ revision: "e.1", servers: [{ address: a }] });
      },
    });
    for (let ms = 0; ms < 60_000; ms += 50) {
      await addresses();
      await clock.advance(50);
    }
    expect(instants.length).toBeGreaterThan(6);
    expect(instants.length).toBeLessThan(16);
    const gaps = instants.map((at, i) => at - (instants[i - 1] ?? at));
    expect(gaps.at(-1)).toBeGreaterThan(9_000);
  }, 30_000);

  test("a registry that hangs is given up", async () => {
    const { clock, asked, addresses } = setUp({
      fetch: async (url) => {
        asked.push(url.includes("watch=") ? "watch" : "list");
        if (url.includes("watch=")) return new Promise<Response>(() => {});
        return Response.json({ revision: "e.1", servers: [{ address: a }] });
      },
    });
    await addresses();
    await clock.advance(29_999);
    await addresses();
    expect(asked).toEqual(["list", "watch"]);
    await clock.advance(1);
    await addresses();
    expect(asked).toEqual(["list", "watch", "list"]);
  });

  test("one that answers at once is asked ten times a second at most", async () => {
    let watchCount = 0;
    const { clock, addresses, discovery } = setUp({
      fetch: async (url) => {
        if (!url.includes("watch=")) {
          return Response.json({ revision: "e.1", servers: [{ address: a }] });
        }
        watchCount++;
        return Response.json({ revision: "e.1", changes: [] });
      },
    });
    await addresses();
    await clock.advance(1_000);
    expect(watchCount).toBe(11);
    discovery.close();
    expect(clock.timers).toBe(0);
  });
});

test("a registry that began anew with nothing takes away nobody at once", async () => {
  const { clock, network, send, addresses } = setUp();
  await send("POST", a);
  await send("POST", b);
  expect(await addresses()).toEqual([a, b]);
  await clock.advance(20_000);
  network.down();
  network.registries.set("one.test", new Registry({ clock, ttlMs: 0 }));
  network.up();
  await send("POST", c);
  await addresses();
  await clock.advance(0);
  expect(await addresses()).toEqual([a, b, c]);
  await send("POST", a);
  await clock.advance(14_000);
  expect(await addresses()).toEqual([a, b, c]);
  await clock.advance(1_500);
  await addresses();
  await clock.advance(0);
  expect(await addresses()).toEqual([a, c]);
});

test("an empty list is doubted as any other", async () => {
  const { clock, send, addresses } = setUp();
  await send("POST", a);
  await addresses();
  await send("DELETE", a);
  for (let ms = 0; ms < 29_000; ms += 1_000) {
    await clock.advance(1_000);
    expect(await addresses()).toEqual([a]);
  }
  for (let ms = 0; ms < 15_000; ms += 1_000) {
    await clock.advance(1_000);
    await addresses();
  }
  expect(await addresses()).toEqual([]);
});

test("what nobody wants any more is not watched, until somebody does", async () => {
  const { clock, asked, send, addresses, events } = setUp();
  await send("POST", a);
  await addresses();
  await clock.advance(80_000);
  expect(clock.timers).toBe(0);
  asked.length = 0;
  await clock.advance(100_000);
  expect(asked).toEqual([]);
  await addresses();
  await clock.advance(0);
  expect(asked).toEqual(["list", "watch"]);
  expect(events).toEqual([]);
});

test("a list set by hand is not overwritten by what is on its way", async () => {
  const { clock, send, addresses, discovery } = setUp();
  await send("POST", a);
  await addresses();
  await clock.advance(200);
  discovery.update([{ address: c, services: undefined }]);
  await send("POST", b);
  await clock.advance(1_000);
  expect(await addresses()).toEqual([c]);
});

test("closing ends it, also between two requests", async () => {
  for (const ms of [0, 50, 1_000]) {
    const { clock, network, send, addresses, discovery, events } = setUp();
    await send("POST", a);
    await addresses();
    await clock.advance(25_000);
    await addresses();
    await clock.advance(ms);
    discovery.close();
    await clock.advance(0);
    await network.registries.get("one.test")?.close();
    expect(clock.timers).toBe(0);
    expect(events).toEqual([]);
  }
});

test("over real HTTP: a new server is known within a second", async () => {
  await using registry = new Registry();
  const url = await registry.listen("127.0.0.1:0");
  const register = (server: string) =>
    fetch(url, { method: "POST", headers: { "X-Geerpc-Server": server } });
  await register(a);
  const isTaken = Promise.withResolvers<void>();
  let watchCount = 0;
  const discovery = new RegistryDiscovery(url, {
    fetch(target, init) {
      // The second watch goes on from what the first one brought.
      if (target.includes("watch=") && ++watchCount === 2) isTaken.resolve();
      return fetch(target, init);
    },
  });
  expect(await discovery.all()).toHaveLength(1);
  const startedAt = performance.now();
  await register(b);
  await isTaken.promise;
  expect(await discovery.all()).toHaveLength(2);
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  discovery.close();
});
