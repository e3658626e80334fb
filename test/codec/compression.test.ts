import { beforeEach, describe, expect, test } from "bun:test";
import { randomIndex } from "../../src/base/random.ts";
import { createCodec } from "../../src/codec/table.ts";
import { RpcError } from "../../src/errors.ts";
import { flags, headerBytes, kinds, pieceBytes } from "../../src/wire/frame.ts";
import { defaultLimits, type Limits } from "../../src/wire/limits.ts";
import { SendBuffer } from "../../src/wire/send-buffer.ts";
import { testRandom } from "../support/seed.ts";
import { codeThrownBy } from "./code-thrown-by.ts";
import { frame, name, uint32 } from "./frames.ts";
import {
  binaryCodecType,
  contextOf,
  Ends,
  headOf,
  readAll,
  takeAll,
} from "./recorder.ts";

const minBytes = 100;

/** Ends of which each wishes for compression or not; settings have said what the accepting one agrees to. */
function endsThat(
  wishes: { dial: boolean; accept: boolean },
  limits: Partial<Limits> = {},
): Ends {
  const ends = new Ends(binaryCodecType, limits);
  for (const role of ["dial", "accept"] as const) {
    const context = contextOf(role, limits);
    if (wishes[role]) context.compression = { minBytes };
    Object.assign(ends, { [role]: createCodec(binaryCodecType, context) });
  }
  const settings = { protocol: 1, maxMessageBytes: 1 };
  ends.accept.writeSettings(ends.out, {
    ...settings,
    ...(wishes.accept && { compression: "zstd" as const }),
  });
  ends.dialled(ends.takeOut());
  ends.recorder.take();
  return ends;
}

let ends: Ends;
beforeEach(() => {
  ends = endsThat({ dial: true, accept: true });
});

function isCompressed(bytes: Uint8Array): boolean {
  return ((bytes[1] as number) & flags.compressed) !== 0;
}

/** JSON of `bytes` bytes that shrinks well. */
function textOf(bytes: number): string {
  return "x".repeat(bytes - 2);
}

/** Bytes that do not shrink. */
function noise(length: number): Uint8Array {
  const random = testRandom();
  return Uint8Array.from({ length }, () => randomIndex(256, random));
}

function requestBytes(args: unknown, seq = 1): Uint8Array {
  ends.dial.writeRequest(ends.out, headOf({ seq }), args);
  return takeAll(ends.dial, ends.out);
}

function responseBytes(reply: unknown): Uint8Array {
  ends.accept.writeResponse(ends.out, 1, "", reply);
  return takeAll(ends.accept, ends.out);
}

/** A response in JSON whose body says that it inflates to `plainBytes`. */
function compressed(plainBytes: number, packed: Uint8Array): Uint8Array {
  const content = Buffer.concat([uint32(plainBytes), packed]);
  return frame({
    kind: kinds.response,
    flags: flags.compressed,
    encoding: 1,
    content,
  });
}

