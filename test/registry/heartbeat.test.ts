import { describe, expect, test } from "bun:test";
import type { RpcEvent } from "../../src/events.ts";
import {
  heartbeat,
  type HeartbeatOptions,
  type Registrant,
} from "../../src/registry/heartbeat.ts";
import { Registry } from "../../src/registry/registry.ts";
import { randomIndex } from "../../src/base/random.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import { testRandom } from "../support/seed.ts";

const address = "tcp@10.0.0.1:4000";
const url = "http://registry.test/_geerpc_/registry";

type Mode = "up" | "away" | "hangs" | "500" | "redirect";

/** A registry behind a network that can be broken, and a heartbeat to it without jitter. */
function setUp(options: HeartbeatOptions = {}, mode: Mode = "up") {
  const clock = new ManualClock(0);
  const events: RpcEvent[] = [];
  const requests: { method: string; at: number; headers: Headers }[] = [];
  const network = {
    mode,
    registry: new Registry({ clock }),
    /** Requests wait here while it is set. */
    gate: undefined as Promise<void> | undefined,
  };
  const fetch = async (target: string, init: RequestInit) => {
    const request = new Request(target, init);
    const { method, headers } = request;
    requests.push({ method, at: clock.now(), headers });
    await network.gate;
    switch (network.mode) {
      case "up":
        return network.registry.fetch(request, "10.0.0.9");
      case "away":
        throw new TypeError("Unable to connect");
      case "hangs":
        return new Promise<Response>(() => {});
      case "500":
        return new Response(null, { status: 500 });
      case "redirect":
        return new Response(null, { status: 302, headers: { Location: "/" } });
    }
  };
  const start = (registrant: Registrant = { address }, registries = url) =>
    heartbeat(registries, registrant, {
      clock,
      random: () => 0.5,
      onEvent: (event) => void events.push(event),
      fetch,
      ...options,
    });
  const listed = async () => {
    const answer = await network.registry.fetch(new Request(url));
    return answer.headers.get("X-Geerpc-Servers");
  };
  const kinds = () => events.map(({ kind }) => kind);
  const posts = () =>
    requests.filter(({ method }) => method === "POST").map(({ at }) => at);
  return { clock, events, kinds, requests, posts, network, start, listed };
}

