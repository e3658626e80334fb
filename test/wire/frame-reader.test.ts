import { describe, expect, spyOn, test } from "bun:test";
import { randomIndex } from "../../src/base/random.ts";
import { headerBytes, kinds, maxContentBytes } from "../../src/wire/frame.ts";
import { FrameReader } from "../../src/wire/frame-reader.ts";
import { codeThrownBy } from "../codec/code-thrown-by.ts";
import { testRandom } from "../support/seed.ts";

interface Frame {
  kind: number;
  flags: number;
  encoding: number;
  code: number;
  seq: number;
  content: string;
}

function encode({ kind, flags, encoding, code, seq, content }: Frame): Buffer {
  const body = Buffer.from(content);
  const frame = Buffer.alloc(headerBytes + body.length);
  frame.set([kind, flags, encoding, code]);
  frame.writeUInt32LE(body.length, 4);
  frame.writeBigUInt64LE(BigInt(seq), 8);
  frame.set(body, headerBytes);
  return frame;
}

function frameOf(part: Partial<Frame>): Frame {
  return {
    kind: 2,
    flags: 0,
    encoding: 0,
    code: 0,
    seq: 1,
    content: "",
    ...part,
  };
}

function readFrames(reader: FrameReader, into: Frame[]): void {
  while (reader.next()) readCurrent(reader, into);
}

function readCurrent(reader: FrameReader, into: Frame[]): void {
  const { kind, flags, encoding, code, seq, bytes, start, end } = reader;
  expect(end <= bytes.length).toBe(true);
  const content = bytes.toString("utf8", start, end);
  into.push({ kind, flags, encoding, code, seq, content });
}

const session = [
  frameOf({ kind: 1, flags: 2, encoding: 3, code: 4, content: "settings" }),
  frameOf({ seq: 2 ** 53 - 1 }),
  frameOf({ seq: 2 ** 32, content: "a longer content, é€😀" }),
  frameOf({ kind: 255, flags: 255, encoding: 255, code: 255, seq: 0 }),
  frameOf({ content: "x" }),
];
const bytes = Buffer.concat(session.map(encode));

