import { describe, expect, test } from "bun:test";
import {
  EtcdDiscovery,
  type EtcdDiscoveryOptions,
} from "../../src/discovery/etcd.ts";
import { RpcError } from "../../src/errors.ts";
import type { RpcEvent } from "../../src/events.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import { base64, FakeEtcd, prefix } from "./fake-etcd.ts";

const a = "tcp@10.0.0.1:4000";
const b = "tcp@10.0.0.2:4000";
const c = "tcp@10.0.0.3:4000";
const target = `etcd://x:1,y:2${prefix}`;

function setUp(options: EtcdDiscoveryOptions = {}) {
  const etcd = new FakeEtcd();
  const clock = new ManualClock();
  const events: RpcEvent[] = [];
  const discovery = new EtcdDiscovery(target, {
    fetch: etcd.fetch,
    clock,
    random: () => 0.5,
    onEvent: (event) => void events.push(event),
    ...options,
  });
  const addresses = async () =>
    (await discovery.all()).map(({ address }) => address);
  /** What was asked since the last time. */
  const asked = () => etcd.asked.splice(0);
  const kinds = () => events.map(({ kind }) => kind);
  return { etcd, clock, events, kinds, discovery, addresses, asked };
}

/** One that knows `addresses`, and watches. */
async function watching(...addresses: string[]) {
  const all = setUp();
  for (const address of addresses) all.etcd.register(address);
  await all.addresses();
  await all.clock.advance(0);
  all.asked();
  return all;
}

describe("a list", () => {
  test("is what registries have written, with what servers say of themselves", async () => {
    const { etcd, discovery, asked } = setUp();
    const said = { services: ["B", "A"], weight: 2, load: 0.5, zone: "z" };
    etcd.register(b, { ...said, version: "1", labels: { rack: "7" } });
    etcd.register(a);
    etcd.register("unix@/run/s.sock");
    for (const [name, value] of [
      ["tcp@10.0.0.9:4000", "somebody else's"],
      ["nowhere", '{"ttlMs":1,"keeper":"one"}'],
      ["tcp@10.0.0.9:0", '{"ttlMs":1,"keeper":"one"}'],
      ["", ""],
    ] as const) {
      etcd.put(`${prefix}/servers/${name}`, value);
    }
    etcd.put(`${prefix}/gone`, "expired");
    expect(await discovery.all()).toEqual([
      { address: a, services: undefined },
      { address: b, ...said, services: ["A", "B"] },
      { address: "unix@/run/s.sock", services: undefined },
    ]);
    expect(asked()[0]).toBe("x:1 range");
  });

  test("the next member is asked where one fails, hangs or answers nonsense", async () => {
    const { etcd, clock, addresses, asked, kinds } = setUp({ watch: false });
    etcd.register(a);
    etcd.down.add("x:1");
    expect(await addresses()).toEqual([a]);
    expect(asked()).toEqual(["x:1 range", "y:2 range"]);
    etcd.down.clear();
    etcd.silent.add("y:2");
    await clock.advance(10_000);
    await addresses();
    await clock.advance(1_000);
    expect(asked()).toEqual(["y:2 range", "x:1 range"]);
    expect(kinds()).toEqual([]);
    expect(etcd.open.size).toBe(0);
  });

  test("nobody answers: the failure has the time it was given, and is told", async () => {
    const { etcd, clock, events, discovery } = setUp({ timeoutMs: 1_500 });
    etcd.silent.add("x:1").add("y:2");
    const failed = discovery.all().catch((error: unknown) => error);
    await clock.advance(1_499);
    expect(events).toEqual([]);
    await clock.advance(1);
    expect(await failed).toMatchObject({ code: "unavailable", sent: false });
    expect(events).toEqual([
      {
        kind: "discovery-failed",
        registry: target,
        error: expect.any(RpcError),
      },
    ]);
    etcd.silent.clear();
    etcd.register(a);
    await discovery.refresh();
    expect(events.slice(1)).toEqual([
      { kind: "list-restored", registry: target, servers: 1, afterMs: 0 },
    ]);
    discovery.close();
  });
});