describe("a body", () => {
  test.each<[string, unknown]>([
    ["JSON", { list: Array.from({ length: 100 }, (_, at) => ({ at })) }],
    ["text beyond ASCII", "€".repeat(100)],
    ["MessagePack", new Map([["a", "x".repeat(1000)]])],
    ["bytes", new Uint8Array(1000)],
    ["many pieces long", textOf(20 * pieceBytes)],
  ])("that is compressed arrives as it left: %s", (_, value) => {
    const request = requestBytes(value);
    expect(isCompressed(request)).toBe(true);
    expect(request.length).toBeLessThan(1000);
    expect(ends.accepted(request).takeOne()).toMatchObject({ args: value });
    const response = responseBytes(value);
    expect(isCompressed(response)).toBe(true);
    expect(ends.dialled(response).takeOne()).toMatchObject({ reply: value });
  });

  test("of fewer bytes than minBytes goes as it is", () => {
    expect(isCompressed(responseBytes(textOf(minBytes - 1)))).toBe(false);
    expect(isCompressed(responseBytes(textOf(minBytes)))).toBe(true);
    // It is bytes that count, not characters.
    expect(isCompressed(responseBytes("€".repeat(33)))).toBe(true);
    expect(isCompressed(responseBytes("€".repeat(32)))).toBe(false);
  });

  test("that does not get shorter goes as it is", () => {
    for (const length of [minBytes, pieceBytes + 1]) {
      const value = noise(length);
      const bytes = responseBytes(value);
      expect(isCompressed(bytes)).toBe(false);
      expect(ends.dialled(bytes).takeOne()).toMatchObject({ reply: value });
    }
  });

  test("that is large although it is compressed goes in pieces", () => {
    const value = [noise(2 * pieceBytes), new Uint8Array(2 * pieceBytes)];
    ends.accept.writeResponse(ends.out, 1, "", value);
    expect(ends.out.pending()[1]).toBe(flags.compressed | flags.pieces);
    expect(ends.accept.heldBytes).toBeGreaterThan(2 * pieceBytes);
    expect(ends.accept.heldBytes).toBeLessThan(3 * pieceBytes);
    const bytes = takeAll(ends.accept, ends.out);
    expect(ends.dialled(bytes).takeOne()).toMatchObject({ reply: value });
  });

  test("over the limit is not sent, however short it would get", () => {
    const value = textOf(defaultLimits.maxMessageBytes + 1);
    expect(codeThrownBy(() => responseBytes(value))).toBe("resource_exhausted");
    expect(ends.out.length).toBe(0);
    const longest = textOf(defaultLimits.maxMessageBytes);
    const told = ends.dialled(responseBytes(longest)).takeOne();
    expect(told.kind === "response" && told.reply === longest).toBe(true);
  });

  test("of an item is charged by its length before", () => {
    for (const value of [
      textOf(5000),
      [noise(pieceBytes), textOf(pieceBytes)],
    ]) {
      const charged = ends.acceptSession.writeItem(ends.out, 1, true, value);
      const bytes = takeAll(ends.accept, ends.out);
      expect(isCompressed(bytes)).toBe(true);
      const told = ends.dialled(bytes).takeOne();
      expect(told).toMatchObject({ item: value, chargedBytes: charged });
      expect(charged).toBeGreaterThan(Math.max(4999, bytes.length));
      // Also where nobody waits for it.
      ends.recorder.givenUp.add(1);
      expect(ends.dialled(bytes).takeOne()).toMatchObject({
        item: undefined,
        chargedBytes: charged,
      });
      ends.recorder.givenUp.clear();
    }
  });

  test("with metadata, a name and a number comes through", () => {
    const metadata = new Map([["a", "x".repeat(500)]]);
    const value = textOf(5000);
    const told = ends.request(value, { metadata });
    expect(told).toMatchObject({ head: { metadata }, args: value });
  });

  test("of details is never compressed", () => {
    const details = textOf(5000);
    const error = new RpcError("aborted", "", { details });
    ends.accept.writeError(ends.out, 1, "", error);
    const bytes = takeAll(ends.accept, ends.out);
    expect(bytes.length).toBeGreaterThan(5000);
    expect(ends.dialled(bytes).takeOne()).toMatchObject({ error: { details } });
  });
});

describe("agreement", () => {
  test.each([
    [true, true],
    [true, false],
    [false, true],
    [false, false],
  ])("dial %p, accept %p", (dial, accept) => {
    // An accepting end agrees only to what the dialling end has asked for.
    ends = endsThat({ dial, accept: accept && dial });
    const both = dial && accept;
    const value = textOf(5000);
    expect(isCompressed(requestBytes(value))).toBe(both);
    expect(isCompressed(responseBytes(value))).toBe(both);
  });

  test("is not known at the dialling end before the settings", () => {
    const context = contextOf("dial");
    context.compression = { minBytes };
    const dial = createCodec(binaryCodecType, context);
    const out = new SendBuffer();
    dial.writeRequest(out, headOf({ seq: 1 }), textOf(5000));
    expect(isCompressed(takeAll(dial, out))).toBe(false);
    readAll(dial, ends.recorder, settingsBytes());
    dial.writeRequest(out, headOf({ seq: 2 }), textOf(5000));
    expect(isCompressed(takeAll(dial, out))).toBe(true);
  });

  function settingsBytes(): Uint8Array {
    const out = new SendBuffer();
    const settings = { protocol: 1, maxMessageBytes: 1 };
    ends.accept.writeSettings(out, { ...settings, compression: "zstd" });
    return out.pending();
  }

  test("is not made by settings that nobody asked for", () => {
    ends = endsThat({ dial: false, accept: false });
    const dial = createCodec(binaryCodecType, contextOf("dial"));
    Object.assign(ends, { dial });
    ends.dialled(settingsBytes());
    ends.recorder.take();
    expect(isCompressed(requestBytes(textOf(5000)))).toBe(false);
    expect(isCompressed(responseBytes(textOf(5000)))).toBe(false);
  });

  test("is needed to read: without it that call fails", () => {
    const request = requestBytes(textOf(5000));
    const response = responseBytes(textOf(5000));
    const large = [noise(2 * pieceBytes), textOf(5000)];
    const inPieces = responseBytes(large);
    ends.acceptSession.writeItem(ends.out, 1, true, textOf(5000));
    const item = takeAll(ends.accept, ends.out);
    ends = endsThat({ dial: false, accept: false });
    expect(ends.accepted(request).takeOne()).toMatchObject({
      kind: "badRequest",
      code: "unimplemented",
    });
    for (const bytes of [response, inPieces]) {
      expect(ends.dialled(bytes).takeOne()).toMatchObject({
        kind: "error",
        code: "unimplemented",
      });
    }
    expect(ends.dialled(item).takeOne()).toMatchObject({
      kind: "badItem",
      code: "unimplemented",
      chargedBytes: 5000,
    });
    expect(ends.response(1)).toMatchObject({ reply: 1 });
  });
});

