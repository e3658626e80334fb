import { expect, test } from "bun:test";
import { isRegistryUrl, parseRegistryUrls } from "../../src/registry/url.ts";

test("one or several, in their order, each once", () => {
  const one = "http://a:9999/_geerpc_/registry";
  const two = "https://b/own/path";
  expect(parseRegistryUrls(one)).toEqual([one]);
  expect(parseRegistryUrls(` ${two} , ${one},,${two}`)).toEqual([two, one]);
  expect(parseRegistryUrls([two, `${one},${two}`])).toEqual([two, one]);
});

test("without a path it is the registry's", () => {
  for (const text of ["http://a:9999", "http://a:9999/", "HTTP://A:9999/#x"]) {
    expect(parseRegistryUrls(text)).toEqual([
      "http://a:9999/_geerpc_/registry",
    ]);
  }
  expect(parseRegistryUrls("http://a/?team=x")).toEqual([
    "http://a/_geerpc_/registry?team=x",
  ]);
});

test("what is no registry's URL is an invalid argument", () => {
  for (const text of [
    "",
    ",",
    "a:9999",
    "http@a:1",
    "http://",
    "http://u:p@a",
  ]) {
    expect(() => parseRegistryUrls(text)).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  }
});

test("http:// is a registry, http@ a server", () => {
  expect(isRegistryUrl("http://a")).toBe(true);
  expect(isRegistryUrl("HTTPS://a")).toBe(true);
  expect(isRegistryUrl("http@a:1")).toBe(false);
});