describe("a watch", () => {
  test("brings what changes, gathered for 100 ms, and rests polls", async () => {
    const { etcd, clock, discovery, addresses, asked } = await watching(a);
    const before = discovery.all();
    etcd.register(b);
    await clock.advance(50);
    etcd.register(c);
    etcd.deregister(a);
    await clock.advance(49);
    expect(discovery.all()).toBe(before);
    await clock.advance(1);
    expect(await addresses()).toEqual([b, c]);
    // A poll is due each 10 s, and so is another stream.
    await clock.advance(10_000);
    await addresses();
    expect(asked()).toEqual(["x:1 watch 6"]);
  });

  test("tells what a server says now, and forgets what is no server any more", async () => {
    const { etcd, clock, discovery, addresses } = await watching(a, b);
    etcd.register(a, { weight: 3 });
    etcd.put(`${prefix}/servers/${b}`, "{}");
    await clock.advance(100);
    expect(await discovery.all()).toEqual([
      { address: a, services: undefined, weight: 3 },
    ]);
    etcd.register(b);
    await clock.advance(100);
    expect(await addresses()).toEqual([a, b]);
  });

  test("goes on at the next member where it was, without a list", async () => {
    const { etcd, clock, addresses, asked, kinds } = await watching(a);
    etcd.register(b);
    await clock.advance(100);
    etcd.cut("x:1");
    etcd.register(c);
    await clock.advance(0);
    expect(asked()).toEqual([]);
    await clock.advance(100);
    expect(asked()).toEqual(["y:2 watch 4"]);
    await clock.advance(100);
    expect(await addresses()).toEqual([a, b, c]);
    expect(kinds()).toEqual([]);
  });

  test("whose connection has silently gone is another one after 10 s", async () => {
    const { etcd, clock, asked, kinds } = await watching(a);
    etcd.silent.add("x:1");
    await clock.advance(9_999);
    expect(asked()).toEqual([]);
    await clock.advance(1);
    expect(asked()).toEqual(["x:1 watch 3"]);
    await clock.advance(1_100);
    expect(asked()).toEqual(["y:2 watch 3"]);
    expect(kinds()).toEqual([]);
  });

  test("behind what etcd remembers is a list, at once, and a watch later", async () => {
    const { etcd, clock, addresses, asked, kinds } = await watching(a);
    etcd.silent.add("x:1").add("y:2");
    await clock.advance(10_500);
    etcd.register(b);
    etcd.compact();
    etcd.silent.clear();
    await clock.advance(600);
    asked();
    await addresses();
    await clock.advance(0);
    expect(await addresses()).toEqual([a, b]);
    expect(asked()).toEqual(["y:2 range"]);
    await clock.advance(250);
    await addresses();
    await clock.advance(0);
    expect(asked()).toEqual(["y:2 range", "y:2 watch 4"]);
    expect(kinds()).toEqual([]);
  });

  test("that no member gives is told, and polls go on, then a watch", async () => {
    const { etcd, clock, addresses, asked, kinds } = await watching(a);
    etcd.cut("x:1");
    etcd.cut("y:2");
    await clock.advance(200);
    expect(asked()).toEqual(["y:2 watch 3", "x:1 watch 3"]);
    expect(kinds()).toEqual(["discovery-failed"]);
    etcd.register(b);
    expect(await addresses()).toEqual([a]);
    await clock.advance(0);
    expect(kinds()).toEqual(["discovery-failed", "discovery-failed"]);
    etcd.down.clear();
    await clock.advance(250);
    await addresses();
    await clock.advance(0);
    expect(await addresses()).toEqual([a, b]);
    expect(kinds().slice(2)).toEqual(["list-restored"]);
    await clock.advance(10_000);
    etcd.register(c);
    await addresses();
    await clock.advance(100);
    expect(await addresses()).toEqual([a, b, c]);
  });

  test("ends after a minute in which nobody asked, and nothing is left", async () => {
    const { etcd, clock, addresses, asked } = await watching(a);
    await clock.advance(59_999);
    expect(asked()).toHaveLength(5);
    await clock.advance(1);
    expect(asked()).toEqual([]);
    expect(clock.timers).toBe(0);
    expect(etcd.open.size).toBe(0);
    etcd.register(b);
    await addresses();
    await clock.advance(0);
    expect(await addresses()).toEqual([a, b]);
    expect(asked()).toEqual(["x:1 range", "x:1 watch 4"]);
  });

  test("is none where it is not wanted, and none of an empty list", async () => {
    const unwatched = setUp({ watch: false });
    unwatched.etcd.register(a);
    await unwatched.addresses();
    await settle();
    expect(unwatched.asked()).toEqual(["x:1 range"]);
    const empty = setUp();
    await empty.addresses();
    await settle();
    expect(empty.asked()).toEqual(["x:1 range"]);
  });

  test("a list set by hand ends it", async () => {
    const { etcd, clock, discovery, addresses } = await watching(a);
    discovery.update([{ address: c, services: undefined }]);
    etcd.register(b);
    await clock.advance(1_000);
    expect(await addresses()).toEqual([c]);
    expect(etcd.open.size).toBe(0);
  });

  test("a list set by hand while another one is read stays", async () => {
    const { etcd, clock, discovery, addresses, asked } = setUp();
    etcd.register(a);
    const read = discovery.refresh();
    discovery.update([{ address: c, services: undefined }]);
    await read;
    await clock.advance(0);
    expect(await addresses()).toEqual([c]);
    expect(asked()).toEqual(["x:1 range"]);
    expect(etcd.open.size).toBe(0);
  });

  test("that has brought something begins again as soon as the first did", async () => {
    const { etcd, clock, addresses, asked } = await watching(a);
    for (let round = 1; round <= 4; round++) {
      etcd.register(b, { weight: round });
      await clock.advance(100);
      etcd.cut("x:1");
      etcd.cut("y:2");
      await clock.advance(200);
      etcd.down.clear();
      asked();
      await clock.advance(249);
      await addresses();
      await clock.advance(0);
      expect(asked().filter((one) => one.includes("watch"))).toEqual([]);
      await clock.advance(1);
      await addresses();
      await clock.advance(0);
      expect(asked().filter((one) => one.includes("watch"))).toHaveLength(1);
    }
  });

  test("that empties is not believed before it came twice and for 30 s", async () => {
    const { etcd, clock, addresses, kinds } = await watching(a);
    etcd.deregister(a);
    await clock.advance(100);
    expect(await addresses()).toEqual([a]);
    expect(kinds()).toEqual(["discovery-failed"]);
    for (let waitedMs = 0; waitedMs < 29_000; waitedMs += 1_000) {
      await clock.advance(1_000);
      expect(await addresses()).toEqual([a]);
    }
    await clock.advance(11_000);
    await addresses();
    await clock.advance(0);
    expect(await addresses()).toEqual([]);
    expect(kinds().at(-1)).toBe("list-restored");
    expect(etcd.open.size).toBe(0);
    etcd.register(b);
    await clock.advance(1_000);
    await addresses();
    expect(await addresses()).toEqual([b]);
  });

  test("rests polls, however often they would come", async () => {
    const { etcd, clock, addresses, asked } = setUp({ refreshAfterMs: 1_000 });
    etcd.register(a);
    for (let ms = 0; ms < 9_000; ms += 500) {
      await addresses();
      await clock.advance(500);
    }
    expect(asked()).toEqual(["x:1 range", "x:1 watch 3"]);
  });

  test("goes on for ever over members that fail, as long as it brings something", async () => {
    const { etcd, clock, addresses, kinds, asked } = await watching(a);
    for (let round = 0; round < 10; round++) {
      for (const [failing, other] of [
        ["x:1", "y:2"],
        ["y:2", "x:1"],
      ] as const) {
        etcd.down.delete(other);
        etcd.cut(failing);
        etcd.register(b, { weight: round + 1 });
        await clock.advance(200);
        await addresses();
      }
    }
    expect(kinds()).toEqual([]);
    expect(asked().filter((one) => one.endsWith("range"))).toEqual([]);
  });
});

