import { describe, expect, test } from "bun:test";
import { EtcdEndpoints } from "../../src/registry/etcd-endpoints.ts";
import { EtcdGateway, type KeyEvent } from "../../src/registry/etcd-gateway.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");
const failure = (promise: Promise<unknown>) => promise.catch((error) => error);
const never = new AbortController().signal;

type Answer = (signal: AbortSignal) => Response | Promise<Response>;

/** Endpoints a, b and so on, each with its answer. */
function setUp(answers: Readonly<Record<string, Answer>>) {
  const clock = new ManualClock();
  const asked: string[] = [];
  const bodies: unknown[] = [];
  const fetch = async (url: string, init: RequestInit) => {
    const { host } = new URL(url);
    asked.push(host);
    bodies.push(JSON.parse(init.body as string));
    return (answers[host] as Answer)(init.signal as AbortSignal);
  };
  const endpoints = Object.keys(answers).map((host) => `http://${host}`);
  const etcd = new EtcdEndpoints({ endpoints, clock, fetch });
  const gateway = new EtcdGateway(etcd);
  return { clock, gateway, etcd, asked, bodies, until: clock.now() + 1_800 };
}

const granted: Answer = () => Response.json({ ID: "7" });
const silent: Answer = () => new Promise(() => {});
const broken: Answer = () => Promise.reject(new Error("ECONNRESET"));
const refusing =
  (status: number, body: string): Answer =>
  () =>
    new Response(body, { status });

describe("endpoints", () => {
  test.each([
    ["null", null],
    ["a number", 7],
    ["no revision", { header: {} }],
    ["a negative revision", { header: { revision: "-1" } }],
    ["a revision of zero", { header: { revision: "0" } }],
    ["a fraction", { header: { revision: "1.5" } }],
    ["keys that are none", { header: { revision: "7" }, kvs: {} }],
    ["a key of nothing", { header: { revision: "7" }, kvs: [null] }],
    [
      "a key without a revision",
      { header: { revision: "7" }, kvs: [{ key: "eA==" }] },
    ],
  ])("what is no answer is the endpoint's failure: %s", async (_, said) => {
    const fine = () => Response.json({ header: { revision: "7" } });
    const { gateway, asked, until } = setUp({
      a: () => Response.json(said),
      b: fine,
    });
    expect(await gateway.range("/p/", until)).toEqual({
      revision: 7,
      keyValues: [],
    });
    expect(asked).toEqual(["a", "b"]);
  });

  test("a lease without an id, and a write without a revision, are none", async () => {
    const { gateway, until } = setUp({ a: () => Response.json({}) });
    for (const failed of [
      gateway.grant(10, until),
      gateway.putIf("k", 0, [], until),
    ]) {
      expect(await failure(failed)).toMatchObject({ code: "unavailable" });
    }
  });

  test("an answer may have so many bytes as was said", async () => {
    const text = JSON.stringify({ ID: "7" });
    const grant = (maxAnswerBytes: number) => {
      const gateway = new EtcdGateway(
        new EtcdEndpoints({
          endpoints: ["http://a"],
          clock: new ManualClock(),
          fetch: async () => new Response(text),
          maxAnswerBytes,
        }),
      );
      return failure(gateway.grant(10, 9_000));
    };
    expect(await grant(text.length)).toBe("7");
    expect(await grant(text.length - 1)).toMatchObject({ code: "unavailable" });
  });

  test("closed, a stream ends that nothing else is under way with", async () => {
    const { clock, gateway, etcd } = setUp({ a: silent });
    const watched = failure(gateway.watch("/p/", 7, () => {}, never));
    await settle();
    etcd.close();
    expect(await watched).toMatchObject({ code: "unavailable" });
    expect(clock.timers).toBe(0);
  });

  test("closed, requests and streams end as unavailable, and no other begins", async () => {
    const signals: AbortSignal[] = [];
    const clock = new ManualClock();
    const etcd = new EtcdEndpoints({
      endpoints: ["http://a", "http://b"],
      clock,
      fetch: (_, init) => {
        signals.push(init.signal as AbortSignal);
        return new Promise(() => {});
      },
    });
    const gateway = new EtcdGateway(etcd);
    const granted = failure(gateway.grant(10, clock.now() + 5_000));
    const watched = failure(gateway.watch("/p/", 7, () => {}, never));
    await settle();
    etcd.close();
    const late = [
      gateway.grant(10, clock.now() + 5_000),
      gateway.watch("/p/", 7, () => {}, never),
    ];
    for (const ended of [granted, watched, ...late.map(failure)]) {
      expect(await ended).toMatchObject({ code: "unavailable" });
    }
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
    expect(clock.timers).toBe(0);
  });

  test.each([
    ["no connection", broken],
    ["no leader", refusing(503, '{"code":14,"message":"no leader"}')],
    ["too slow inside", refusing(400, '{"code":4}')],
    ["somebody else", refusing(404, "<html>")],
    ["no JSON", () => new Response("<html>")],
    ["no UTF-8", () => new Response(Uint8Array.of(255))],
    ["too long", () => new Response("x".repeat(65 * 1024 * 1024))],
  ])("the next one is asked, and stays: %s", async (_, answer) => {
    const { gateway, asked, until } = setUp({ a: answer, b: granted });
    expect(await gateway.grant(10, until)).toBe("7");
    expect(await gateway.grant(10, until)).toBe("7");
    expect(asked).toEqual(["a", "b", "b"]);
  });

  test("one that says nothing has a second where there are others", async () => {
    const { clock, gateway, asked, until } = setUp({ a: silent, b: granted });
    const id = gateway.grant(10, until);
    await clock.advance(999);
    expect(asked).toEqual(["a"]);
    await clock.advance(1);
    expect(await id).toBe("7");
    expect(clock.timers).toBe(0);
  });

  test("nobody answers: unavailable at the instant that was said", async () => {
    for (const hosts of [["a"], ["a", "b"]]) {
      const { clock, gateway, asked, until } = setUp(
        Object.fromEntries(hosts.map((host) => [host, silent])),
      );
      let isOver = false;
      const failed = failure(gateway.grant(10, until)).finally(() => {
        isOver = true;
      });
      await clock.advance(1_799);
      expect(isOver).toBe(false);
      await clock.advance(1);
      expect(await failed).toMatchObject({ code: "unavailable" });
      expect(asked).toEqual(hosts);
    }
  });

  test("a single one is asked twice: its connection may have ended", async () => {
    let count = 0;
    const { gateway, asked, until } = setUp({
      a: (signal) => (count++ === 0 ? broken(signal) : granted(signal)),
    });
    expect(await gateway.grant(10, until)).toBe("7");
    expect(asked).toHaveLength(2);
  });

  test("etcd's own refusal keeps its code, and is no reason to go elsewhere", async () => {
    const { gateway, asked, until } = setUp({
      a: refusing(404, '{"code":5,"message":"lease not found"}'),
      b: granted,
    });
    expect(await failure(gateway.revoke("7", until))).toMatchObject({
      code: "not_found",
    });
    expect(asked).toEqual(["a"]);
  });
});