describe("while the registry is there", () => {
  test("registers at once, with its TTL and its services", async () => {
    const { requests, network, start } = setUp();
    const beat = start({ address, services: ["Foo", "Arith"] });
    expect(requests).toHaveLength(1);
    expect(beat.isRegistered).toBe(false);
    await beat.firstAttempt;
    expect(beat.isRegistered).toBe(true);
    expect(requests[0]?.headers.get("X-Geerpc-TTL")).toBe("15");
    const answer = await network.registry.fetch(
      new Request(url, { headers: { Accept: "application/json" } }),
    );
    expect(await answer.json()).toMatchObject({
      servers: [{ address, services: ["Arith", "Foo"], expiresInMs: 15_000 }],
    });
  });

  test("tells what it is asked to, as it is at each beat", async () => {
    const { clock, network, start } = setUp();
    const told = { version: "1", weight: 2, zone: "z", labels: { rack: "7" } };
    let load = 0.5;
    start({
      address,
      ...told,
      get load() {
        return load;
      },
    });
    const listed = async () => {
      const headers = { Accept: "application/json" };
      const answer = await network.registry.fetch(
        new Request(url, { headers }),
      );
      return await answer.json();
    };
    await clock.advance(0);
    expect(await listed()).toMatchObject({ servers: [{ ...told, load: 0.5 }] });
    load = 0.75;
    await clock.advance(5_000);
    expect(await listed()).toMatchObject({
      servers: [{ ...told, load: 0.75 }],
    });
  });

  test("tells how busy the process is where it is asked to, until it is closed", async () => {
    let cpuUs = 0;
    const probes = { cpuUs: () => (cpuUs += 600_000), memoryBytes: () => 0 };
    const told = async (options: HeartbeatOptions, registrant?: Registrant) => {
      const { clock, network, start } = setUp(options);
      const beat = start(registrant);
      await clock.advance(9_000);
      const headers = { Accept: "application/json" };
      const list = await network.registry.fetch(new Request(url, { headers }));
      const { servers } = (await list.json()) as { servers: object[] };
      await beat.close();
      await network.registry.close();
      expect(clock.timers).toBe(0);
      return servers;
    };
    const reportsLoad = { cores: 1, probes };
    expect(await told({ reportsLoad })).toMatchObject([{ load: 0.6 }]);
    const own = { address, load: 0.1 };
    expect(await told({ reportsLoad }, own)).toMatchObject([{ load: 0.1 }]);
    expect(await told({ reportsLoad: true })).toMatchObject([
      { load: expect.any(Number) },
    ]);
    for (const options of [{}, { reportsLoad: false }]) {
      expect((await told(options))[0]).not.toHaveProperty("load");
    }
  });

  test("renews every interval, and tells only the first time", async () => {
    const { clock, events, posts, listed, start } = setUp();
    start();
    await clock.advance(60_000);
    expect(posts()).toEqual([...Array(13).keys()].map((i) => i * 5_000));
    expect(await listed()).toBe(address);
    expect(events).toEqual([{ kind: "registered", registry: url, address }]);
  });

  test("the interval varies by a tenth either way", async () => {
    const random = testRandom();
    const { clock, posts, start } = setUp({ random });
    start();
    await clock.advance(1_000_000);
    const instants = posts();
    const gaps = instants.slice(1).map((at, i) => at - (instants[i] as number));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(4_500);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(5_500);
    expect(Math.max(...gaps) - Math.min(...gaps)).toBeGreaterThan(500);
  });

  test("a server that does not tell its services sends no body", async () => {
    const { requests, network, start } = setUp();
    await start().firstAttempt;
    expect(requests[0]?.headers.has("Content-Type")).toBe(false);
    const answer = await network.registry.fetch(
      new Request(url, { headers: { Accept: "application/json" } }),
    );
    expect(await answer.json()).toMatchObject({
      servers: [{ services: null }],
    });
  });

  test("a wildcard is the registry's to replace, also when it leaves", async () => {
    const { listed, start } = setUp();
    const beat = start({ address: "tcp@[::]:4000" });
    await beat.firstAttempt;
    expect(await listed()).toBe("tcp@10.0.0.9:4000");
    await beat.close();
    expect(await listed()).toBe("");
  });

  test("a registry that forgot everything has the server back at the next beat", async () => {
    const { clock, network, listed, start } = setUp();
    start();
    await clock.advance(12_000);
    network.registry = new Registry({ clock });
    expect(await listed()).toBe("");
    await clock.advance(5_000);
    expect(await listed()).toBe(address);
  });
});