const ranges: Record<string, () => Response> = {
  HTML: () => new Response("<html>"),
  null: () => new Response("null"),
  "a number": () => new Response("7"),
  "no header": () => Response.json({ kvs: [] }),
  "no revision": () => Response.json({ header: {} }),
  "a negative revision": () => Response.json({ header: { revision: "-7" } }),
  "a huge revision": () => Response.json({ header: { revision: "1e400" } }),
  "a list that is none": () =>
    Response.json({ header: { revision: "7" }, kvs: 7 }),
  "a key that is none": () =>
    Response.json({ header: { revision: "7" }, kvs: [{ key: 7 }] }),
  "keys of somebody else": () => keyed("eA==", 1),
  "65,537 servers": () => keyed(base64(`${prefix}/servers/${b}`), 65_537),
  "50 MiB": () => new Response(new Uint8Array(50 * 1024 * 1024)),
  "a declared 50 MiB": () =>
    new Response("{}", { headers: { "content-length": "52428800" } }),
  "a body without end": () => new Response(endless()),
  "500": () => new Response("{}", { status: 500 }),
  "a redirect": () => Response.redirect("http://elsewhere.test"),
  "a refusal without end": () => new Response(endless(), { status: 400 }),
  cancelled: () => Response.json({ code: 1 }, { status: 400 }),
};

function keyed(key: string, count: number): Response {
  const value = base64('{"ttlMs":1,"keeper":"one"}');
  const one = { key, value, mod_revision: "7" };
  const kvs = Array.from({ length: count }, () => one);
  return Response.json({ header: { revision: "7" }, kvs });
}

function endless(): ReadableStream<Uint8Array> {
  const chunk = new Uint8Array(1024 * 1024).fill(0x20);
  return new ReadableStream({ pull: (stream) => stream.enqueue(chunk) });
}