describe("a compressed body that lies", () => {
  const packed = Bun.zstdCompressSync(
    Buffer.from(JSON.stringify(textOf(1000))),
  );

  test.each<[string, Uint8Array, string]>([
    ["says less", compressed(999, packed), "internal"],
    ["says more", compressed(1001, packed), "internal"],
    ["says nothing", compressed(0, packed), "internal"],
    ["says too much", compressed(2 ** 32 - 1, packed), "resource_exhausted"],
    ["is cut off", compressed(1000, packed.subarray(0, -1)), "internal"],
    ["is empty", compressed(1000, new Uint8Array(0)), "internal"],
    ["is no zstd", compressed(1000, Buffer.from("junk".repeat(9))), "internal"],
    [
      "is cut off in its length",
      frame({
        kind: kinds.response,
        flags: flags.compressed,
        content: new Uint8Array(3),
      }),
      "internal",
    ],
    [
      "wants a window of 128 MiB",
      compressed(1, zstdFrame({ windowLog: 27, blocks: 1, blockBytes: 1 })),
      "internal",
    ],
  ])("fails its call: %s", (_, bytes, code) => {
    expect(ends.dialled(compressed(1000, packed)).takeOne()).toMatchObject({
      reply: textOf(1000),
    });
    ends.dialled(bytes);
    expect(ends.recorder.takeOne()).toMatchObject({ kind: "error", code });
    expect(ends.response(1)).toMatchObject({ reply: 1 });
  });

  test("is refused in pieces before any of them is kept", () => {
    const head = {
      kind: kinds.response,
      flags: flags.compressed | flags.pieces,
    };
    for (const content of [
      Buffer.concat([uint32(2 ** 31), uint32(5)]),
      Buffer.concat([uint32(5), uint32(2 ** 31)]),
    ]) {
      ends.dialled(frame({ ...head, content }));
      expect(ends.recorder.takeOne()).toMatchObject({
        code: "resource_exhausted",
      });
    }
    ends.dialled(frame({ ...head, content: uint32(5) }));
    expect(ends.recorder.takeOne()).toMatchObject({ code: "internal" });
  });

  test("in pieces fails its call, too", () => {
    ends.dialled(
      frame({
        kind: kinds.response,
        flags: flags.compressed | flags.pieces,
        encoding: 1,
        content: Buffer.concat([uint32(999), uint32(packed.length)]),
      }),
    );
    ends.dialled(
      frame({ kind: kinds.piece, flags: flags.answer, content: packed }),
    );
    expect(ends.recorder.takeOne()).toMatchObject({ code: "internal" });
  });

  test("of 100 MiB costs what it says, not what it holds", () => {
    const bomb = zstdFrame({ windowLog: 20, blocks: 800, blockBytes: 131_072 });
    expect(bomb.length).toBeLessThan(4000);
    const before = process.memoryUsage.rss();
    for (let at = 0; at < 20; at++) {
      ends.dialled(compressed(4 << 20, bomb));
      expect(ends.recorder.takeOne()).toMatchObject({ code: "internal" });
    }
    const grownBytes = process.memoryUsage.rss() - before;
    expect(grownBytes).toBeLessThan(100 << 20);
  });
});

test("a request in the smallest of frames that are compressed is in step", () => {
  const first = requestBytes(textOf(minBytes), 1);
  expect(first.length).toBeLessThan(headerBytes + 80);
  const second = requestBytes(1, 2);
  ends.accepted(Buffer.concat([first, second]));
  expect(ends.recorder.take()).toMatchObject([
    { head: { seq: 1 }, args: textOf(minBytes) },
    { head: { seq: 2 }, args: 1 },
  ]);
});

/** A zstd frame of blocks that repeat one byte, without a checksum or a length. RFC 8878, section 3.1.1. */
function zstdFrame(parts: {
  windowLog: number;
  blocks: number;
  blockBytes: number;
}): Uint8Array {
  const { windowLog, blocks, blockBytes } = parts;
  const rleBlock = 1;
  const header = [0x28, 0xb5, 0x2f, 0xfd, 0, (windowLog - 10) << 3];
  const body = Array.from({ length: blocks }, (_, at) => {
    const isLast = at === blocks - 1 ? 1 : 0;
    const block = isLast | (rleBlock << 1) | (blockBytes << 3);
    return [block & 255, (block >> 8) & 255, (block >> 16) & 255, 0x31];
  });
  return Uint8Array.from([...header, ...body.flat()]);
}

