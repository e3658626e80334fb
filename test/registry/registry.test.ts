import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import type { RpcEvent } from "../../src/events.ts";
import { Registry, type RegistryOptions } from "../../src/registry/registry.ts";
import { MemoryStore, type Store } from "../../src/registry/store.ts";
import { ManualClock } from "../support/manual-clock.ts";

type Body = string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;

interface ListedJson {
  address: string;
  services: string[] | null;
  expiresInMs: number | null;
}

const path = "/_geerpc_/registry";
const a = "tcp@10.0.0.1:4000";
const b = "tcp@10.0.0.2:4000";

function setUp(options: RegistryOptions = {}) {
  const clock = new ManualClock();
  const events: RpcEvent[] = [];
  const registry = new Registry({
    clock,
    onEvent: (event) => void events.push(event),
    ...options,
  });
  const send = (
    method: string,
    headers: Record<string, string> = {},
    body?: Body,
  ) =>
    registry.fetch(
      new Request(`http://registry.test${path}`, { method, headers, body }),
      "10.0.0.9",
    );
  const post = (server: string, ttl?: string, services?: readonly string[]) =>
    send(
      "POST",
      {
        "X-Geerpc-Server": server,
        ...(ttl === undefined ? {} : { "X-Geerpc-TTL": ttl }),
      },
      services === undefined ? undefined : JSON.stringify({ services }),
    );
  const remove = (server: string) =>
    send("DELETE", { "X-Geerpc-Server": server });
  const servers = async () =>
    (await send("GET")).headers.get("X-Geerpc-Servers");
  const json = async () => {
    const answer = await send("GET", { Accept: "application/json" });
    return (await answer.json()) as { servers: ListedJson[] };
  };
  return { clock, events, registry, send, post, remove, servers, json };
}

describe("as the original", () => {
  test("GET lists the addresses in a header, sorted, over an empty body", async () => {
    const { send, post } = setUp();
    await post(b);
    await post(a);
    const answer = await send("GET");
    expect(answer.status).toBe(200);
    expect(answer.headers.get("X-Geerpc-Servers")).toBe(`${a},${b}`);
    expect(await answer.text()).toBe("");
  });

  test("an empty list is an empty header", async () => {
    const { send } = setUp();
    const answer = await send("GET");
    expect(answer.status).toBe(200);
    expect(answer.headers.get("X-Geerpc-Servers")).toBe("");
  });

  test("POST registers, with an empty 200", async () => {
    const { post, servers } = setUp();
    const answer = await post(a);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe("");
    expect(await servers()).toBe(a);
  });

  test("POST without the header is 500, and registers nobody", async () => {
    const { send, servers } = setUp();
    expect((await send("POST")).status).toBe(500);
    expect((await send("POST", { "X-Geerpc-Server": "" })).status).toBe(500);
    expect(await servers()).toBe("");
  });

  test("a Go server that beats every 4 min stays listed; one that stops leaves after 5", async () => {
    const { clock, post, servers } = setUp();
    for (let beat = 0; beat < 3; beat++) {
      await post(a);
      await clock.advance(4 * 60_000);
      expect(await servers()).toBe(a);
    }
    await clock.advance(59_999);
    expect(await servers()).toBe(a);
    await clock.advance(1);
    expect(await servers()).toBe("");
  });

  test("the Go demo's tcp@[::]:port becomes the host that it came from", async () => {
    const { post, servers } = setUp();
    await post("tcp@[::]:54321");
    expect(await servers()).toBe("tcp@10.0.0.9:54321");
  });
});

