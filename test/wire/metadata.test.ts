import { describe, expect, test } from "bun:test";
import { maxMetadataBlockBytes } from "../../src/wire/frame.ts";
import { defaultLimits, type Limits } from "../../src/wire/limits.ts";
import {
  checkMetadata,
  decodeMetadata,
  encodeMetadata,
  type Metadata,
  metadataEnd,
} from "../../src/wire/metadata.ts";
import { codeThrownBy } from "../codec/code-thrown-by.ts";

function limitsOf(limits: Partial<Limits> = {}): Limits {
  return { ...defaultLimits, ...limits };
}

function decode(
  block: Uint8Array,
  limits: Partial<Limits> = {},
): Metadata | undefined {
  const bytes = Buffer.from(block);
  const end = metadataEnd(bytes, 0, bytes.length);
  return decodeMetadata(bytes, 0, end, limitsOf(limits));
}

/** A block that declares its own length and holds `entries`, in latin1. */
function blockOf(...entries: string[]): Buffer {
  const content = Buffer.from(entries.join(""), "latin1");
  const length = Buffer.alloc(2);
  length.writeUInt16LE(content.length);
  return Buffer.concat([length, content]);
}

function entry(key: string, value: string): string {
  const { length } = value;
  const bytes = [key.length, key, length & 255, length >> 8, value];
  return bytes
    .map((part) =>
      typeof part === "number" ? String.fromCharCode(part) : part,
    )
    .join("");
}

describe("checkMetadata", () => {
  test("takes a record and a map, into a map of its own", () => {
    const record = {
      user: "é",
      "id-bin": Uint8Array.of(0, 255),
      "a.b_c-9": "",
    };
    const expected = new Map(Object.entries(record));
    expect(checkMetadata(record)).toEqual(expected);
    const given = new Map<string, string | Uint8Array>(expected);
    const checked = checkMetadata(given);
    given.clear();
    expect(checked).toEqual(expected);
  });

  test("nothing is none", () => {
    expect(checkMetadata({})).toBeUndefined();
    expect(checkMetadata(new Map())).toBeUndefined();
  });

  test.each<[string, Record<string, unknown>]>([
    ["an empty key", { "": "x" }],
    ["a capital letter", { User: "x" }],
    ["a blank", { "a b": "x" }],
    ["a letter beyond ASCII", { é: "x" }],
    ["a line feed behind the key", { "a\n": "x" }],
    ["a key of 256 characters", { ["k".repeat(256)]: "x" }],
    ["bytes under a key for text", { a: Uint8Array.of(1) }],
    ["text under a key for bytes", { "a-bin": "x" }],
    ["a number", { a: 1 }],
    ["undefined", { a: undefined }],
    ["a lone surrogate", { a: "\ud800" }],
    ["another typed array", { "a-bin": new Uint16Array(1) }],
  ])("refuses %s", (_, given) => {
    const check = () => checkMetadata(given as Record<string, string>);
    expect(codeThrownBy(check)).toBe("invalid_argument");
  });

  test("takes the longest key", () => {
    const metadata = checkMetadata({ ["k".repeat(255)]: "x" }) as Metadata;
    expect(decode(encodeMetadata(metadata, limitsOf()))).toEqual(metadata);
  });
});