describe("requests", () => {
  test("a range goes to the end of the prefix", async () => {
    const kvs = [
      { key: base64("/p/ä"), value: base64("ö"), mod_revision: "3" },
      { key: base64("/p/b"), mod_revision: "4" },
    ];
    const { gateway, bodies, until } = setUp({
      a: () => Response.json({ header: { revision: "5" }, kvs }),
    });
    expect(await gateway.range("/p/", until)).toEqual({
      revision: 5,
      keyValues: [
        { key: "/p/ä", value: "ö", modRevision: 3 },
        { key: "/p/b", value: "", modRevision: 4 },
      ],
    });
    const range = { key: base64("/p/"), range_end: base64("/p0") };
    expect(bodies).toEqual([range]);
  });

  test("a transaction depends on the key's revision", async () => {
    let succeeded: boolean | undefined = true;
    const { gateway, bodies, until } = setUp({
      a: () => Response.json({ header: { revision: "5" }, succeeded }),
    });
    const operations = [{ delete: "k" }, { put: "l", value: "v" }];
    expect(await gateway.putIf("k", 3, operations, until)).toBe(5);
    succeeded = undefined;
    expect(await gateway.putIf("k", 3, operations, until)).toBeUndefined();
    const [key, value] = [base64("k"), base64("v")];
    expect(bodies[0]).toEqual({
      compare: [{ key, target: "MOD", result: "EQUAL", mod_revision: "3" }],
      success: [
        { request_delete_range: { key } },
        { request_put: { key: base64("l"), value } },
      ],
    });
  });

  test("a lease that has ended is renewed no more", async () => {
    let result: object = { TTL: "10" };
    const { gateway, until } = setUp({ a: () => Response.json({ result }) });
    expect(await gateway.keepAlive("7", until)).toBe(true);
    result = {};
    expect(await gateway.keepAlive("7", until)).toBe(false);
  });
});

