import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import type { ServerOptions } from "../../src/server/server.ts";
import type { Context, Peer } from "../../src/service/context.ts";
import { settle } from "../support/manual-clock.ts";
import { setUp as setUpServer } from "./set-up.ts";

const json = { "Content-Type": "application/json" };

function setUp(options: ServerOptions = {}) {
  const all = setUpServer(options);
  const fetch = (
    path: string,
    init: RequestInit = {},
    headers: Record<string, string> = {},
  ) =>
    all.server.fetch(
      new Request(`http://server.test${path}`, { ...init, headers }),
    );
  const post = (
    serviceMethod: string,
    body: RequestInit["body"],
    init: RequestInit = {},
    headers: Record<string, string> = json,
  ) =>
    fetch(`/rpc/${serviceMethod}`, { method: "POST", body, ...init }, headers);
  /** Status and code of a call. */
  const outcome = async (
    serviceMethod: string,
    body: RequestInit["body"],
    headers?: Record<string, string>,
  ) => {
    const response = await post(serviceMethod, body, {}, headers);
    const answer = (await response.json()) as { code?: string };
    return [response.status, answer.code];
  };
  return { ...all, fetch, post, outcome };
}

const sumOf12 = JSON.stringify({ a: 1, b: 2 });

describe("POST /rpc/Service.Method", () => {
  test("answers the reply as JSON", async () => {
    const { post } = setUp();
    const response = await post("Arith.sum", sumOf12);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toBe(3);
  });

  test("takes a charset with its content type, and an escaped name", async () => {
    const { post } = setUp();
    const response = await post(
      "%41rith%2Esum",
      sumOf12,
      {},
      {
        "Content-Type": "Application/JSON; charset=utf-8",
      },
    );
    expect(await response.json()).toBe(3);
  });

  test("without a body has no argument, without a reply answers null", async () => {
    const { server, post } = setUp();
    let seen: unknown = "nothing";
    server.register({ take: (args: unknown) => void (seen = args) }, "Any");
    const response = await post("Any.take", undefined);
    expect(await response.json()).toBeNull();
    expect(seen).toBeUndefined();
  });

  test("of a method that streams is unimplemented, and the stream is ended", async () => {
    const { server, outcome } = setUp();
    const seen: string[] = [];
    const items = {
      next: () => seen.push("next"),
      return: async () => {
        seen.push("return");
        return { done: true, value: undefined };
      },
    };
    const all = () => ({ [Symbol.asyncIterator]: () => items });
    server.register({ all, later: async () => all() }, "Items");
    for (const method of ["all", "later"]) {
      expect(await outcome(`Items.${method}`, "{}")).toEqual([
        501,
        "unimplemented",
      ]);
    }
    expect(seen).toEqual(["return", "return"]);
  });

  test("passes the server's interceptors", async () => {
    const seen: unknown[] = [];
    const { post } = setUp({
      interceptors: [
        async (call, next) => {
          seen.push(call.serviceMethod, call.args);
          return Number(await next(call)) * 10;
        },
      ],
    });
    const response = await post("Arith.sum", sumOf12);
    expect(await response.json()).toBe(30);
    expect(seen).toEqual(["Arith.sum", { a: 1, b: 2 }]);
  });

  test("comes from a peer that cannot be called", async () => {
    const { server, outcome } = setUp();
    let peer: Peer | undefined;
    const call = (_args: unknown, context: Context) => {
      ({ peer } = context);
      return peer.call("Foo.bar");
    };
    server.register({ call }, "Back");
    expect(await outcome("Back.call", "{}")).toEqual([501, "unimplemented"]);
    expect(peer?.isAvailable).toBe(false);
  });

  test.each([
    ["Arith", 400, "invalid_argument"],
    ["", 400, "invalid_argument"],
    ["Arith.nothing", 501, "unimplemented"],
    ["Nobody.sum", 501, "unimplemented"],
    ["Arith.constructor", 501, "unimplemented"],
    ["Arith.__proto__.x", 501, "unimplemented"],
    ["__proto__.toString", 501, "unimplemented"],
    ["Arith.sum%00", 501, "unimplemented"],
    ["%E0%A4%A.sum", 501, "unimplemented"],
    ["Arith.sum/", 501, "unimplemented"],
  ])("%j is %i %s", async (serviceMethod, status, code) => {
    const { outcome } = setUp();
    expect(await outcome(serviceMethod, "{}")).toEqual([status, code]);
  });

  test.each([["{"], ["NaN"], [`${"[".repeat(65)}${"]".repeat(65)}`]])(
    "a body that is no JSON of ours: %j",
    async (body) => {
      const { outcome } = setUp();
      expect(await outcome("Arith.sum", body)).toEqual([
        400,
        "invalid_argument",
      ]);
    },
  );

  test.each([
    [{}],
    [{ "Content-Type": "text/plain" }],
    [{ "Content-Type": "application/x-www-form-urlencoded" }],
    [{ "Content-Type": "application/jsonp" }],
  ])("what a page of another site may send is refused: %j", async (headers) => {
    const { server, outcome } = setUp();
    expect(await outcome("Arith.sum", sumOf12, headers)).toEqual([
      400,
      "invalid_argument",
    ]);
    expect(server.methods.get("Arith")?.[0]?.calls).toBe(0);
  });

  test("other methods are not allowed", async () => {
    const { fetch } = setUp();
    for (const method of ["GET", "PUT", "OPTIONS"]) {
      const response = await fetch("/rpc/Arith.sum", { method });
      expect([response.status, response.headers.get("allow")]).toEqual([
        405,
        "POST",
      ]);
    }
  });

  test.each([
    ["cancelled", 499],
    ["unknown", 500],
    ["invalid_argument", 400],
    ["deadline_exceeded", 504],
    ["not_found", 404],
    ["already_exists", 409],
    ["permission_denied", 403],
    ["resource_exhausted", 429],
    ["failed_precondition", 400],
    ["aborted", 409],
    ["out_of_range", 400],
    ["unimplemented", 501],
    ["internal", 500],
    ["unavailable", 503],
    ["data_loss", 500],
    ["unauthenticated", 401],
  ] as const)("a handler's %s is %i", async (code, status) => {
    const { server, outcome } = setUp();
    const fail = () => {
      throw new RpcError(code, "as asked");
    };
    server.register({ fail }, "Any");
    expect(await outcome("Any.fail", "1")).toEqual([status, code]);
  });

  const circle: { self?: unknown } = {};
  circle.self = circle;

  test.each([
    ["plain", { field: "a" }, { field: "a" }],
    ["a bigint", 1n, undefined],
    ["a Map", new Map([[1, 2]]), undefined],
    ["a circle", circle, undefined],
    [
      "a getter that throws",
      {
        get bad(): never {
          throw new Error("no");
        },
      },
      undefined,
    ],
  ])("details travel where JSON carries them: %s", async (_, details, seen) => {
    const { server, post } = setUp();
    const fail = async () => {
      throw new RpcError("aborted", "as asked", { details });
    };
    server.register({ fail }, "Any");
    const response = await post("Any.fail", "1");
    expect(response.status).toBe(409);
    expect(await response.json()).toEqual({
      code: "aborted",
      message: "as asked",
      ...(seen === undefined ? {} : { details: seen }),
    });
  });

  test.each([
    ["a bigint", 1n],
    ["a circle", circle],
    ["a function", () => 1],
  ])("a reply that JSON cannot carry is internal: %s", async (_, reply) => {
    const { server, outcome } = setUp();
    server.register({ give: async () => reply }, "Any");
    expect(await outcome("Any.give", "1")).toEqual([500, "internal"]);
  });

  test("a reply over the limit is resource_exhausted", async () => {
    const { server, outcome } = setUp({ limits: { maxMessageBytes: 100 } });
    server.register({ give: (count: number) => "é".repeat(count) }, "Any");
    expect(await outcome("Any.give", "49")).toEqual([200, undefined]);
    expect(await outcome("Any.give", "50")).toEqual([
      429,
      "resource_exhausted",
    ]);
  });
});

