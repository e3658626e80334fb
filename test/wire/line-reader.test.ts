import { describe, expect, spyOn, test } from "bun:test";
import { LineReader } from "../../src/wire/line-reader.ts";
import { codeThrownBy } from "../codec/code-thrown-by.ts";

function readLines(reader: LineReader, into: string[]): void {
  for (let line = reader.next(); line !== undefined; line = reader.next()) {
    into.push(line);
  }
}

const lines = ["one", "", "é€😀 three", `{"four":4}`];
const bytes = Buffer.from(`${lines.join("\n")}\n`);

describe("LineReader", () => {
  test("reads lines that are cut at any offset", () => {
    for (let cut = 0; cut <= bytes.length; cut++) {
      const reader = new LineReader(100);
      const found: string[] = [];
      for (const chunk of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
        reader.push(chunk);
        readLines(reader, found);
      }
      expect(found).toEqual(lines);
    }
  });

  test("reads single bytes, from memory that is used again", () => {
    const reader = new LineReader(100);
    const found: string[] = [];
    const chunk = new Uint8Array(1);
    for (const byte of bytes) {
      chunk[0] = byte;
      reader.push(chunk);
      readLines(reader, found);
    }
    expect(found).toEqual(lines);
  });

  test("waits for the LF, however often it is asked", () => {
    const reader = new LineReader(100);
    reader.push(Buffer.from("ab"));
    expect(reader.next()).toBeUndefined();
    expect(reader.next()).toBeUndefined();
    reader.push(Buffer.from("c\nd"));
    expect(reader.next()).toBe("abc");
    expect(reader.next()).toBeUndefined();
  });

  test("takes the longest line that is allowed, and none longer, whole or torn", () => {
    for (const cut of [0, 5, 10]) {
      const reader = new LineReader(10);
      const longest = Buffer.from("0123456789\n");
      reader.push(longest.subarray(0, cut));
      expect(reader.next()).toBeUndefined();
      reader.push(longest.subarray(cut));
      expect(reader.next()).toBe("0123456789");
    }
    for (const cut of [0, 5, 10]) {
      const reader = new LineReader(10);
      const tooLong = Buffer.from("0123456789a");
      reader.push(tooLong.subarray(0, cut));
      expect(reader.next()).toBeUndefined();
      reader.push(tooLong.subarray(cut));
      expect(codeThrownBy(() => reader.next())).toBe("resource_exhausted");
    }
  });

  test("copies a line in one-byte chunks a constant number of times", () => {
    const length = 1 << 16;
    const reader = new LineReader(length);
    const one = Buffer.from("x");
    let copiedBytes = 0;
    const set = spyOn(Uint8Array.prototype, "set").mockImplementation(function (
      this: Uint8Array,
      source: ArrayLike<number>,
      at = 0,
    ) {
      copiedBytes += source.length;
      for (let from = 0; from < source.length; from++) {
        this[at + from] = source[from] as number;
      }
    });
    try {
      for (let count = 0; count < length; count++) {
        reader.push(one);
        expect(reader.next()).toBeUndefined();
      }
      reader.push(Buffer.from("\n"));
      expect(reader.next()?.length).toBe(length);
    } finally {
      set.mockRestore();
    }
    expect(copiedBytes).toBeGreaterThanOrEqual(length);
    expect(copiedBytes).toBeLessThan(3 * length);
  });
});
