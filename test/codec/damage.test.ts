import { expect, test } from "bun:test";
import { randomIndex } from "../../src/base/random.ts";
import type { Codec, SessionMessages } from "../../src/codec/codec.ts";
import { createCodec } from "../../src/codec/table.ts";
import { RpcError } from "../../src/errors.ts";
import { flags, headerBytes, kinds } from "../../src/wire/frame.ts";
import { readUint32 } from "../../src/wire/little-endian.ts";
import { SendBuffer } from "../../src/wire/send-buffer.ts";
import { testRandom } from "../support/seed.ts";
import { codeThrownBy } from "./code-thrown-by.ts";
import { frame } from "./frames.ts";
import {
  binaryCodecType,
  contextOf,
  headOf,
  readAll,
  Recorder,
  type Told,
} from "./recorder.ts";

const metadata = new Map<string, string | Uint8Array>([
  ["user", "é"],
  ["id-bin", Uint8Array.of(0, 255)],
]);

type Write = (codec: Codec, session: SessionMessages, out: SendBuffer) => void;

const settings = {
  protocol: 1,
  maxMessageBytes: 1_000_000,
  streamWindowBytes: 100_000,
  compression: "zstd" as const,
};
const details = { details: new Map([["a", 1n]]) };

/** One message of each kind, with all that it can have. */
const writes: Record<string, Write> = {
  settings: (codec, _, out) => codec.writeSettings(out, settings),
  request: (codec, _, out) =>
    codec.writeRequest(out, headOf({ seq: 5, timeoutMs: 9, metadata }), [1]),
  "request in pieces": (codec, _, out) =>
    codec.writeRequest(out, headOf({ seq: 6, metadata }), "x".repeat(70_000)),
  "request, compressed": (codec, _, out) =>
    codec.writeRequest(out, headOf({ seq: 7 }), new Uint8Array(2000)),
  "request of a stream": (codec, _, out) =>
    codec.writeRequest(out, headOf({ seq: 8, metadata, isStream: true }), 1),
  response: (codec, _, out) =>
    codec.writeResponse(out, 5, "", new Map([["a", new Date(0)]]), metadata),
  error: (codec, _, out) =>
    codec.writeError(
      out,
      5,
      "",
      new RpcError("aborted", "no", details),
      metadata,
    ),
  cancel: (codec, _, out) => codec.writeCancel(out, 5),
  streamed: (_, session, out) => session.writeStreamed(out, 5, metadata),
  item: (_, session, out) => session.writeItem(out, 5, true, { a: ["é"] }),
  "item of an argument": (_, session, out) =>
    session.writeItem(out, 8, false, new Map([["a", 1n]])),
  "item, compressed": (_, session, out) =>
    session.writeItem(out, 8, false, "x".repeat(2000)),
  "item in pieces": (_, session, out) =>
    session.writeItem(out, 9, true, "€".repeat(70_000)),
  end: (_, session, out) => session.writeEnd(out, 5, true, metadata),
  credit: (_, session, out) => session.writeCredit(out, 8, true, 99),
  goaway: (_, session, out) =>
    session.writeGoaway(out, 8, new RpcError("unavailable", "é")),
  ping: (_, session, out) => session.writePing(out, 2 ** 40),
  pong: (_, session, out) => session.writePong(out, 2 ** 40),
};

/** An end that has agreed to compression, and takes frames of both directions; at the dialling one, settings first. */
function endOf(role: "dial" | "accept" = "accept"): Codec {
  const context = contextOf(role, { maxMessageBytes: 1_000_000 });
  context.compression = { minBytes: 100 };
  return createCodec(binaryCodecType, context);
}

/** An end that takes `frame` as its first one. */
function endFor(frame: Uint8Array): Codec {
  return endOf(frame[0] === kinds.settings ? "dial" : "accept");
}

/** The frame of `write`, without the pieces that follow. */
function bytesOf(write: Write): Buffer {
  const codec = endOf();
  const out = new SendBuffer();
  write(codec, codec.session as SessionMessages, out);
  return Buffer.from(out.pending());
}

/** All of them on one connection, with their pieces. */
function sessionBytes(): Buffer {
  const codec = endOf();
  const out = new SendBuffer();
  for (const write of Object.values(writes)) {
    write(codec, codec.session as SessionMessages, out);
    while (codec.heldBytes > 0) codec.writePiece(out);
  }
  return Buffer.from(out.pending());
}