describe("a body", () => {
  const limits = { maxMessageBytes: 100 };

  test("of the limit is taken, a byte more is 413", async () => {
    const { post } = setUp({ limits });
    const fitting = await post("Arith.sum", sumOf12.padEnd(100));
    expect(fitting.status).toBe(200);
    const longer = await post("Arith.sum", sumOf12.padEnd(101));
    expect(longer.status).toBe(413);
    expect(longer.headers.get("connection")).toBe("close");
    expect(((await longer.json()) as RpcError).code).toBe("resource_exhausted");
  });

  test("that declares too much is refused before it comes", async () => {
    const { post, clock } = setUp({ limits });
    const never = new ReadableStream({});
    const response = await post(
      "Arith.sum",
      never,
      {},
      {
        ...json,
        "Content-Length": "101",
      },
    );
    expect(response.status).toBe(413);
    expect(clock.timers).toBe(0);
  });

  test("without a length is read up to the limit", async () => {
    const { post, clock } = setUp({ limits });
    let pulls = 0;
    let isCancelled = false;
    const endless = new ReadableStream({
      pull: (stream) => {
        pulls++;
        stream.enqueue(Buffer.alloc(30));
      },
      cancel: () => void (isCancelled = true),
    });
    const response = await post("Arith.sum", endless);
    expect(response.status).toBe(413);
    await settle();
    expect(isCancelled).toBe(true);
    expect(pulls).toBeLessThan(10);
    expect(clock.timers).toBe(0);
  });

  test("that stops coming is given up after 30 s", async () => {
    const { post, clock } = setUp();
    const answer = post("Arith.sum", new ReadableStream({}));
    await clock.advance(29_999);
    expect(clock.timers).toBe(1);
    await clock.advance(1);
    const response = await answer;
    expect(response.status).toBe(408);
    expect(((await response.json()) as RpcError).code).toBe(
      "deadline_exceeded",
    );
    expect(clock.timers).toBe(0);
  });
});