describe("admission", () => {
  const maxArgumentBytes = 100_000;
  const large = textOf(16 * 1024 + 1);

  beforeEach(() => {
    ends = endsThat({ dial: true, accept: true }, { maxArgumentBytes });
  });

  test("an answer that nobody awaits is told without being decoded", () => {
    ends.recorder.givenUp.add(1);
    const bad = compressed(5000, Uint8Array.of(1, 2, 3));
    expect(ends.dialled(bad).takeOne()).toEqual({
      kind: "response",
      seq: 1,
      reply: undefined,
    });
    const content = Buffer.alloc(4097);
    const response = { kind: kinds.response, encoding: 1, content };
    expect(ends.dialled(frame(response)).takeOne()).toMatchObject({
      kind: "response",
      reply: undefined,
    });
  });

  test("a request says how large its argument is, above 16 KiB or where it was compressed", () => {
    const isHeld = (bytes: Uint8Array) => {
      const told = ends.accepted(bytes).takeOne();
      return told.kind === "request" ? told.head.argumentBytes : told;
    };
    expect(isHeld(requestBytes(large))).toBe(16 * 1024 + 1);
    expect(isHeld(requestBytes(textOf(2_000)))).toBe(2_000);
    expect(isHeld(requestBytes(noise(16 * 1024)))).toBeUndefined();
    expect(isHeld(requestBytes(noise(16 * 1024 + 1)))).toBe(16 * 1024 + 1);
    const inPieces = noise(2 * pieceBytes);
    expect(isHeld(requestBytes(inPieces))).toBe(inPieces.length);
  });

  test.each<[string, () => unknown]>([
    ["in one frame", () => large],
    ["in pieces", () => noise(2 * pieceBytes).fill(1, 0, 100)],
  ])("a large argument over the limit is refused %s", (_, valueOf) => {
    const bytes = requestBytes(valueOf());
    ends.recorder.heldArgumentBytes = maxArgumentBytes - 16 * 1024;
    expect(ends.accepted(bytes).takeOne()).toMatchObject({
      kind: "badRequest",
      code: "resource_exhausted",
      head: { seq: 1 },
      error: { sent: false },
    });
  });

  test("is asked again when the pieces are whole", () => {
    const bytes = requestBytes(noise(pieceBytes + 1));
    const lastPiece = headerBytes + 1;
    ends.accepted(bytes.subarray(0, -lastPiece));
    ends.recorder.heldArgumentBytes = maxArgumentBytes;
    const told = ends.accepted(bytes.subarray(-lastPiece)).takeOne();
    expect(told).toMatchObject({
      kind: "badRequest",
      code: "resource_exhausted",
      error: { sent: false },
    });
  });

  test("a small one that inflates in pieces counts, too", () => {
    const packed = Bun.zstdCompressSync(JSON.stringify(textOf(2_000)));
    const content = Buffer.concat([
      Buffer.alloc(10),
      name("Foo.echo"),
      uint32(2_000),
      uint32(packed.length),
    ]);
    const flag = flags.named | flags.pieces | flags.compressed;
    const told = ends
      .accepted(
        Buffer.concat([
          frame({ kind: kinds.request, flags: flag, encoding: 1, content }),
          frame({ kind: kinds.piece, content: packed }),
        ]),
      )
      .takeOne();
    expect(told).toMatchObject({ head: { argumentBytes: 2_000 } });
  });

  test("as much as eight largest messages waits to be started", () => {
    const limits = { maxMessageBytes: 20_000, maxArgumentBytes: Infinity };
    ends = endsThat({ dial: true, accept: true }, limits);
    const bytes = requestBytes(large);
    ends.recorder.heldArgumentBytes = 1e9;
    ends.recorder.waitingArgumentBytes = 8 * 20_000 - (16 * 1024 + 1);
    expect(ends.accepted(bytes).takeOne()).toMatchObject({ kind: "request" });
    ends.recorder.waitingArgumentBytes++;
    expect(ends.accepted(requestBytes(large)).takeOne()).toMatchObject({
      kind: "badRequest",
      code: "resource_exhausted",
      error: { sent: false },
    });
  });

  test("one alone is taken however large it is, and a small one always", () => {
    const value = noise(2 * maxArgumentBytes);
    const told = ends.accepted(requestBytes(value)).takeOne();
    expect(told).toMatchObject({ kind: "request" });
    ends.recorder.heldArgumentBytes = Infinity;
    const small = requestBytes(noise(16 * 1024));
    expect(ends.accepted(small).takeOne()).toMatchObject({ kind: "request" });
  });
});