describe("leases", () => {
  test("the registrant's TTL counts, renewals extend it", async () => {
    const { clock, post, servers } = setUp();
    await post(a, "15");
    await clock.advance(14_999);
    await post(a, "15");
    await clock.advance(14_999);
    expect(await servers()).toBe(a);
    await clock.advance(1);
    expect(await servers()).toBe("");
  });

  test("the registry's own TTL, also for ever", async () => {
    const { clock, post, servers } = setUp({ ttlMs: 0 });
    await post(a);
    await post(b, "1");
    await clock.advance(1e12);
    expect(await servers()).toBe(a);
  });

  test("a TTL of its own that is none is an invalid argument", () => {
    for (const ttlMs of [-1, NaN, Infinity]) {
      expect(() => new Registry({ ttlMs })).toThrow(
        expect.objectContaining({ code: "invalid_argument" }),
      );
    }
  });

  test("DELETE takes a server out, once", async () => {
    const { post, remove, servers } = setUp();
    await post(a);
    await post("tcp@0.0.0.0:1");
    expect((await remove(a)).status).toBe(200);
    expect((await remove(a)).status).toBe(404);
    expect((await remove("tcp@0.0.0.0:1")).status).toBe(200);
    expect(await servers()).toBe("");
  });

  test("servers that appear and leave are told, renewals are not", async () => {
    const { clock, events, post, remove } = setUp();
    await post(a, "15");
    await post(b, "15");
    await post(b, "15", ["Arith"]);
    await remove(a);
    await clock.advance(14_999);
    expect(events).toHaveLength(3);
    await clock.advance(1_001);
    expect(events).toEqual([
      { kind: "server-added", address: a },
      { kind: "server-added", address: b },
      { kind: "server-removed", address: a, reason: "deregistered" },
      { kind: "server-removed", address: b, reason: "expired" },
    ]);
  });
});

describe("the JSON form", () => {
  test("has services and what is left of the lease, beside the header", async () => {
    const { clock, send, post } = setUp({ ttlMs: 0 });
    await post(b, undefined, ["Foo", "Arith"]);
    await post(a, "15");
    await clock.advance(4_999.5);
    const answer = await send("GET", { Accept: "text/html, application/json" });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("Content-Type")).toBe("application/json");
    expect(answer.headers.get("X-Geerpc-Servers")).toBe(`${a},${b}`);
    expect(await answer.json()).toEqual({
      revision: expect.any(String),
      fillingForMs: 10_001,
      servers: [
        { address: a, services: null, expiresInMs: 10_001 },
        { address: b, services: ["Arith", "Foo"], expiresInMs: null },
      ],
    });
  });

  test("is for those who ask for it by name", async () => {
    const { send } = setUp();
    for (const accept of ["*/*", "text/*", "application/json;q=0", ""]) {
      expect(await (await send("GET", { Accept: accept })).text()).toBe("");
    }
    const accept = "Application/JSON; charset=utf-8;q=0.5";
    const answer = await send("GET", { Accept: accept });
    expect(await answer.json()).toMatchObject({ servers: [] });
  });

  test("stands alone where the header would be too long", async () => {
    const { send, post, servers, json } = setUp();
    for (let i = 0; i < 300; i++) await post(`unix@/${"x".repeat(240)}/${i}`);
    const answer = await send("GET", { Accept: "application/json" });
    expect(answer.headers.has("X-Geerpc-Servers")).toBe(false);
    expect((await json()).servers).toHaveLength(300);
    expect((await servers())?.split(",")).toHaveLength(300);
  });
});

