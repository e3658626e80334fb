import { describe, expect, test } from "bun:test";
import { escapeText } from "../../src/cli/escape.ts";
import { toJsonLine } from "../../src/cli/json.ts";

describe("a value as a line of JSON", () => {
  const bytes = new Uint8Array([0, 1, 2, 255]);
  test.each<[string, unknown, string]>([
    ["null", null, "null"],
    ["undefined", undefined, "null"],
    ["a boolean", true, "true"],
    ["a number", 1.5e300, "1.5e+300"],
    ["-0", -0, "-0"],
    ["NaN", NaN, '"NaN"'],
    ["Infinity", -Infinity, '"-Infinity"'],
    ["a bigint", 2n ** 70n, "1180591620717411303424"],
    ["a string", 'a"\\\n', '"a\\"\\\\\\n"'],
    ["a date", new Date(0), '"1970-01-01T00:00:00.000Z"'],
    ["no date", new Date(NaN), "null"],
    ["bytes", bytes, '"AAEC/w=="'],
    ["part of a buffer", bytes.subarray(1, 3), '"AQI="'],
    ["a buffer", bytes.buffer, '"AAEC/w=="'],
    ["a view", new DataView(bytes.buffer, 1, 2), '"AQI="'],
    ["typed numbers", new Float64Array([1, NaN]), '[1,"NaN"]'],
    ["typed bigints", new BigInt64Array([1n]), "[1]"],
    ["a Set", new Set([1, "a"]), '[1,"a"]'],
    ["a Map with text keys", new Map([["a", 1]]), '{"a":1}'],
    [
      "a Map with others",
      new Map<unknown, unknown>([
        [1, 2],
        ["a", null],
      ]),
      '[[1,2],["a",null]]',
    ],
    ["an array", [1, undefined, [2]], "[1,null,[2]]"],
    ["an object", { a: 1, b: undefined, c: { d: [] } }, '{"a":1,"c":{"d":[]}}'],
    ["a key __proto__", JSON.parse('{"__proto__":1}'), '{"__proto__":1}'],
  ])("%s", (_name, value, line) => {
    expect(toJsonLine(value)).toBe(line);
  });

  test("says what JSON.stringify says, where JSON has such values", () => {
    const value = { a: [1, "é😀", null, true, { b: {} }], "": -1.25 };
    expect(toJsonLine(value)).toBe(JSON.stringify(value));
  });

  test("acts on no terminal, and means the same", () => {
    const text = "\u001b[31m\u009b\u007f\u2028\u202e\ud800";
    const line = toJsonLine({ [text]: text });
    expect(line).toMatch(/^[ -~]*$/);
    expect(JSON.parse(line)).toEqual({ [text]: text });
  });
});

describe("a stranger's text", () => {
  test("shows what would act on a terminal", () => {
    expect(escapeText("a\u001b[2Jb\r\nc\u202e\u009b")).toBe(
      "a\\u001b[2Jb\\u000d\\u000ac\\u202e\\u009b",
    );
    expect(escapeText("plain, é, 😀")).toBe("plain, é, 😀");
  });

  test("is cut", () => {
    expect(escapeText("x".repeat(100_000)).length).toBe(2_000);
  });
});