describe("a watch", () => {
  const header = { revision: "9" };
  const created = { result: { header, created: true } };
  const events = [
    { kv: { key: base64("k"), value: base64("ä"), mod_revision: "8" } },
    { type: "DELETE", kv: { key: base64("k"), mod_revision: "9" } },
  ];
  const told: KeyEvent[] = [
    { kind: "put", key: "k", value: "ä", modRevision: 8 },
    { kind: "delete", key: "k", value: "", modRevision: 9 },
  ];
  const text = [created, { result: { header, events } }]
    .map((message) => `${JSON.stringify(message)}\n`)
    .join("");

  function streaming(chunks: readonly Uint8Array[], isOpen = false): Answer {
    return () =>
      new Response(
        new ReadableStream({
          start(controller) {
            for (const chunk of chunks) controller.enqueue(chunk);
            if (!isOpen) controller.close();
          },
        }),
      );
  }

  test("tells whole lines, however they are cut, and ends as unavailable", async () => {
    const bytes = Buffer.from(text);
    const cuts = [[bytes], [...bytes].map((byte) => Uint8Array.of(byte))];
    for (const chunks of cuts) {
      const { gateway, bodies, asked } = setUp({
        a: streaming(chunks),
        b: granted,
      });
      const seen: KeyEvent[] = [];
      const onEvents = (some: readonly KeyEvent[]) => void seen.push(...some);
      const error = await failure(gateway.watch("/p/", 7, onEvents, never));
      expect(error).toMatchObject({ code: "unavailable" });
      expect(seen).toEqual(told);
      expect(bodies).toMatchObject([{ create_request: { start_revision: 8 } }]);
      await gateway.grant(10, 5_000);
      expect(asked).toEqual(["a", "b"]);
    }
  });

  test.each([
    [
      "forgotten",
      { result: { header, canceled: true, compact_revision: "8" } },
    ],
    ["never seen", { result: { header: { revision: "6" }, created: true } }],
  ])("a gap is out_of_range: %s", async (_, message) => {
    const line = Buffer.from(`${JSON.stringify(message)}\n`);
    const { gateway, asked } = setUp({ a: streaming([line]), b: granted });
    for (let i = 0; i < 2; i++) {
      const error = await failure(gateway.watch("/p/", 7, () => {}, never));
      expect(error).toMatchObject({ code: "out_of_range" });
    }
    // It is no fault of the endpoint.
    expect(asked).toEqual(["a", "a"]);
  });

  test("is cut with its endpoint, and by its signal", async () => {
    const open = streaming([Buffer.from(text)], true);
    let isBroken = false;
    const { clock, gateway } = setUp({
      a: (signal) => (isBroken ? broken(signal) : open(signal)),
      b: granted,
    });
    const controller = new AbortController();
    const { promise: isTold, resolve } = Promise.withResolvers<void>();
    const first = failure(
      gateway.watch("/p/", 7, () => resolve(), controller.signal),
    );
    await isTold;
    await clock.advance(60_000);
    controller.abort();
    expect(await first).toMatchObject({ code: "cancelled" });
    const second = failure(gateway.watch("/p/", 7, () => {}, never));
    isBroken = true;
    await gateway.grant(10, clock.now() + 1_800);
    expect(await second).toMatchObject({ code: "unavailable" });
  });

  test("one that does not begin within a second goes elsewhere", async () => {
    const { clock, gateway, asked } = setUp({ a: silent, b: granted });
    const error = failure(gateway.watch("/p/", 7, () => {}, never));
    await clock.advance(1_000);
    expect(await error).toMatchObject({ code: "unavailable" });
    await gateway.grant(10, 5_000);
    expect(asked).toEqual(["a", "b"]);
    expect(clock.timers).toBe(0);
  });

  test("a line may have 64 MiB, and there may be many", async () => {
    const chunk = Buffer.alloc(1024 * 1024, "x");
    const line = Buffer.from(chunk).fill("\n", chunk.length - 1);
    for (const at of [0, chunk.length - 2]) line.fill('"', at, at + 1);
    for (const [one, count] of [
      [line, 70],
      [chunk, 0],
    ] as const) {
      const chunks = Array.from({ length: 70 }, () => one);
      const fetch = async () => streaming(chunks, count === 0)(never);
      const clock = new ManualClock();
      const endpoints = ["http://a"];
      const etcd = new EtcdEndpoints({ endpoints, clock, fetch });
      let lines = 0;
      const read = async () => {
        for await (const _ of etcd.lines("/", {}, never, () => 0)) lines++;
      };
      expect(await failure(read())).toMatchObject({ code: "unavailable" });
      expect(lines).toBe(count);
    }
  });
});