describe("a block", () => {
  test("arrives as it left, without views into the chunk", () => {
    const metadata: Metadata = new Map<string, string | Uint8Array>([
      ["text", "é€😀"],
      ["empty", ""],
      ["mark", "\ufeffkept"],
      ["some-bin", Uint8Array.of(1, 2, 3)],
      ["none-bin", new Uint8Array(0)],
      ["__proto__", "x"],
    ]);
    const block = Buffer.from(encodeMetadata(metadata, limitsOf()));
    const decoded = decodeMetadata(block, 0, block.length, limitsOf());
    block.fill(0xff);
    expect(decoded).toEqual(metadata);
    expect(decoded?.get("some-bin")?.constructor).toBe(Uint8Array);
  });

  test("without entries is none", () => {
    expect(decode(blockOf())).toBeUndefined();
  });

  test("with a key twice has its last value", () => {
    const block = blockOf(entry("a", "1"), entry("b", "2"), entry("a", "3"));
    expect(decode(block)).toEqual(
      new Map([
        ["a", "3"],
        ["b", "2"],
      ]),
    );
  });

  test("that is cut off anywhere is invalid_argument", () => {
    const block = blockOf(entry("key", "value"), entry("b-bin", "x"));
    const inner = block.subarray(2);
    for (let length = 0; length < block.length; length++) {
      const end = () => metadataEnd(block, 0, length);
      expect(codeThrownBy(end)).toBe("invalid_argument");
    }
    for (let length = 1; length < inner.length; length++) {
      // As long as it says, but its last entry is not: unless it is cut between two.
      const cut = blockOf(inner.toString("latin1", 0, length));
      const isWhole = length === entry("key", "value").length;
      expect(codeThrownBy(() => decode(cut))).toBe(
        isWhole ? undefined : "invalid_argument",
      );
    }
  });

  test.each([
    ["a key with a capital letter", entry("A", "x")],
    ["an empty key", entry("", "x")],
    ["a key that is no ASCII", entry("\xe9", "x")],
    ["a text that is no UTF-8", entry("a", "\xff")],
    ["a text with a surrogate", entry("a", "\xed\xa0\x80")],
  ])("with %s is invalid_argument", (_, content) => {
    expect(codeThrownBy(() => decode(blockOf(content)))).toBe(
      "invalid_argument",
    );
  });

  test("has as many bytes as allowed, and no more, both ways", () => {
    const limits = { maxMetadataBytes: 100 };
    for (const [text, bytes] of [
      ["x", 96],
      ["é", 48],
    ] as const) {
      const longest = new Map([["a", text.repeat(bytes)]]);
      const block = encodeMetadata(longest, limitsOf(limits));
      expect(block.length).toBe(102);
      expect(decode(block, limits)).toEqual(longest);
      const less = { maxMetadataBytes: 99 };
      expect(codeThrownBy(() => decode(block, less))).toBe(
        "resource_exhausted",
      );
      const encode = () => encodeMetadata(longest, limitsOf(less));
      expect(codeThrownBy(encode)).toBe("resource_exhausted");
    }
  });

  test("has as many entries as allowed, and no more, both ways", () => {
    const keys = ["a", "b", "c"].map((key) => [key, ""] as const);
    const metadata = new Map(keys);
    const limits = { maxMetadataKeys: 3 };
    const block = encodeMetadata(metadata, limitsOf(limits));
    expect(decode(block, limits)).toEqual(metadata);
    const fewer = { maxMetadataKeys: 2 };
    expect(codeThrownBy(() => decode(block, fewer))).toBe("resource_exhausted");
    const encode = () => encodeMetadata(metadata, limitsOf(fewer));
    expect(codeThrownBy(encode)).toBe("resource_exhausted");
    // One key again and again counts, too.
    const same = blockOf(entry("a", ""), entry("a", ""), entry("a", ""));
    expect(codeThrownBy(() => decode(same, fewer))).toBe("resource_exhausted");
  });

  test("fits into a frame, whatever the limits say", () => {
    const limits = { maxMetadataBytes: Infinity };
    const valueBytes = maxMetadataBlockBytes - "a".length - 3;
    const longest = new Map([["a", "x".repeat(valueBytes)]]);
    const block = encodeMetadata(longest, limitsOf(limits));
    expect(decode(block, limits)).toEqual(longest);
    const longer = new Map([["a", "x".repeat(valueBytes + 1)]]);
    const encode = () => encodeMetadata(longer, limitsOf(limits));
    expect(codeThrownBy(encode)).toBe("resource_exhausted");
    const long = blockOf(entry("a", "x".repeat(valueBytes + 1)));
    expect(codeThrownBy(() => decode(long, limits))).toBe("resource_exhausted");
  });
});