describe("an etcd that lies", () => {
  for (const [name, answer] of Object.entries(ranges)) {
    test(`${name}: the last good list is kept, it is told, and closing leaves nothing`, async () => {
      const { etcd, clock, discovery, addresses, events } = setUp({
        watch: false,
      });
      etcd.register(a);
      await addresses();
      etcd.answers.range = answer;
      const error = await discovery.refresh().catch((thrown) => thrown);
      expect(error).toMatchObject({ code: "unavailable", sent: false });
      expect(await addresses()).toEqual([a]);
      expect(events).toMatchObject([{ kind: "discovery-failed" }]);
      discovery.close();
      expect(clock.timers).toBe(0);
      expect(etcd.open.size).toBe(0);
    });
  }

  const header = { revision: "9" };
  const key = base64(`${prefix}/servers/${b}`);
  test.each([
    ["a number", 7],
    ["null", null],
    ["an error", { error: { message: "no" } }],
    ["events that are none", { result: { header, events: 7 } }],
    ["an event of nothing", { result: { header, events: [{}] } }],
    [
      "a negative revision",
      { result: { header, events: [{ kv: { key, mod_revision: "-1" } }] } },
    ],
    [
      "a revision of before",
      { result: { header, events: [{ kv: { key, mod_revision: "2" } }] } },
    ],
  ])("a watch that says %s goes on at the next member", async (_, message) => {
    const { etcd, clock, addresses, asked } = await watching(a);
    etcd.send(message);
    await clock.advance(100);
    expect(asked()).toEqual(["y:2 watch 3"]);
    etcd.register(c);
    await clock.advance(100);
    expect(await addresses()).toEqual([a, c]);
  });

  test("a watch that ends at once is not asked for without end", async () => {
    const { etcd, clock, asked } = await watching(a);
    etcd.answers.watch = () => new Response('{"result":{"header":{}}}\n');
    etcd.cut("x:1");
    await clock.advance(60_000);
    expect(asked().length).toBeLessThan(5);
  });

  test("a gap behind each list is no list after list", async () => {
    const { etcd, clock, addresses, asked } = setUp();
    etcd.register(a);
    etcd.answers.watch = () =>
      new Response('{"result":{"header":{},"compact_revision":"9"}}\n');
    for (let step = 0; step < 100; step++) {
      await addresses();
      await clock.advance(100);
    }
    expect(asked().length).toBeLessThan(30);
  });

  test("ever more servers end the watch, and what it had grown to goes", async () => {
    const { etcd, clock, addresses, kinds, asked } = await watching(a);
    const services = Array.from({ length: 1_000 }, (_, i) =>
      `${i}`.padEnd(200, "x"),
    );
    for (let n = 0; n < 30; n++) etcd.register(`tcp@h:${n + 1}`, { services });
    await clock.advance(100);
    expect(kinds()).toEqual(["discovery-failed"]);
    expect(asked()).toEqual([]);
    expect(etcd.open.size).toBe(0);
    expect(await addresses()).toEqual([a]);
  });
});

describe("closing", () => {
  test("ends what is under way, whatever it is", async () => {
    const listing = setUp();
    listing.etcd.silent.add("x:1");
    const failed = listing.discovery.all().catch((error: unknown) => error);
    await settle();
    listing.discovery.close();
    expect(await failed).toMatchObject({ code: "unavailable", sent: false });
    expect(listing.asked()).toEqual(["x:1 range"]);
    const reading = setUp();
    reading.etcd.answers.range = () =>
      new Response(new ReadableStream({ pull: () => new Promise(() => {}) }));
    const unread = reading.discovery.all().catch((error: unknown) => error);
    await settle();
    reading.discovery.close();
    expect(await unread).toMatchObject({ code: "unavailable", sent: false });
    const watch = await watching(a);
    watch.etcd.register(b);
    await settle();
    watch.discovery.close();
    const resuming = await watching(a);
    resuming.etcd.cut("x:1");
    await settle();
    resuming.discovery.close();
    for (const { clock, etcd, events } of [listing, reading, watch, resuming]) {
      await settle();
      expect(etcd.open.size).toBe(0);
      expect(events).toEqual([]);
      expect(clock.timers).toBe(0);
      const before = etcd.asked.length;
      await clock.advance(60_000);
      expect(etcd.asked).toHaveLength(before);
    }
  });
});

test("what is no URL of an etcd is refused", () => {
  for (const text of [
    "etcd:",
    "etcd://",
    "etcd:///p",
    "etcd://u:p@h/p",
    "h:1",
  ]) {
    expect(() => new EtcdDiscovery(text)).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  }
});
