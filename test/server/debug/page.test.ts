import { describe, expect, test } from "bun:test";
import { debugPage } from "../../../src/server/debug/page.ts";
import type {
  DebugReport,
  MethodReport,
  ServerReport,
} from "../../../src/server/debug/report.ts";

const server: ServerReport = {
  state: "serving",
  uptimeMs: 65_000,
  connections: 1_234,
  addresses: ["tcp@127.0.0.1:9", "unix@/run/a"],
  pid: 77,
};

function method(fields: Partial<MethodReport> = {}): MethodReport {
  return {
    args: "{a: number}",
    calls: 10,
    errors: 0,
    inFlight: 0,
    p50Us: 12,
    p99Us: 1_250,
    maxUs: 2_000_000,
    ...fields,
  };
}

function render(
  services: DebugReport["services"],
  changes: Partial<ServerReport> = {},
): string {
  return debugPage({ services, server: { ...server, ...changes } }, "abc");
}

/** The page's text as a reader sees it, between single blanks. */
function textOf(page: string): string {
  return page
    .replace(/<(style|script)[^>]*>.*?<\/\1>/gs, "")
    .replace(/<[^>]+>/g, " ")
    .replace(/\s+/g, " ");
}

describe("the page", () => {
  test("says what the server is", () => {
    const text = textOf(render({}));
    expect(text).toContain("geerpc server serving");
    expect(text).toContain("listens on tcp@127.0.0.1:9, unix@/run/a");
    expect(text).toContain("process 77");
    expect(text).toContain("up for 1 min 5 s");
    expect(text).toContain("connections 1,234");
    const draining = render({}, { state: "draining", addresses: [] });
    expect(textOf(draining)).toContain("draining listens nowhere");
  });

  test("has a row for each method, in the report's order, and its sums", () => {
    const text = textOf(
      render({
        Arith: { div: method({ errors: 3, inFlight: 2 }), sum: method() },
        Users: { find: method({ args: "string", calls: 12_000 }) },
      }),
    );
    expect(text).toContain("methods 3 calls 12,020 errors 3 in flight 2");
    expect(text).toContain("Arith 2 methods method arguments calls errors");
    expect(text).toContain("div {a: number} 10 3 2 12 µs 1.25 ms 2 s");
    expect(text).toContain("Users 1 method ");
    expect(text).toContain("find string 12,000 0 0");
    const places = ["div", "sum", "find"].map((name) =>
      text.indexOf(` ${name} `),
    );
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  });

  test("marks errors and calls in flight, and only those", () => {
    const calm = render({ Arith: { sum: method() } });
    expect(calm).not.toContain('class="pill');
    expect(calm).not.toContain('<div class="bad">');
    const busy = render({ Arith: { sum: method({ errors: 1, inFlight: 1 }) } });
    expect(busy).toContain('<span class="pill bad">1</span>');
    expect(busy).toContain('<span class="pill busy">1</span>');
    expect(busy).toContain('<div class="bad">');
  });

  test("shows no times where none was measured", () => {
    const idle = method({ calls: 2, inFlight: 2 });
    expect(textOf(render({ A: { wait: idle } }))).toContain("2 0 2 – – –");
    const fresh = method({ args: "", calls: 0 });
    expect(textOf(render({ A: { wait: fresh } }))).toContain(
      "not called yet 0 0 0 – – –",
    );
    const without = method({ args: "undefined" });
    expect(textOf(render({ A: { wait: without } }))).toContain("none 10");
  });

  test("has something to say where there are no services", () => {
    expect(textOf(render({}))).toContain("No services yet");
    expect(render({ A: { b: method() } })).not.toContain("No services yet");
  });

  test("takes every name for text, and cuts it", () => {
    const evil = `<img src=x onerror="alert('1')">`;
    const services = Object.fromEntries([
      ["__proto__", { constructor: method({ args: `{"${evil}": number}` }) }],
      [evil, { [evil]: method() }],
      ["S".repeat(5_000), { ["m".repeat(5_000)]: method() }],
    ]) as DebugReport["services"];
    services["long"] = { args: method({ args: "x".repeat(5_000) }) };
    const page = render(services, { addresses: [evil, "a".repeat(5_000)] });
    expect(page).not.toContain("<img");
    expect(page).not.toContain('="alert');
    expect(textOf(page)).toContain("__proto__ 1 method");
    expect(textOf(page)).toContain("constructor {");
    expect(page).not.toMatch(/S{201}|m{201}|x{1001}|a{201}/);
  });

  test("names no resource elsewhere, and runs only what bears its nonce", () => {
    const page = render({ A: { b: method() } });
    expect(page).not.toMatch(/(src|href)="(?!data:,)/);
    expect(page).not.toMatch(/url\(|@import|https?:/);
    expect(page).not.toMatch(/\son\w+=| style="/);
    expect(
      [...page.matchAll(/<(script|style)[^>]*>/g)].map(([tag]) => tag),
    ).toEqual(['<style nonce="abc">', '<script nonce="abc">']);
  });

  test("reloads without a script", () => {
    expect(render({})).toMatch(
      /<noscript>\s*<meta http-equiv="refresh" content="\d+"/,
    );
  });

  test("has a name for each part that its script replaces", () => {
    const parts = [
      ...render({ A: { b: method() }, B: {} }).matchAll(/data-live="([^"]+)"/g),
    ];
    expect(parts.map(([, name]) => name)).toEqual([
      "header",
      "tiles",
      "A",
      "B",
    ]);
  });
});