describe("FrameReader", () => {
  test("reads frames that come in one chunk, without copying them", () => {
    const reader = new FrameReader();
    reader.push(bytes);
    expect(reader.next()).toBe(true);
    expect(reader.bytes.buffer).toBe(bytes.buffer);
    const frames: Frame[] = [session[0] as Frame];
    readFrames(reader, frames);
    expect(frames).toEqual(session);
  });

  test("reads frames that are cut at any offset, from any offset of a chunk", () => {
    for (let cut = 0; cut <= bytes.length; cut++) {
      const reader = new FrameReader();
      const frames: Frame[] = [];
      for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
        const chunk = Buffer.concat([Buffer.alloc(3), part]);
        reader.push(
          new Uint8Array(chunk.buffer, chunk.byteOffset + 3, part.length),
        );
        readFrames(reader, frames);
      }
      expect(frames).toEqual(session);
    }
  });

  test.each([1, 2, 3, 15, 16, 17])("reads chunks of %p bytes", (size) => {
    const reader = new FrameReader();
    const frames: Frame[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      reader.push(bytes.subarray(at, at + size));
      readFrames(reader, frames);
    }
    expect(frames).toEqual(session);
  });

  test("reads chunks of random sizes, some empty, that are used again", () => {
    const random = testRandom();
    for (let round = 0; round < 200; round++) {
      const reader = new FrameReader();
      const frames: Frame[] = [];
      for (let at = 0; at < bytes.length;) {
        const size = randomIndex(40, random);
        const chunk = Buffer.from(bytes.subarray(at, at + size));
        reader.push(chunk);
        readFrames(reader, frames);
        chunk.fill(0xee);
        at += size;
      }
      expect(frames).toEqual(session);
    }
  });

  test("gives a torn piece in parts, uncopied, and says what is to follow", () => {
    const content = Buffer.from("a piece of a body");
    const piece = encode(
      frameOf({ kind: kinds.piece, seq: 7, content: content.toString() }),
    );
    const all = Buffer.concat([bytes, piece, bytes]);
    const from = bytes.length + headerBytes;
    for (let cut = from - headerBytes; cut <= from + content.length; cut++) {
      for (const next of [1, 3, all.length]) {
        const reader = new FrameReader();
        const chunks = [
          all.subarray(0, cut),
          all.subarray(cut, cut + next),
          all.subarray(cut + next),
        ];
        const frames: Frame[] = [];
        const body: Buffer[] = [];
        for (const chunk of chunks) {
          reader.push(chunk);
          while (reader.next()) {
            const { kind, start, end, restBytes } = reader;
            if (kind !== kinds.piece) {
              readCurrent(reader, frames);
              continue;
            }
            expect([reader.seq, reader.bytes === chunk]).toEqual([7, true]);
            expect(end).toBeGreaterThan(start);
            body.push(reader.bytes.subarray(start, end));
            const here = Buffer.concat(body).length;
            expect(here + restBytes).toBe(content.length);
          }
        }
        expect(frames).toEqual([...session, ...session]);
        expect(Buffer.concat(body)).toEqual(content);
      }
    }
  });

  test("a piece without bytes comes once, however it is torn", () => {
    const piece = encode(frameOf({ kind: kinds.piece }));
    for (let cut = 0; cut <= piece.length; cut++) {
      const reader = new FrameReader();
      const frames: Frame[] = [];
      for (const part of [piece.subarray(0, cut), piece.subarray(cut)]) {
        reader.push(part);
        readFrames(reader, frames);
      }
      expect(frames).toEqual([frameOf({ kind: kinds.piece })]);
    }
  });

  test("does not copy a content that lies whole behind a torn header", () => {
    const reader = new FrameReader();
    reader.push(bytes.subarray(0, 5));
    expect(reader.next()).toBe(false);
    const rest = bytes.subarray(5);
    reader.push(rest);
    expect(reader.next()).toBe(true);
    expect(reader.bytes === rest).toBe(true);
    const frames: Frame[] = [];
    readCurrent(reader, frames);
    readFrames(reader, frames);
    expect(frames).toEqual(session);
  });

  test.each([maxContentBytes + 1, 2 ** 31, 2 ** 32 - 1])(
    "refuses a content of %p bytes, whole or torn, keeping nothing for it",
    (length) => {
      const header = encode(frameOf({}));
      header.writeUInt32LE(length, 4);
      const whole = new FrameReader();
      whole.push(header);
      expect(codeThrownBy(() => whole.next())).toBe("resource_exhausted");
      const torn = new FrameReader();
      torn.push(header.subarray(0, 10));
      expect(torn.next()).toBe(false);
      torn.push(header.subarray(10));
      expect(codeThrownBy(() => torn.next())).toBe("resource_exhausted");
    },
  );

  test("takes the longest content that is allowed", () => {
    const longest = frameOf({ content: "x".repeat(maxContentBytes) });
    const reader = new FrameReader();
    const frames: Frame[] = [];
    reader.push(encode(longest));
    readFrames(reader, frames);
    expect(frames).toEqual([longest]);
  });

  test("refuses a seq beyond 2^53-1", () => {
    const header = encode(frameOf({}));
    header.writeBigUInt64LE(2n ** 53n, 8);
    const reader = new FrameReader();
    reader.push(header);
    expect(codeThrownBy(() => reader.next())).toBe("internal");
  });

  test("lets the chunk go when it needs more", () => {
    const piece = encode(frameOf({ kind: kinds.piece, content: "abc" }));
    const torn = [bytes, piece].map((each) => each.subarray(0, -1));
    for (const chunk of [bytes, ...torn]) {
      const reader = new FrameReader();
      reader.push(chunk);
      while (reader.next());
      expect(reader.bytes.buffer === chunk.buffer).toBe(false);
    }
  });

  test("copies a frame in one-byte chunks a constant number of times", () => {
    const frame = encode(frameOf({ content: "x".repeat(maxContentBytes) }));
    const reader = new FrameReader();
    let copiedBytes = 0;
    let roomBytes = 0;
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
    const alloc = spyOn(Buffer, "alloc").mockImplementation(((size: number) => {
      roomBytes += size;
      return Buffer.from(new ArrayBuffer(size));
    }) as typeof Buffer.alloc);
    try {
      for (let at = 0; at < frame.length; at++) {
        expect(reader.next()).toBe(false);
        reader.push(frame.subarray(at, at + 1));
      }
      expect(reader.next()).toBe(true);
    } finally {
      set.mockRestore();
      alloc.mockRestore();
    }
    expect(reader.end - reader.start).toBe(maxContentBytes);
    // Each byte once as it comes, and doubling room moves it once more on average.
    expect(copiedBytes).toBeGreaterThanOrEqual(frame.length);
    expect(copiedBytes).toBeLessThan(3 * frame.length);
    expect(roomBytes).toBeLessThan(4 * frame.length);
  });
});
