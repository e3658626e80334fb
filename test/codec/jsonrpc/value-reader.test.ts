import { describe, expect, test } from "bun:test";
import { ValueReader } from "../../../src/codec/jsonrpc/value-reader.ts";
import { codeThrownBy } from "../code-thrown-by.ts";

function cut(
  text: string,
  chunkBytes = Infinity,
  reader = new ValueReader(1000, 100),
): string[] {
  const bytes = Buffer.from(text);
  const found: string[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    reader.push(bytes.subarray(at, at + chunkBytes));
    for (let one = reader.next(); one !== undefined; one = reader.next()) {
      expect(reader.bytes).toBe(Buffer.byteLength(one));
      found.push(one);
    }
  }
  return found;
}

const streams: [string, string[]][] = [
  [`{}`, ["{}"]],
  [`{}{}[]`, ["{}", "{}", "[]"]],
  [`{}\n{}\r\n\t []\n`, ["{}", "{}", "[]"]],
  [` \r\n{"a":[1,{"b":2}]}`, [`{"a":[1,{"b":2}]}`]],
  [`[[{}],[]]{"a":1}`, [`[[{}],[]]`, `{"a":1}`]],
  [`{"}":"]{\\"}"}[]`, [`{"}":"]{\\"}"}`, "[]"]],
  [`{"\\\\":1}{"a\\\\\\"}":1}`, [`{"\\\\":1}`, `{"a\\\\\\"}":1}`]],
  [`{"é€😀":"{"}[]`, [`{"é€😀":"{"}`, "[]"]],
  [`{"a":1`, []],
  [`{"a":"}`, []],
  [``, []],
];

describe("ValueReader", () => {
  test.each(streams)("%p, in whatever pieces", (text, values) => {
    for (const chunkBytes of [Infinity, 1, 2, 3, 7]) {
      expect(cut(text, chunkBytes)).toEqual(values);
    }
  });

  test.each(["1", `"a"`, "null", "}", "]", ",", "\0", "\ufeff{}", "x{}"])(
    "%p is no beginning",
    (text) => {
      for (const before of ["", "{} ", "[]"]) {
        expect(codeThrownBy(() => cut(before + text))).toBe("internal");
        expect(codeThrownBy(() => cut(before + text, 1))).toBe("internal");
      }
    },
  );

  test("a text meets the limit of bytes, also one that never ends", () => {
    const fits = `{"a":"${"x".repeat(992)}"}`;
    expect(cut(fits + fits)).toEqual([fits, fits]);
    for (const chunkBytes of [Infinity, 1]) {
      for (const text of [`${fits.slice(0, -1)} }`, `["${"x".repeat(2000)}`]) {
        expect(codeThrownBy(() => cut(text, chunkBytes))).toBe(
          "resource_exhausted",
        );
      }
    }
  });

  test("a text meets the limit of nesting before it ends", () => {
    const deep = `${"[".repeat(100)}${"]".repeat(100)}`;
    expect(cut(deep + deep)).toEqual([deep, deep]);
    for (const chunkBytes of [Infinity, 1]) {
      expect(codeThrownBy(() => cut(`${"[".repeat(101)}`, chunkBytes))).toBe(
        "resource_exhausted",
      );
    }
  });

  test("a torn text is looked at once, whatever the pieces", () => {
    // Quadratic work would take hours for this.
    const text = `["${"x".repeat(4 << 20)}"]`;
    const reader = new ValueReader(5 << 20, 100);
    expect(cut(text, 1, reader)).toEqual([text]);
  });
});
