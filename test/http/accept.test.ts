import { expect, test } from "bun:test";
import {
  acceptsHtml,
  acceptsJson,
  prefersJson,
} from "../../src/http/accept.ts";

const cases: [string | null, boolean][] = [
  [null, false],
  ["", false],
  ["*/*", false],
  ["application/json", true],
  ["Application/JSON; charset=utf-8", true],
  ["application/json, text/plain, */*", true],
  ["application/*", true],
  ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false],
  ["text/html, application/json", false],
  ["application/json, text/html", false],
  ["text/html;q=0.5, application/json", true],
  ["text/html, application/json;q=0.5", false],
  ["text/*;q=0.2, application/json;q=0.3", true],
  ["application/json;q=0", false],
  ["*/*, application/json;q=0", false],
  ["text/html;q=0, */*", true],
  ["application/json;q=nonsense", true],
  ["image/png", false],
];

for (const [accept, isJson] of cases) {
  test(`${accept} ${isJson ? "prefers JSON" : "gets the page"}`, () => {
    expect(prefersJson(accept)).toBe(isJson);
  });
}

const named: [string | null, boolean][] = [
  [null, false],
  ["", false],
  ["*/*", false],
  ["application/*", false],
  ["text/html, application/json", true],
  ["Application/JSON; charset=utf-8;q=0.5", true],
  ["application/json;q=0", false],
  ["application/json;q=0.000", false],
];

test.each(named)("%j asks for JSON by name: %p", (accept, isJson) => {
  expect(acceptsJson(accept)).toBe(isJson);
});

test("HTML is asked for by its name alone", () => {
  expect(acceptsHtml("text/html,*/*;q=0.8")).toBe(true);
  for (const accept of [null, "*/*", "text/*", "text/html;q=0"]) {
    expect(acceptsHtml(accept)).toBe(false);
  }
});
