import { describe, expect, test } from "bun:test";
import {
  type Fetch,
  type RegistryRequestOptions,
  requestRegistry,
} from "../../src/registry/request.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";

const url = "http://registry.test/";

function setUp(fetch: Fetch, options: Partial<RegistryRequestOptions> = {}) {
  const clock = new ManualClock();
  const ask = (init: RequestInit = {}) =>
    requestRegistry(url, init, {
      fetch,
      clock,
      timeoutMs: 1_000,
      maxAnswerBytes: 10,
      ...options,
    });
  return { clock, ask };
}

const unavailable = { code: "unavailable", sent: false };

test("gives headers and body of a 2xx answer", async () => {
  const { clock, ask } = setUp(
    async () =>
      new Response("héllo", { status: 201, headers: { "X-Answer": "yes" } }),
  );
  const answer = await ask();
  expect(answer.body).toBe("héllo");
  expect(answer.headers.get("x-answer")).toBe("yes");
  expect(clock.timers).toBe(0);
});

test("asks as it is told, follows no redirect, keeps no connection", async () => {
  let asked: [string, RequestInit] | undefined;
  const { ask } = setUp(async (...request) => {
    asked = request;
    return new Response();
  });
  await ask({ method: "POST", body: "x", headers: { a: "b" } });
  expect(asked?.[0]).toBe(url);
  expect(asked?.[1]).toMatchObject({
    method: "POST",
    body: "x",
    headers: { a: "b" },
    redirect: "manual",
    keepalive: false,
  });
});

test("keeps the connection where another request follows", async () => {
  let init: RequestInit = {};
  const { ask } = setUp(
    async (_, asked) => {
      init = asked;
      return new Response();
    },
    { isFollowed: true },
  );
  await ask();
  expect(init.keepalive).toBe(true);
});

test("a token goes with what else is sent", async () => {
  let headers = new Headers();
  const token = "0123456789abcdef";
  const { ask } = setUp(
    async (_, init) => {
      headers = new Headers(init.headers);
      return new Response();
    },
    { token },
  );
  await ask({ headers: { a: "b" } });
  expect(headers.get("authorization")).toBe(`Bearer ${token}`);
  expect(headers.get("a")).toBe("b");
});

describe("unavailable is", () => {
  for (const status of [301, 302, 304, 400, 404, 500, 503]) {
    test(`status ${status}`, async () => {
      const { ask } = setUp(async () => new Response(null, { status }));
      await expect(ask()).rejects.toMatchObject(unavailable);
    });
  }

  test("a body one byte too long", async () => {
    const { ask } = setUp(async () => new Response("x".repeat(11)));
    await expect(ask()).rejects.toMatchObject(unavailable);
    const fits = setUp(async () => new Response("x".repeat(10)));
    expect((await fits.ask()).body).toHaveLength(10);
  });

  test("a fetch that throws, at once or later", async () => {
    const atOnce = setUp(() => {
      throw new TypeError("no");
    });
    await expect(atOnce.ask()).rejects.toMatchObject(unavailable);
    const later = setUp(() => Promise.reject("text"));
    await expect(later.ask()).rejects.toMatchObject(unavailable);
  });

  test("no answer in time, and the request is given up", async () => {
    let signal: AbortSignal | null | undefined;
    const { clock, ask } = setUp((_, init) => {
      signal = init.signal;
      return new Promise(() => {});
    });
    const asked = ask();
    asked.catch(() => {});
    await clock.advance(999);
    expect(signal?.aborted).toBe(false);
    await clock.advance(1);
    await expect(asked).rejects.toMatchObject(unavailable);
    expect(signal?.aborted).toBe(true);
  });

  test("a caller that gives up, before or meanwhile", async () => {
    let requests = 0;
    const hang: Fetch = () => {
      requests++;
      return new Promise(() => {});
    };
    const before = setUp(hang, { signal: AbortSignal.abort() });
    await expect(before.ask()).rejects.toMatchObject(unavailable);
    expect(requests).toBe(0);
    const controller = new AbortController();
    const meanwhile = setUp(hang, { signal: controller.signal });
    const asked = meanwhile.ask();
    await settle();
    controller.abort();
    await expect(asked).rejects.toMatchObject(unavailable);
    expect(requests).toBe(1);
    expect(meanwhile.clock.timers).toBe(0);
  });
});

test("a refusal's own line of text is passed on, a page is not", async () => {
  const refuse = (type: string) =>
    setUp(
      async () =>
        new Response("port 0 is nowhere\nsecond line", {
          status: 400,
          headers: { "Content-Type": type },
        }),
    ).ask();
  const messageOf = async (type: string) =>
    refuse(type).then(
      () => "",
      (error: Error) => error.message,
    );
  expect(await messageOf("text/plain; charset=utf-8")).toContain("port 0");
  expect(await messageOf("text/plain")).not.toContain("second line");
  expect(await messageOf("text/html")).not.toContain("port 0");
});
