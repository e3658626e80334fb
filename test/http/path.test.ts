import { expect, test } from "bun:test";
import { pathOf } from "../../src/http/path.ts";

test.each([
  ["http://a.test:80/b/c?d#e", "/b/c"],
  ["/b/c?d", "/b/c"],
  ["http://[[/b", undefined],
])("the path of %s is %j", (url, path) => {
  expect(pathOf(url)).toBe(path);
});