describe("while the registry is away", () => {
  test("the first attempt resolves all the same", async () => {
    const { events, start } = setUp({}, "away");
    const beat = start();
    await beat.firstAttempt;
    expect(beat.isRegistered).toBe(false);
    expect(events).toMatchObject([
      {
        kind: "heartbeat-missed",
        registry: url,
        error: { code: "unavailable", sent: false },
        retryInMs: 250,
      },
    ]);
  });

  for (const mode of ["away", "500", "redirect"] as const) {
    test(`${mode}: it is missed, tried again ever more seldom, at most an interval apart`, async () => {
      const { clock, posts, kinds, start } = setUp({}, mode);
      start();
      await clock.advance(30_000);
      const gaps = posts().map((at, i, all) => at - (all[i - 1] ?? 0));
      expect(gaps.slice(1, 4)).toEqual([250, 400, 640]);
      expect(Math.max(...gaps)).toBeLessThanOrEqual(5_000);
      expect(gaps.at(-1)).toBeGreaterThan(4_000);
      expect(new Set(kinds())).toEqual(new Set(["heartbeat-missed"]));
    });
  }

  test("one that hangs ends at the timeout, and goes on", async () => {
    const { clock, kinds, posts, start } = setUp({ timeoutMs: 1_000 }, "hangs");
    const beat = start();
    await clock.advance(1_000);
    await beat.firstAttempt;
    expect(kinds()).toEqual(["heartbeat-missed"]);
    await clock.advance(250);
    expect(posts()).toHaveLength(2);
  });

  test("when it returns, every server is back within an interval and 2 s", async () => {
    const random = testRandom();
    for (let run = 0; run < 50; run++) {
      const mode = (["away", "hangs", "500"] as const)[run % 3] as Mode;
      const { clock, network, listed, start } = setUp({ random });
      start();
      await clock.advance(randomIndex(5_000, random));
      network.mode = mode;
      await clock.advance(20_000 + randomIndex(60_000, random));
      network.mode = "up";
      network.registry = new Registry({ clock });
      await clock.advance(7_000);
      expect(await listed()).toBe(address);
    }
  });

  test("tells when it is registered again, and starts over with the delays", async () => {
    const { clock, events, kinds, network, start } = setUp();
    const beat = start();
    await clock.advance(1_000);
    network.mode = "away";
    await clock.advance(5_000);
    expect(beat.isRegistered).toBe(false);
    network.mode = "up";
    await clock.advance(5_000);
    expect(beat.isRegistered).toBe(true);
    network.mode = "away";
    await clock.advance(5_000);
    const [registered, missed, , again] = kinds();
    expect([registered, missed]).toEqual(["registered", "heartbeat-missed"]);
    expect(kinds().filter((kind) => kind === "registered")).toHaveLength(2);
    expect(again).toBeDefined();
    const firstMisses = events.filter(
      (event) => event.kind === "heartbeat-missed" && event.retryInMs === 250,
    );
    expect(firstMisses).toHaveLength(2);
  });
});

describe("several registries", () => {
  const one = "http://one.test/_geerpc_/registry";
  const two = "http://two.test/_geerpc_/registry";

  function setUpTwo() {
    const clock = new ManualClock(0);
    const away = new Set<string>();
    const registries = new Map(
      [one, two].map((target) => [target, new Registry({ clock })]),
    );
    const events: RpcEvent[] = [];
    const start = () =>
      heartbeat(
        `${one},${two}`,
        { address },
        {
          clock,
          random: () => 0.5,
          onEvent: (event) => void events.push(event),
          fetch: async (target, init) => {
            if (away.has(target)) throw new TypeError("Unable to connect");
            const registry = registries.get(target) as Registry;
            return registry.fetch(new Request(target, init));
          },
        },
      );
    const listedAt = async (target: string) => {
      const registry = registries.get(target) as Registry;
      const answer = await registry.fetch(new Request(target));
      return answer.headers.get("X-Geerpc-Servers") === address;
    };
    return { clock, away, events, start, listedAt };
  }

  test("only the first is asked while it answers", async () => {
    const { start, listedAt } = setUpTwo();
    await start().firstAttempt;
    expect(await listedAt(one)).toBe(true);
    expect(await listedAt(two)).toBe(false);
  });

  test("the next is asked at once when it fails, and the first again when it is back", async () => {
    const { clock, away, events, start, listedAt } = setUpTwo();
    away.add(one);
    const beat = start();
    await beat.firstAttempt;
    expect(beat.isRegistered).toBe(true);
    expect(await listedAt(two)).toBe(true);
    away.clear();
    await clock.advance(5_000);
    expect(await listedAt(one)).toBe(true);
    expect(events).toMatchObject([
      { kind: "heartbeat-missed", registry: one, retryInMs: 0 },
      { kind: "registered", registry: two },
      { kind: "registered", registry: one },
    ]);
  });

  test("close takes the server out of each that may list it", async () => {
    const { clock, away, start, listedAt } = setUpTwo();
    away.add(one);
    const beat = start();
    await clock.advance(1_000);
    away.clear();
    await clock.advance(5_000);
    await beat.close();
    expect(await listedAt(one)).toBe(false);
    expect(await listedAt(two)).toBe(false);
  });
});