describe("what servers say of themselves", () => {
  const told = {
    services: ["Foo"],
    version: "1.2",
    weight: 2,
    zone: "z",
    load: 0.5,
    labels: { rack: "7" },
  };
  const register = (
    { send }: ReturnType<typeof setUp>,
    server: string,
    body: object,
  ) => send("POST", { "X-Geerpc-Server": server }, JSON.stringify(body));

  test("is listed as JSON, where it was told", async () => {
    const registry = setUp({ ttlMs: 0 });
    await register(registry, a, told);
    await register(registry, b, {});
    const { servers } = await registry.json();
    expect({ servers }).toEqual({
      servers: [
        { address: a, ...told, expiresInMs: null },
        { address: b, services: null, expiresInMs: null },
      ] as ListedJson[],
    });
    expect((await register(registry, a, { weight: 0 })).status).toBe(400);
  });

  test("a service can be asked for: who has it, and who has not told", async () => {
    const registry = setUp();
    const c = "tcp@10.0.0.3:4000";
    await register(registry, a, told);
    await register(registry, b, { services: ["Bar"] });
    await register(registry, c, {});
    const asked = async (query: string, accept: string) =>
      registry.registry.fetch(
        new Request(`http://registry.test${path}${query}`, {
          headers: { Accept: accept },
        }),
      );
    for (const [query, servers] of [
      ["?service=Foo", [a, c]],
      ["?x=1&service=Bar", [b, c]],
      ["?service=", [c]],
      ["?x=1", [a, b, c]],
    ] as const) {
      const plain = await asked(query, "*/*");
      expect(plain.headers.get("X-Geerpc-Servers")).toBe(servers.join(","));
      const json = await asked(query, "application/json");
      const listed = ((await json.json()) as { servers: ListedJson[] }).servers;
      expect(listed.map(({ address }) => address)).toEqual([...servers]);
      const page = await (await asked(query, "text/html")).text();
      expect([a, b, c].filter((address) => page.includes(address))).toEqual([
        ...servers,
      ]);
    }
    const page = await asked("?service=%3Cb%3EFoo", "text/html");
    expect(await page.text()).toContain("&lt;b&gt;Foo");
  });

  test("has all of it on the page, a cell each", async () => {
    const registry = setUp({ ttlMs: 60_000 });
    await register(registry, a, { ...told, services: ["Foo", "Bar"] });
    await register(registry, b, {});
    const page = await (
      await registry.send("GET", { Accept: "text/html" })
    ).text();
    const rows = page.split("<tr>").slice(2);
    const cells = rows.map((row) =>
      [...row.matchAll(/<td>([^<]*)<\/td>/g)].map(([, text]) => text),
    );
    expect(cells).toEqual([
      [a, "Bar, Foo", "1.2", "2", "0.5", "z", "rack=7", "60 s"],
      [b, "not told", "", "", "", "", "", "60 s"],
    ]);
  });

  test("is a page for browsers, escaped and cut, beside the header", async () => {
    const registry = setUp();
    const accept = "text/html,application/xhtml+xml,*/*;q=0.8";
    const page = async () => {
      const answer = await registry.send("GET", { Accept: accept });
      return { answer, text: await answer.text() };
    };
    expect((await page()).text).toContain("No server");
    await register(registry, a, {
      ...told,
      version: "<script>alert(1)</script>",
      labels: { note: `"'${"&".repeat(250)}` },
      zone: "\u202ezone",
    });
    const { answer, text } = await page();
    expect(answer.headers.get("Content-Type")).toStartWith("text/html");
    expect(answer.headers.get("X-Geerpc-Servers")).toBe(a);
    expect(answer.headers.get("Content-Security-Policy")).toStartWith(
      "default-src 'none'; style-src 'nonce-",
    );
    expect(text).toContain(a);
    expect(text).not.toContain("<script");
    expect(text).not.toContain("\u202e");
    expect(text.match(/&amp;/g)).toHaveLength(200 - `note="'`.length - 1);
  });
});