describe("a call", () => {
  test("has the server's time", async () => {
    const { clock, gate, post } = setUp({ handleTimeoutMs: 100 });
    const answer = post("Gate.wait", "1");
    await gate._entered();
    await clock.advance(100);
    expect((await answer).status).toBe(504);
    expect(gate.signals[0]?.aborted).toBe(true);
  });

  test("of a client that goes aborts its handler", async () => {
    const { gate, post } = setUp();
    const controller = new AbortController();
    const answer = post("Gate.wait", "1", { signal: controller.signal });
    await gate._entered();
    const signal = gate.signals[0] as AbortSignal;
    expect(signal.aborted).toBe(false);
    controller.abort();
    expect((await answer).status).toBe(499);
    expect(signal.aborted).toBe(true);
  });

  test("of a client that has gone is not started", async () => {
    const { server, post } = setUp();
    const signal = AbortSignal.abort();
    expect((await post("Arith.sum", sumOf12, { signal })).status).toBe(499);
    await settle();
    expect(server.methods.get("Arith")?.[0]?.calls).toBe(0);
  });

  test("of a client that went while its body came is not started", async () => {
    const { server, post } = setUp();
    const controller = new AbortController();
    let finish = () => {};
    const body = new ReadableStream({
      start: (stream) => {
        finish = () => {
          stream.enqueue(Buffer.from(sumOf12));
          stream.close();
        };
      },
    });
    const answer = post("Arith.sum", body, { signal: controller.signal });
    await settle();
    controller.abort();
    expect((await answer).status).toBe(499);
    finish();
    await settle();
    expect(server.methods.get("Arith")?.[0]?.calls).toBe(0);
  });

  test("beyond the limit of running ones is refused", async () => {
    const { gate, post, outcome } = setUp({
      limits: { maxRunningHandlers: 1 },
    });
    const first = post("Gate.wait", "1");
    await gate._entered();
    expect(await outcome("Gate.wait", "1")).toEqual([
      429,
      "resource_exhausted",
    ]);
    gate.open();
    expect(await (await first).json()).toBe("opened");
  });
});