describe("close", () => {
  test("deregisters, tells so, and leaves no timer", async () => {
    const { clock, kinds, requests, listed, start } = setUp({ ttlMs: 0 });
    const beat = start();
    await clock.advance(12_000);
    await beat.close();
    await beat.close();
    expect(beat.isRegistered).toBe(false);
    expect(await listed()).toBe("");
    expect(kinds()).toEqual(["registered", "deregistered"]);
    expect(clock.timers).toBe(0);
    const { length } = requests;
    await clock.advance(60_000);
    expect(requests).toHaveLength(length);
  });

  test("right after the start leaves nothing behind", async () => {
    const { listed, start } = setUp();
    await start().close();
    expect(await listed()).toBe("");
  });

  test("waits for the registration on its way, then takes it back", async () => {
    const { clock, network, requests, listed, start } = setUp({ ttlMs: 0 });
    const { promise, resolve } = Promise.withResolvers<void>();
    network.gate = promise;
    const beat = start();
    const closed = beat.close();
    await settle();
    expect(requests.map(({ method }) => method)).toEqual(["POST"]);
    network.gate = undefined;
    resolve();
    await closed;
    expect(requests.map(({ method }) => method)).toEqual(["POST", "DELETE"]);
    expect(await listed()).toBe("");
    expect(clock.timers).toBe(0);
    await beat.firstAttempt;
  });

  test("a registry that hangs holds it up for 2 s at most", async () => {
    const { clock, kinds, start } = setUp({ timeoutMs: 60_000 }, "hangs");
    const beat = start();
    const start0 = clock.now();
    let closedAfterMs: number | undefined;
    void beat.close().then(() => {
      closedAfterMs = clock.now() - start0;
    });
    await clock.advance(5_000);
    expect(closedAfterMs).toBe(2_000);
    expect(kinds()).toEqual([]);
    expect(clock.timers).toBe(0);
  });

  test("a registry that is away is no error, and not told as one", async () => {
    const { clock, kinds, network, start } = setUp();
    const beat = start();
    await clock.advance(1_000);
    network.mode = "away";
    await network.registry.close();
    await beat.close();
    expect(kinds()).toEqual(["registered"]);
    expect(clock.timers).toBe(0);
  });
});

test("a token is sent to register and to deregister", async () => {
  const token = "0123456789abcdef";
  for (const [options, isIn] of [
    [{ token }, true],
    [{}, false],
  ] as const) {
    const { clock, network, listed, start } = setUp(options);
    network.registry = new Registry({ clock, writeTokens: token });
    const beat = start();
    await beat.firstAttempt;
    expect(beat.isRegistered).toBe(isIn);
    expect(await listed()).toBe(isIn ? address : "");
    await beat.close();
    expect(await listed()).toBe("");
  }
});

test("what cannot work is an invalid argument, before anything is sent", () => {
  const refuse = (
    registries: string,
    registrant: Registrant,
    options: HeartbeatOptions = {},
  ) => {
    const { requests, start } = setUp(options);
    expect(() => start(registrant, registries)).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
    expect(requests).toEqual([]);
  };
  refuse("", { address });
  refuse("tcp@h:1", { address });
  refuse(url, { address: "tcp@h:0" });
  refuse(url, { address: "nowhere" });
  refuse(url, { address, weight: -1 });
  refuse(url, { address }, { intervalMs: 5_000, ttlMs: 5_500 });
  refuse(url, { address }, { intervalMs: 0 });
  refuse(url, { address }, { intervalMs: NaN });
  refuse(url, { address }, { token: "no\ntoken that can travel" });
});

test("over real HTTP: registers, renews and deregisters", async () => {
  const left = Promise.withResolvers<RpcEvent>();
  await using registry = new Registry({
    onEvent(event) {
      if (event.kind === "server-removed") left.resolve(event);
    },
  });
  const realUrl = await registry.listen("127.0.0.1:0");
  const beat = heartbeat(realUrl, { address: "tcp@:4000", services: ["Foo"] });
  await beat.firstAttempt;
  const listed = await fetch(realUrl);
  expect(listed.headers.get("X-Geerpc-Servers")).toBe("tcp@127.0.0.1:4000");
  await beat.close();
  expect(await left.promise).toMatchObject({ reason: "deregistered" });
});