describe("rights", () => {
  const reader = "r".repeat(16);
  const ann = "a".repeat(16);
  const bob = "b".repeat(16);
  const tokens = { readTokens: reader, writeTokens: `ann ${ann}\nbob ${bob}` };

  /** The status of a request with that Authorization. */
  function asking({ send }: ReturnType<typeof setUp>) {
    return async (method: string, authorization?: string, server = a) => {
      const { status } = await send(method, {
        "X-Geerpc-Server": server,
        ...(authorization && { Authorization: authorization }),
      });
      return status;
    };
  }

  test("each needs a token of its own, else it is 401, or 403 with the other", async () => {
    const registry = setUp(tokens);
    const ask = asking(registry);
    for (const method of ["GET", "HEAD", "POST", "DELETE"]) {
      const isRead = method === "GET" || method === "HEAD";
      const [right, wrong] = isRead ? [reader, ann] : [ann, reader];
      for (const none of [
        undefined,
        right,
        "Bearer",
        `Basic ${right}`,
        `Bearer ${right}x`,
        `Bearer ${right} ${right}`,
      ]) {
        expect(await ask(method, none)).toBe(401);
      }
      expect(await ask(method, `Bearer ${wrong}`)).toBe(403);
      expect(await ask(method, `bearer ${right}`)).not.toBeOneOf([401, 403]);
    }
    const answer = await registry.send("GET");
    expect(answer.headers.get("WWW-Authenticate")).toBe("Bearer");
    expect(await answer.text()).toMatch(/^[^\n]+\n$/);
    expect(registry.events.map(({ kind }) => kind)).toEqual([
      "server-added",
      "server-removed",
    ]);
  });

  test("one can be asked for without the other", async () => {
    for (const [options, open, closed] of [
      [{ readTokens: reader }, "POST", "GET"],
      [{ writeTokens: ann }, "GET", "POST"],
    ] as const) {
      const ask = asking(setUp(options));
      expect(await ask(open)).toBe(200);
      expect(await ask(closed)).toBe(401);
    }
  });

  test("a server can take out only itself", async () => {
    const registry = setUp(tokens);
    const ask = asking(registry);
    expect(await ask("POST", `Bearer ${ann}`)).toBe(200);
    expect(await ask("POST", `Bearer ${bob}`, b)).toBe(200);
    expect(await ask("DELETE", `Bearer ${bob}`)).toBe(403);
    expect(await ask("POST", `Bearer ${bob}`)).toBe(403);
    expect(await ask("DELETE", `Bearer ${ann}`)).toBe(200);
    expect(await ask("DELETE", `Bearer ${ann}`)).toBe(404);
    expect(registry.events.map(({ kind }) => kind)).toEqual([
      "server-added",
      "server-added",
      "server-removed",
    ]);
  });

  test("health needs none", async () => {
    const { registry } = setUp(tokens);
    const request = new Request("http://registry.test/healthz");
    expect((await registry.fetch(request)).status).toBe(200);
  });

  test("tokens that are none are an invalid argument", () => {
    for (const options of [{ readTokens: "" }, { writeTokens: "short" }]) {
      expect(() => new Registry(options)).toThrow(
        expect.objectContaining({ code: "invalid_argument" }),
      );
    }
  });
});

describe("bad input", () => {
  test("a bad address, TTL or body is 400 with one line of text", async () => {
    const { send, servers } = setUp();
    const cases: [headers: Record<string, string>, body?: Body][] = [
      [{ "X-Geerpc-Server": "tcp@h:1,tcp@h:2" }],
      [{ "X-Geerpc-Server": "quic@h:1" }],
      [{ "X-Geerpc-Server": "tcp@h:0" }],
      [{ "X-Geerpc-Server": a, "X-Geerpc-TTL": "soon" }],
      [{ "X-Geerpc-Server": a }, "no json"],
      [{ "X-Geerpc-Server": a }, '{"services":7}'],
      [
        { "X-Geerpc-Server": a },
        Buffer.from('{"services":["\xff"]}', "latin1"),
      ],
    ];
    for (const [headers, body] of cases) {
      const answer = await send("POST", headers, body);
      expect(answer.status).toBe(400);
      expect(answer.headers.get("Content-Type")).toStartWith("text/plain");
      expect(await answer.text()).toMatch(/^[^\n]+\n$/);
    }
    expect((await send("DELETE")).status).toBe(400);
    expect(await servers()).toBe("");
  });

  test("a body that is too long is 413, and read no further than that", async () => {
    const { send, servers } = setUp();
    let sentKiB = 0;
    const endless = new ReadableStream({
      pull(stream) {
        sentKiB += 64;
        stream.enqueue(new Uint8Array(64 * 1024));
      },
    });
    const answer = await send("POST", { "X-Geerpc-Server": a }, endless);
    expect(answer.status).toBe(413);
    expect(sentKiB).toBeLessThan(1_024);
    expect(await servers()).toBe("");
  });

  test("a thousand services with the longest names fit", async () => {
    const { post, json } = setUp();
    const services = Array.from({ length: 1_000 }, (_, i) =>
      `S${i}`.padEnd(200, "x"),
    );
    expect((await post(a, undefined, services)).status).toBe(200);
    expect((await json()).servers[0]?.services).toHaveLength(1_000);
  });

  test("a full registry is 503, and those it has can renew", async () => {
    const { post, servers } = setUp({ maxServers: 1 });
    await post(a);
    expect((await post(b)).status).toBe(503);
    expect((await post(a)).status).toBe(200);
    expect(await servers()).toBe(a);
  });

  test("other methods are 405 and say which there are", async () => {
    const { send } = setUp();
    for (const method of ["PUT", "PATCH", "OPTIONS"]) {
      const answer = await send(method, { "X-Geerpc-Server": a });
      expect(answer.status).toBe(405);
      expect(answer.headers.get("Allow")).toBe("GET, HEAD, POST, DELETE");
    }
  });

  test("HEAD is GET without its body", async () => {
    const { send, post } = setUp();
    await post(a);
    const answer = await send("HEAD");
    expect(answer.status).toBe(200);
    expect(answer.headers.get("X-Geerpc-Servers")).toBe(a);
  });

  test("other paths are 404, health is 200", async () => {
    const { registry } = setUp();
    const get = async (target: string, method = "GET") =>
      registry.fetch(new Request(`http://registry.test${target}`, { method }));
    for (const target of ["/", "/_geerpc_", `${path}/`, "/_geeprc_/registry"]) {
      expect((await get(target)).status).toBe(404);
    }
    expect((await get("/healthz")).status).toBe(200);
    const wrong = await get("/healthz", "POST");
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get("Allow")).toBe("GET, HEAD");
    expect((await get(`${path}?x=1`)).status).toBe(200);
  });
});

