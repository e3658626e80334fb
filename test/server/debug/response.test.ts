import { expect, test } from "bun:test";
import type { DebugReport } from "../../../src/server/debug/report.ts";
import { Arith, setUp } from "../set-up.ts";

function get(
  { server }: Pick<ReturnType<typeof setUp>, "server">,
  accept: string | undefined,
  method = "GET",
): Promise<Response> {
  const headers: Record<string, string> =
    accept === undefined ? {} : { Accept: accept };
  return server.fetch(
    new Request("http://a/debug/geerpc", { method, headers }),
  );
}

function call(
  { server }: Pick<ReturnType<typeof setUp>, "server">,
  serviceMethod: string,
  body: string,
): Promise<Response> {
  return server.fetch(
    new Request(`http://a/rpc/${serviceMethod}`, {
      method: "POST",
      body,
      headers: { "Content-Type": "application/json" },
    }),
  );
}

test("a browser gets the page, a script its figures", async () => {
  const all = setUp();
  for (const accept of [undefined, "*/*", "text/html,*/*;q=0.8"]) {
    const page = await get(all, accept);
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(page.headers.get("vary")).toBe("Accept");
    expect(await page.text()).toStartWith("<!doctype html>");
  }
  const json = await get(all, "application/json");
  expect(json.headers.get("content-type")).toBe("application/json");
  expect(json.headers.get("vary")).toBe("Accept");
  expect(json.headers.get("cache-control")).toBe("no-store");
  await json.json();
});

test("the figures are those of the calls", async () => {
  const all = setUp();
  await call(all, "Arith.sum", '{"a":1,"b":2}');
  await call(all, "Arith.sum", "null");
  const running = call(all, "Gate.wait", '"never shown"');
  await all.gate._entered();
  await all.clock.advance(5_000);
  const report = (await (
    await get(all, "application/json")
  ).json()) as DebugReport;
  expect(Object.keys(report.services)).toEqual(["Arith", "Gate"]);
  expect(Object.keys(report.services["Gate"] ?? {})).toEqual(["open", "wait"]);
  expect(report.services["Arith"]).toEqual({
    sum: {
      args: "null | {a: number, b: number}",
      calls: 2,
      errors: 1,
      inFlight: 0,
      p50Us: 0,
      p99Us: 0,
      maxUs: 0,
    },
  });
  expect(report.services["Gate"]?.["wait"]).toMatchObject({
    args: "string",
    calls: 1,
    inFlight: 1,
  });
  expect(report.server).toEqual({
    state: "serving",
    uptimeMs: 5_000,
    connections: 0,
    addresses: [],
    pid: process.pid,
  });
  all.gate.open();
  await running;
});

test("latencies are in microseconds, to a tenth", async () => {
  const all = setUp();
  const running = call(all, "Gate.wait", "1");
  await all.gate._entered();
  await all.clock.advance(12.34567);
  all.gate.open();
  await running;
  const report = (await (
    await get(all, "application/json")
  ).json()) as DebugReport;
  expect(report.services["Gate"]?.["wait"]).toMatchObject({
    p50Us: 12_345.7,
    p99Us: 12_345.7,
    maxUs: 12_345.7,
  });
});

test("names that are members of every object are names like others", async () => {
  const all = setUp();
  all.server.register(new Arith(), "constructor");
  all.server.register(
    { toString: () => 1, valueOf: () => 2 },
    "hasOwnProperty",
  );
  const report = (await (
    await get(all, "application/json")
  ).json()) as DebugReport;
  expect(Object.keys(report.services)).toEqual([
    "Arith",
    "Gate",
    "constructor",
    "hasOwnProperty",
  ]);
  expect(Object.keys(report.services["hasOwnProperty"] ?? {})).toEqual([
    "toString",
    "valueOf",
  ]);
  const body = '{"__proto__":1,"constructor":2,"toString":"x"}';
  await call(all, "Arith.sum", body);
  const page = await (await get(all, "text/html")).text();
  expect(page).toContain(
    "{__proto__: number, constructor: number, toString: string}",
  );
});

test("only the page's own style and script may run, by a nonce of this answer", async () => {
  const all = setUp();
  const nonces = new Set<string>();
  for (let count = 0; count < 2; count++) {
    const page = await get(all, undefined);
    const policy = page.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("unsafe");
    const [, nonce = ""] = /script-src 'nonce-([^']+)'(;|$)/.exec(policy) ?? [];
    expect(policy).toContain(`style-src 'nonce-${nonce}'`);
    expect(await page.text()).toContain(`<script nonce="${nonce}">`);
    nonces.add(nonce);
  }
  expect(nonces.size).toBe(2);
});

test("HEAD is answered, other methods are not", async () => {
  const all = setUp();
  expect((await get(all, undefined, "HEAD")).status).toBe(200);
  const posted = await get(all, undefined, "POST");
  expect([posted.status, posted.headers.get("allow")]).toEqual([
    405,
    "GET, HEAD",
  ]);
});
