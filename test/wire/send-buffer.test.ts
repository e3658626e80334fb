import { describe, expect, spyOn, test } from "bun:test";
import { randomIndex } from "../../src/base/random.ts";
import { SendBuffer } from "../../src/wire/send-buffer.ts";
import { testRandom } from "../support/seed.ts";

function textOf(out: SendBuffer): string {
  return Buffer.from(out.pending()).toString();
}

describe("SendBuffer", () => {
  test("writes numbers little-endian, and text as UTF-8", () => {
    const out = new SendBuffer(1);
    out.writeByte(1);
    out.writeUint16(0x0203);
    out.writeUint32(0x04050607);
    out.writeBytes(Uint8Array.of(8, 9));
    expect(out.writeText("é€😀")).toBe(9);
    expect(Buffer.from(out.pending()).toString("hex")).toBe(
      `01030207060504${"0809"}${Buffer.from("é€😀").toString("hex")}`,
    );
    expect(out.length).toBe(18);
  });

  test.each([
    "",
    "a",
    "x".repeat(16),
    "x".repeat(17),
    "abcdefghijklmné",
    "\x7f\x80",
    "\ud800",
    "ab😀",
  ])("%j becomes its UTF-8, alone and behind others", (text) => {
    const out = new SendBuffer(1);
    for (let count = 0; count < 3; count++) {
      expect(out.writeText(text)).toBe(Buffer.byteLength(text));
    }
    expect(Buffer.from(out.pending())).toEqual(Buffer.from(text + text + text));
  });

  test("grows with data pending, and takes from the front in between", () => {
    const random = testRandom();
    const out = new SendBuffer();
    let expected = "";
    for (let round = 0; round < 2000; round++) {
      const text = String(round).repeat(randomIndex(200, random));
      out.writeText(text);
      expected += text;
      const count = randomIndex(out.length + 1, random);
      expect(textOf(out).slice(0, count)).toBe(expected.slice(0, count));
      out.consume(count);
      expected = expected.slice(count);
      expect(out.length).toBe(expected.length);
    }
    expect(textOf(out)).toBe(expected);
  });

  test("moves what is pending to the front before it takes more room", () => {
    const out = new SendBuffer();
    out.writeBytes(new Uint8Array(8 * 1024).fill(1));
    out.consume(out.length - 10);
    const { bytes } = out;
    const free = bytes.length - out.end;
    out.end += free - 10;
    out.consume(out.length - 10);
    out.bytes.fill(1, out.end - 10, out.end);
    out.writeBytes(new Uint8Array(100).fill(2));
    expect(out.bytes === bytes).toBe(true);
    expect(out.start).toBe(0);
    expect([...out.pending().subarray(8, 12)]).toEqual([1, 1, 2, 2]);
  });

  test("moves bytes a constant number of times while a full queue shifts on", () => {
    const out = new SendBuffer();
    const pending = 8 * 1024 - 100;
    out.writeBytes(new Uint8Array(pending));
    let movedBytes = 0;
    const count = function (this: Uint8Array, from: { length: number }) {
      movedBytes += from.length;
    };
    const set = spyOn(Uint8Array.prototype, "set").mockImplementation(count);
    const copy = spyOn(Uint8Array.prototype, "copyWithin").mockImplementation(
      function (this: Uint8Array, _to, from, to = 0) {
        movedBytes += to - from;
        return this;
      } as Uint8Array["copyWithin"],
    );
    const rounds = 10_000;
    try {
      for (let round = 0; round < rounds; round++) {
        out.consume(50);
        out.reserve(50);
        out.end += 50;
      }
    } finally {
      set.mockRestore();
      copy.mockRestore();
    }
    expect(movedBytes).toBeGreaterThan(0);
    expect(movedBytes).toBeLessThan(4 * rounds * 50 + 4 * pending);
  });

  test("truncates to a length that was found before it grew", () => {
    const out = new SendBuffer();
    out.writeText("gone, kept");
    out.consume(6);
    const { length } = out;
    out.writeBytes(new Uint8Array(100_000));
    out.truncate(length);
    expect(textOf(out)).toBe("kept");
    out.writeText("!");
    expect(textOf(out)).toBe("kept!");
  });

  test("lets a large buffer go once it is empty, and keeps a usual one", () => {
    const out = new SendBuffer();
    out.writeBytes(new Uint8Array(1000));
    out.clear();
    expect(out.bytes.length).toBeGreaterThan(0);
    out.writeBytes(new Uint8Array(1 << 20));
    out.consume((1 << 20) - 1);
    expect(out.bytes.length).toBeGreaterThan(0);
    out.consume(1);
    expect(out.bytes.length).toBe(0);
    out.writeText("again");
    expect(textOf(out)).toBe("again");
  });

  test("a large buffer that was let go is the next one that grows", () => {
    const first = new SendBuffer();
    first.writeBytes(new Uint8Array(1 << 20).fill(7));
    const { bytes } = first;
    first.clear();
    const second = new SendBuffer();
    second.writeText("small");
    expect(second.bytes === bytes).toBe(false);
    second.writeBytes(new Uint8Array(300_000));
    expect(second.bytes === bytes).toBe(true);
    expect(Buffer.from(second.pending().subarray(0, 5)).toString()).toBe(
      "small",
    );
    expect(
      second
        .pending()
        .subarray(5)
        .every((byte) => byte === 0),
    ).toBe(true);
    // It is nobody else's meanwhile.
    const third = new SendBuffer();
    third.writeBytes(new Uint8Array(300_000));
    expect(third.bytes === bytes).toBe(false);
  });

  test("one over 2 MiB is not kept, nor one that is smaller than what is needed taken", () => {
    const huge = new SendBuffer();
    huge.writeBytes(new Uint8Array(3 << 20));
    const { bytes } = huge;
    huge.clear();
    const next = new SendBuffer();
    next.writeBytes(new Uint8Array(300_000));
    expect(next.bytes === bytes).toBe(false);
    const kept = next.bytes;
    next.clear();
    const larger = new SendBuffer();
    larger.writeBytes(new Uint8Array(1 << 20));
    expect(larger.bytes === kept).toBe(false);
    expect(larger.length).toBe(1 << 20);
  });

  test("takes no three bytes a character for a long text", () => {
    const out = new SendBuffer();
    const length = 3 << 20;
    expect(out.writeText("x".repeat(length))).toBe(length);
    expect(out.bytes.length).toBeLessThan(3 * length);
    expect(out.writeText("€".repeat(100_000))).toBe(300_000);
    expect(textOf(out).endsWith("x€".concat("€".repeat(99_999)))).toBe(true);
  });

  test("takes no memory before it is written to", () => {
    expect(new SendBuffer().bytes.length).toBe(0);
  });
});