describe("the store", () => {
  function brokenStore(error: Error): Store {
    const fail = () => Promise.reject(error);
    const store = new MemoryStore(new ManualClock());
    return Object.assign(store, { put: fail, list: fail, remove: fail });
  }

  test("one that cannot be reached is 503, told to the operator only", async () => {
    const error = new RpcError("unavailable", "etcd at 10.9.9.9 is away");
    const { events, send, post, remove } = setUp({ store: brokenStore(error) });
    for (const answer of [await send("GET"), await post(a), await remove(a)]) {
      expect(answer.status).toBe(503);
      expect(await answer.text()).not.toContain("10.9.9.9");
    }
    expect(events).toHaveLength(3);
    expect(events[0]).toMatchObject({ kind: "store-failed", error });
  });

  test("one that breaks is 500 without a word of why", async () => {
    const error = new TypeError("secret is undefined");
    const { events, send } = setUp({ store: brokenStore(error) });
    const answer = await send("GET");
    expect(answer.status).toBe(500);
    const text = await answer.text();
    expect(text).not.toContain("secret");
    expect(text).not.toContain("at ");
    expect(events[0]).toMatchObject({ kind: "store-failed", error });
  });

  test("one that was given outlives the registry, and is no longer watched", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const { events, registry, post } = setUp({ store });
    await post(a);
    await registry.close();
    await store.put({ address: b, services: undefined }, 0);
    expect((await store.list()).servers).toHaveLength(2);
    expect(events).toEqual([{ kind: "server-added", address: a }]);
  });
});