describe("the caller's time", () => {
  test.each([
    ["500", 500],
    ["500ms", 500],
    [" 5s ", 5_000],
    ["0.5s", 500],
  ])("X-Geerpc-Timeout: %j", async (text, ms) => {
    const { post, gate, clock } = setUp();
    const headers = { ...json, "X-Geerpc-Timeout": text };
    const answer = post("Gate.wait", "1", {}, headers);
    await gate._entered();
    await clock.advance(ms - 1);
    expect(gate.signals[0]?.aborted).toBe(false);
    await clock.advance(1);
    expect((await answer).status).toBe(504);
    expect(gate.signals[0]?.aborted).toBe(true);
  });

  test("runs while the body comes", async () => {
    const { server, post, clock } = setUp();
    let send: ReadableStreamDefaultController<Uint8Array> | undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => void (send = controller),
    });
    const headers = { ...json, "X-Geerpc-Timeout": "500" };
    const answer = post("Arith.sum", body, {}, headers);
    await clock.advance(500);
    send?.enqueue(Buffer.from(sumOf12));
    send?.close();
    expect((await answer).status).toBe(504);
    expect(server.methods.get("Arith")?.[0]?.calls).toBe(0);
  });

  test("without the header, or with 0, there is no limit", async () => {
    const { post, gate, clock } = setUp();
    const headers = { ...json, "X-Geerpc-Timeout": "0" };
    const answers = [
      post("Gate.wait", "1"),
      post("Gate.wait", "1", {}, headers),
    ];
    await clock.advance(1e9);
    gate.open();
    for (const answer of answers) expect((await answer).status).toBe(200);
  });

  test.each(["-1", "1h", "soon", "", "1e3", "0x10", "9".repeat(16)])(
    "that is none is refused: %j",
    async (text) => {
      const { outcome } = setUp();
      const headers = { ...json, "X-Geerpc-Timeout": text };
      expect(await outcome("Arith.sum", sumOf12, headers)).toEqual([
        400,
        "invalid_argument",
      ]);
    },
  );
});

test.each([
  [undefined, "http"],
  ["10.0.0.7", "http@10.0.0.7"],
  ["::1", "http@[::1]"],
])("a handler knows who called: %j is %s", async (remoteHost, address) => {
  const { server } = setUp();
  const who = (_: unknown, { peer }: { peer: { address: string } }) =>
    peer.address;
  server.register({ who }, "Any");
  const request = new Request("http://a/rpc/Any.who", {
    method: "POST",
    headers: json,
  });
  const response = await server.fetch(request, remoteHost);
  expect(await response.json()).toBe(address);
});

describe("the other paths", () => {
  test.each(["/_geerpc_", "/_geeprc_"])("%s must CONNECT", async (path) => {
    const { fetch } = setUp();
    for (const method of ["GET", "POST"]) {
      const response = await fetch(path, { method });
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe("CONNECT");
      expect(await response.text()).toBe("405 must CONNECT\n");
    }
  });

  test("health, readiness and what is not there", async () => {
    let isReady = false;
    const { fetch } = setUp({ isReady: () => isReady });
    const status = async (path: string, method = "GET") =>
      (await fetch(path, { method })).status;
    expect(await status("/healthz")).toBe(200);
    expect(await status("/healthz", "HEAD")).toBe(200);
    expect(await status("/healthz", "DELETE")).toBe(405);
    expect(await status("/readyz")).toBe(503);
    isReady = true;
    expect(await status("/readyz")).toBe(200);
    expect(await status("/")).toBe(404);
    expect(await status("/rpc")).toBe(404);
    expect(await status("/debug/geerpc/")).toBe(404);
  });
});

describe("draining", () => {
  test("lets a call finish, and refuses new ones as 503", async () => {
    const { server, gate, fetch, post, outcome } = setUp();
    const running = post("Gate.wait", "1");
    await gate._entered();
    const drained = server.drain();
    expect(await outcome("Arith.sum", sumOf12)).toEqual([503, "unavailable"]);
    const ready = await fetch("/readyz");
    expect(ready.status).toBe(503);
    expect(ready.headers.get("connection")).toBe("close");
    expect((await fetch("/healthz")).status).toBe(200);
    gate.open();
    expect(await (await running).json()).toBe("opened");
    await drained;
  });

  test("does not start a call whose body came too late", async () => {
    const { server, gate, post } = setUp();
    const running = post("Gate.wait", "1");
    await gate._entered();
    let finish = () => {};
    const body = new ReadableStream({
      start: (stream) => {
        finish = () => {
          stream.enqueue(Buffer.from(sumOf12));
          stream.close();
        };
      },
    });
    const late = post("Arith.sum", body);
    await settle();
    const drained = server.drain();
    finish();
    expect((await late).status).toBe(503);
    expect(server.methods.get("Arith")?.[0]?.calls).toBe(0);
    gate.open();
    await running;
    await drained;
  });

  test("closing answers calls that run, and aborts them", async () => {
    const { server, gate, post, clock } = setUp();
    const running = post("Gate.wait", "1");
    const uploading = post("Arith.sum", new ReadableStream({}));
    await gate._entered();
    await server.close();
    expect((await running).status).toBe(503);
    expect((await uploading).status).toBe(503);
    expect(gate.signals[0]?.aborted).toBe(true);
    await clock.advance(30_000);
    expect(clock.timers).toBe(0);
  });
});