/** What is told of `bytes` by an end that counts what each read() tells. */
function toldOf(bytes: Uint8Array, chunkBytes = Infinity): Told[] {
  const codec = endOf("dial");
  const recorder = new Recorder();
  readAll(codec, recorder, bytes, chunkBytes);
  return recorder.told;
}

const ping = frame({ kind: kinds.ping, seq: 99 });

test.each(Object.entries(writes))(
  "%s: content that ends early fails no more than its call",
  (_, write) => {
    const whole = bytesOf(write);
    for (let length = headerBytes; length < whole.length; length++) {
      const cut = Buffer.from(whole.subarray(0, length));
      cut.writeUInt32LE(length - headerBytes, 4);
      const codec = endFor(whole);
      const recorder = new Recorder();
      const bytes = Buffer.concat([cut, ping]);
      const code = codeThrownBy(() => readAll(codec, recorder, bytes));
      const isFixed =
        whole[0] === kinds.credit ||
        whole[0] === kinds.settings ||
        (whole[0] === kinds.request && length < headerBytes + 10);
      if (isFixed) expect(code).toBeDefined();
      else {
        expect(code).toBeUndefined();
        expect(recorder.told.length).toBeLessThanOrEqual(2);
        expect(recorder.told.at(-1)).toEqual({ kind: "ping", number: 99 });
      }
    }
  },
);

test("a frame that has not come whole is not told", () => {
  for (const write of Object.values(writes)) {
    const whole = bytesOf(write);
    const codec = endFor(whole);
    const recorder = new Recorder();
    readAll(codec, recorder, whole.subarray(0, -1), 7);
    expect(recorder.told).toEqual([]);
    const hasPieces = ((whole[1] as number) & flags.pieces) !== 0;
    readAll(codec, recorder, whole.subarray(-1));
    expect(recorder.told.length).toBe(hasPieces ? 0 : 1);
  }
});

test("a session of all kinds is told the same in chunks of any size", () => {
  const bytes = sessionBytes();
  const expected = toldOf(bytes);
  expect(expected.length).toBe(Object.keys(writes).length);
  expect(expected.some(({ kind }) => kind.startsWith("bad"))).toBe(false);
  for (const chunkBytes of [1, 17, 1000]) {
    expect(Bun.deepEquals(toldOf(bytes, chunkBytes), expected)).toBe(true);
  }
});

test("damaged sessions are told or end the connection, and throw nothing else", () => {
  const random = testRandom();
  const whole = sessionBytes();
  // With settings that cannot be read the rest would not be looked at.
  const begin = bytesOf(writes.settings as Write).length;
  for (let round = 0; round < 500; round++) {
    const bytes = Buffer.from(whole);
    for (let count = 1 + randomIndex(4, random); count > 0; count--) {
      // Mostly in headers and small frames: pieces are most of the bytes.
      const span = random() < 0.8 ? 1000 : bytes.length - begin;
      bytes[begin + randomIndex(span, random)] = randomIndex(256, random);
    }
    const chunkBytes = 1 + randomIndex(5000, random);
    codeThrownBy(() => toldOf(bytes, chunkBytes));
  }
});

test("random frames are told or end the connection, and tell one thing at a time", () => {
  const random = testRandom();
  const pool = Object.values(writes).map(bytesOf);
  for (let round = 0; round < 300; round++) {
    const codec = endOf();
    const recorder = new Recorder();
    const read = () => {
      for (let at = 0; at < 30; at++) {
        codec.push(randomFrame());
        for (let isRead = true; isRead;) {
          isRead = codec.read(recorder);
          expect(recorder.take().length).toBeLessThanOrEqual(isRead ? 1 : 0);
        }
      }
    };
    codeThrownBy(read);
  }

  /** A frame in step, with flags, an encoding and a content of any message. */
  function randomFrame(): Uint8Array {
    const [head, body] = [pick(), pick()];
    const content = Buffer.from(body.subarray(headerBytes));
    if (content.length > 0 && random() < 0.5) {
      content[randomIndex(content.length, random)] = randomIndex(256, random);
    }
    const bytes = frame({
      kind: random() < 0.1 ? kinds.piece : (head[0] as number),
      flags: random() < 0.7 ? (head[1] as number) : randomIndex(256, random),
      encoding: random() < 0.7 ? (head[2] as number) : randomIndex(5, random),
      seq: 1 + randomIndex(9, random),
      content,
    });
    expect(readUint32(bytes, 4)).toBe(content.length);
    return bytes;
  }

  function pick(): Buffer {
    return pool[randomIndex(pool.length, random)] as Buffer;
  }
});
