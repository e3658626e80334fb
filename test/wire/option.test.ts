import { describe, expect, test } from "bun:test";
import {
  encodeOption,
  isLineFeed,
  magicNumber,
  OptionScanner,
  parseOption,
} from "../../src/wire/option.ts";
import { codeThrownBy } from "../codec/code-thrown-by.ts";

const maxBytes = 4096;

function scanWhole(text: string) {
  return new OptionScanner(maxBytes).push(Buffer.from(text));
}

describe("OptionScanner", () => {
  test.each([
    ["no string", `{"a":1}`],
    ["a brace in a string", `{"a":"}"}`],
    ["an escaped quote", `{"a":"\\"}"}`],
    ["an escaped backslash before a quote", `{"a":"\\\\"}`],
    ["objects in objects", `{"a":{"b":{}},"c":"{"}`],
    ["a text of several bytes a character", `{"a":"é€😀}"}`],
  ])("finds the end and keeps what follows, cut anywhere: %s", (_, json) => {
    const bytes = Buffer.from(`${json}\n}{"rest`);
    const length = Buffer.byteLength(json);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const scanner = new OptionScanner(maxBytes);
      let found = scanner.push(bytes.subarray(0, cut));
      expect(found === undefined).toBe(cut < length);
      let behind = bytes.subarray(cut);
      found ??= scanner.push(bytes.subarray(cut));
      if (cut < length) behind = Buffer.alloc(0);
      expect(found?.text).toBe(json);
      const rest = Buffer.concat([found?.rest ?? Buffer.alloc(0), behind]);
      expect(rest.toString()).toBe(`\n}{"rest`);
    }
  });

  test("byte by byte", () => {
    const scanner = new OptionScanner(maxBytes);
    const bytes = Buffer.from(`{"a":"\\"}{"}`);
    const found = [...bytes].map((byte) => scanner.push(Uint8Array.of(byte)));
    expect(found.pop()?.text).toBe(bytes.toString());
    expect(found.every((part) => part === undefined)).toBe(true);
  });

  test("does not depend on a chunk that its owner uses again", () => {
    const scanner = new OptionScanner(maxBytes);
    const chunk = Buffer.from(`{"a":`);
    scanner.push(chunk);
    chunk.fill(0x7d);
    expect(scanner.push(Buffer.from("1}"))?.text).toBe(`{"a":1}`);
  });

  test.each(["[", " {}", "\n{}", "GET /", "\0"])(
    "refuses at once what does not begin with a brace: %j",
    (text) => {
      expect(codeThrownBy(() => scanWhole(text))).toBe("invalid_argument");
    },
  );

  test("takes as many bytes as allowed, and no more", () => {
    const longest = `{"a":"${"x".repeat(maxBytes - 8)}"}`;
    expect(scanWhole(longest)?.text).toBe(longest);
    const tooLong = `{"a":"${"x".repeat(maxBytes - 7)}"}`;
    expect(codeThrownBy(() => scanWhole(tooLong))).toBe("resource_exhausted");
    const scanner = new OptionScanner(maxBytes);
    scanner.push(Buffer.from(tooLong.slice(0, maxBytes - 1)));
    expect(
      codeThrownBy(() =>
        scanner.push(Buffer.from(tooLong.slice(maxBytes - 1))),
      ),
    ).toBe("resource_exhausted");
  });

  test("refuses a megabyte without an end", () => {
    expect(codeThrownBy(() => scanWhole("{".repeat(1 << 20)))).toBe(
      "resource_exhausted",
    );
  });
});

describe("parseOption", () => {
  const good = { MagicNumber: magicNumber, CodecType: "application/gob" };
  const parse = (fields: object) => parseOption(JSON.stringify(fields));

  test("reads the line of a default Go client", () => {
    const text = `{"MagicNumber":3927900,"CodecType":"application/gob","ConnectTimeout":10000000000,"HandleTimeout":0}`;
    expect(parseOption(text)).toEqual({
      option: { ...good, ConnectTimeout: 10_000_000_000, HandleTimeout: 0 },
      error: undefined,
    });
  });

  test("reads what encodeOption wrote", () => {
    const option = {
      ...good,
      ConnectTimeout: 5,
      HandleTimeout: 7,
      Protocol: 1,
      Bodies: ["a", "b"],
      Compression: ["zstd"],
      StreamWindow: 0,
      ConnectionWindow: 4_194_304,
    };
    const line = Buffer.from(encodeOption(option)).toString();
    expect(line.endsWith("}\n")).toBe(true);
    expect(parseOption(line)).toEqual({ option, error: undefined });
  });

  test("ignores the case of names, unknown names, and null", () => {
    const { option, error } = parse({
      magicnumber: magicNumber,
      CODECTYPE: "application/json",
      handleTIMEOUT: 9,
      connectTimeout: null,
      bodies: null,
      compression: null,
      streamWindow: null,
      Colour: { red: 1 },
      __proto__x: 1,
    });
    expect(error).toBeUndefined();
    expect(option).toEqual({
      MagicNumber: magicNumber,
      CodecType: "application/json",
      ConnectTimeout: 0,
      HandleTimeout: 9,
    });
  });

  test.each([
    ["a wrong magic number", { MagicNumber: 1 }],
    ["no magic number", { MagicNumber: undefined }],
    ["a magic number as text", { MagicNumber: String(magicNumber) }],
    ["a negative timeout", { HandleTimeout: -1 }],
    ["a fraction", { ConnectTimeout: 1.5 }],
    ["a timeout as text", { HandleTimeout: "5" }],
    ["a version as text", { Protocol: "1" }],
    ["bodies that are no list", { Bodies: "a" }],
    ["bodies that are no names", { Bodies: ["a", 1] }],
    ["a compression that is no list", { Compression: "zstd" }],
    ["a window below 0", { StreamWindow: -1 }],
    ["a window as text", { ConnectionWindow: "1" }],
  ])("refuses %s, and still knows the codec", (_, fields) => {
    const { option, error } = parse({ ...good, ...fields });
    expect(error?.code).toBe("invalid_argument");
    expect(option.CodecType).toBe("application/gob");
  });

  test.each(["{", "null", "7", "[]", `"text"`, "", "{}"])(
    "refuses %j",
    (text) => {
      const { option, error } = parseOption(text);
      expect(error?.code).toBe("invalid_argument");
      expect(option.CodecType).toBe("");
    },
  );

  test("leaves a CodecType that is no text empty", () => {
    expect(parse({ ...good, CodecType: 5 }).option.CodecType).toBe("");
  });
});

test("only an LF ends the Option's line", () => {
  expect(isLineFeed(10)).toBe(true);
  expect(isLineFeed(13)).toBe(false);
  expect(isLineFeed(undefined)).toBe(false);
});

test("windows above 2^53-1 are taken for that", () => {
  const text = `{"MagicNumber":3927900,"CodecType":"x","StreamWindow":1e300,"ConnectionWindow":1e16}`;
  expect(parseOption(text)).toMatchObject({
    option: { StreamWindow: 2 ** 53 - 1, ConnectionWindow: 2 ** 53 - 1 },
    error: undefined,
  });
});