describe("listening", () => {
  test("on a free port, and says where", async () => {
    const events: RpcEvent[] = [];
    await using registry = new Registry({
      onEvent: (event) => void events.push(event),
    });
    const url = await registry.listen("127.0.0.1:0");
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*\/_geerpc_\/registry$/);
    expect(events).toEqual([{ kind: "listening", address: url }]);
    const posted = await fetch(url, {
      method: "POST",
      headers: { "X-Geerpc-Server": "tcp@[::]:4000" },
    });
    expect(posted.status).toBe(200);
    const listed = await fetch(url);
    expect(listed.headers.get("X-Geerpc-Servers")).toBe("tcp@127.0.0.1:4000");
    expect(listed.headers.get("Content-Length")).toBe("0");
    const tooLong = await fetch(url, {
      method: "POST",
      headers: { "X-Geerpc-Server": a },
      body: "x".repeat(300_000),
    });
    expect(tooLong.status).toBe(413);
  });

  test("on IPv6, where a wildcard becomes the IPv4 host it came from", async () => {
    await using registry = new Registry();
    const url = await registry.listen("[::]:0");
    const { port } = new URL(url);
    const local = `http://127.0.0.1:${port}${path}`;
    await fetch(local, {
      method: "POST",
      headers: { "X-Geerpc-Server": "tcp@:4000" },
    });
    const listed = await fetch(local);
    expect(listed.headers.get("X-Geerpc-Servers")).toBe("tcp@127.0.0.1:4000");
  });

  test("a port in use is unavailable, no host:port an invalid argument", async () => {
    await using first = new Registry();
    const { host } = new URL(await first.listen("127.0.0.1:0"));
    await using second = new Registry();
    await expect(second.listen(host)).rejects.toMatchObject({
      code: "unavailable",
    });
    await expect(second.listen("9999")).rejects.toMatchObject({
      code: "invalid_argument",
    });
    // The failure leaves it as it was.
    const url = await second.listen("127.0.0.1:0");
    expect((await fetch(url)).status).toBe(200);
  });

  test("close answers what is under way, frees the port and stops the clock", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const { promise: isListed, resolve: list } = Promise.withResolvers<void>();
    const { promise: isAsked, resolve: asked } = Promise.withResolvers<void>();
    const listNow = store.list.bind(store);
    store.list = async () => {
      asked();
      await isListed;
      return listNow();
    };
    const registry = new Registry({ clock, store });
    const url = await registry.listen("127.0.0.1:0");
    const answer = fetch(url);
    await isAsked;
    const closed = registry.close();
    list();
    expect((await answer).status).toBe(200);
    await closed;
    await registry.close();
    expect(clock.timers).toBe(0);
    await using next = new Registry();
    await next.listen(new URL(url).host);
  });

  test("close does not wait for a request that never ends", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const { promise: isAsked, resolve: asked } = Promise.withResolvers<void>();
    store.list = () => {
      asked();
      return new Promise(() => {});
    };
    const registry = new Registry({ clock, store });
    const cut = fetch(await registry.listen("127.0.0.1:0"));
    cut.catch(() => {});
    await isAsked;
    const closed = registry.close();
    await clock.advance(1_000);
    await closed;
    await expect(cut).rejects.toThrow();
  });

  test("closed, it answers 503 and does not listen again", async () => {
    const { clock, registry, post, servers, send } = setUp();
    await post(a, "15");
    await registry.close();
    expect(await servers()).toBeNull();
    expect((await send("GET")).status).toBe(503);
    await expect(registry.listen("127.0.0.1:0")).rejects.toMatchObject({
      code: "unavailable",
    });
    expect(clock.timers).toBe(0);
  });
});

test("a body that stops coming is 408, after 10 s", async () => {
  const { clock, send } = setUp();
  const headers = { "X-Geerpc-Server": a };
  const answer = send("POST", headers, new ReadableStream({}));
  await clock.advance(10_000);
  expect((await answer).status).toBe(408);
});

test.each([
  "HTTP/1.0\r\n\r\n",
  "HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n",
])("a request without a Host of use is answered: %j", async (rest) => {
  await using registry = new Registry();
  const { hostname, port } = new URL(await registry.listen("127.0.0.1:0"));
  const ended = Promise.withResolvers<string>();
  let text = "";
  await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      open: (socket) => void socket.write(`GET ${path} ${rest}`),
      data: (_, chunk) => void (text += chunk.toString()),
      close: () => ended.resolve(text),
    },
  });
  expect(await ended.promise).toStartWith("HTTP/1.1 200 OK\r\n");
});

test("a Host that cannot be part of a URL is 400", async () => {
  const { registry } = setUp();
  const request = { url: "http://[[/", method: "GET", headers: new Headers() };
  const answer = await registry.fetch(request as Request);
  expect(answer.status).toBe(400);
});
