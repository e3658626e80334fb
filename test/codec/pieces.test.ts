import { beforeEach, describe, expect, spyOn, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { flags, headerBytes, kinds, pieceBytes } from "../../src/wire/frame.ts";
import { defaultLimits } from "../../src/wire/limits.ts";
import { codeThrownBy } from "./code-thrown-by.ts";
import { frame as handFrame } from "./frames.ts";
import { binaryCodecType, Ends, headOf, takeAll } from "./recorder.ts";

let ends: Ends;
beforeEach(() => {
  ends = new Ends(binaryCodecType);
});

/** As JSON `count` pieces long. */
function textOfPieces(count: number): string {
  return "x".repeat(count * pieceBytes - 2);
}

function takeOut(): Uint8Array {
  const bytes = ends.out.pending().slice();
  ends.out.clear();
  return bytes;
}

/** The seqs of the frames of `kind` in `bytes`, in order. */
function seqsOf(bytes: Uint8Array, kind: number): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const seqs: number[] = [];
  for (let at = 0; at < bytes.length;) {
    if (bytes[at] === kind) seqs.push(view.getUint32(at + 8, true));
    at += headerBytes + view.getUint32(at + 4, true);
  }
  return seqs;
}

/** The sizes of the arrays that `read` makes for what it keeps. */
function roomsTaken(read: () => void): number[] {
  const rooms: number[] = [];
  const original = Buffer.allocUnsafeSlow;
  Buffer.allocUnsafeSlow = (size) => {
    rooms.push(size);
    return original(size);
  };
  try {
    read();
  } finally {
    Buffer.allocUnsafeSlow = original;
  }
  return rooms;
}

function writeLarge(seq: number, pieces = 3): void {
  ends.dial.writeRequest(ends.out, headOf({ seq }), textOfPieces(pieces));
}

/** A response that announces `total` bytes. */
function announce(seq: number, total: number): Uint8Array {
  return frame(
    kinds.response,
    seq,
    flags.pieces,
    new Uint8Array(Uint32Array.of(total).buffer),
  );
}

function piece(seq: number, content: string): Uint8Array {
  return frame(kinds.piece, seq, flags.answer, Buffer.from(content));
}

function frame(
  kind: number,
  seq: number,
  flag: number,
  content: Uint8Array,
): Uint8Array {
  const bytes = Buffer.alloc(headerBytes + content.length);
  bytes.set([kind, flag, kind === kinds.response ? 1 : 0]);
  bytes.writeUInt32LE(content.length, 4);
  bytes.writeUInt32LE(seq, 8);
  bytes.set(content, headerBytes);
  return bytes;
}

describe("a large body", () => {
  test.each([1, 2, 2.5, 64])(
    "of %p pieces arrives whole, both ways",
    (count) => {
      const text = textOfPieces(count);
      expect(ends.request(text)).toMatchObject({ kind: "request", args: text });
      expect(ends.response(text)).toMatchObject({
        kind: "response",
        reply: text,
      });
      const bytes = new Uint8Array(count * pieceBytes).fill(7);
      const told = ends.request(bytes);
      expect(told.kind === "request" && Bun.deepEquals(told.args, bytes)).toBe(
        true,
      );
    },
  );

  test("begins to go in pieces one byte past a piece", () => {
    writeLarge(1, 1);
    expect(ends.dial.heldBytes).toBe(0);
    takeOut();
    ends.dial.writeRequest(ends.out, headOf(), `${textOfPieces(1)}y`);
    expect(ends.dial.heldBytes).toBe(pieceBytes + 1);
    const bytes = takeAll(ends.dial, ends.out);
    expect(seqsOf(bytes, kinds.piece)).toEqual([1, 1]);
    expect(ends.dial.heldBytes).toBe(0);
  });

  test("counts bytes, not characters", () => {
    ends.dial.writeRequest(ends.out, headOf(), "€".repeat(21_845));
    expect(ends.dial.heldBytes).toBe(21_845 * 3 + 2);
    takeAll(ends.dial, ends.out);
    ends.dial.writeRequest(ends.out, headOf(), "x".repeat(60_000));
    expect(ends.dial.heldBytes).toBe(0);
  });

  test("at the limit goes, one byte more does not", () => {
    const { maxMessageBytes } = defaultLimits;
    const longest = "x".repeat(maxMessageBytes - 2);
    const told = ends.request(longest);
    expect(told.kind === "request" && told.args === longest).toBe(true);
    const tooLong = () => writeLarge(2, maxMessageBytes / pieceBytes + 1);
    expect(codeThrownBy(tooLong)).toBe("resource_exhausted");
    expect(ends.out.length).toBe(0);
    expect(ends.dial.heldBytes).toBe(0);
  });

  test("lets small calls through between its pieces", () => {
    writeLarge(1);
    ends.dial.writePiece(ends.out);
    ends.dial.writeRequest(ends.out, headOf({ seq: 2 }), "small");
    ends.accepted(takeAll(ends.dial, ends.out));
    expect(ends.recorder.take()).toMatchObject([
      { head: { seq: 2 }, args: "small" },
      { head: { seq: 1 }, args: textOfPieces(3) },
    ]);
  });
});

describe("several large bodies", () => {
  test("take turns, four at a time, the oldest first", () => {
    for (let seq = 1; seq <= 6; seq++) writeLarge(seq, 2);
    const bytes = takeAll(ends.dial, ends.out);
    const order = seqsOf(bytes, kinds.piece);
    expect(order.length).toBe(12);
    const begun = new Set<number>();
    const left = new Map([1, 2, 3, 4, 5, 6].map((seq) => [seq, 2]));
    for (const seq of order) {
      begun.add(seq);
      left.set(seq, (left.get(seq) as number) - 1);
      if (left.get(seq) === 0) begun.delete(seq);
      expect(begun.size).toBeLessThanOrEqual(4);
    }
    expect(new Set(order.slice(0, 4)).size).toBe(4);
    expect(new Set(order.slice(-4))).toContain(6);
    const told = ends.accepted(bytes).take();
    expect(
      told.map((one) => one.kind === "request" && one.head.seq).sort(),
    ).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("of both directions do not mix, though their seqs are equal", () => {
    const asked = textOfPieces(2);
    const answered = `${textOfPieces(2).slice(1)}y`;
    ends.dial.writeRequest(ends.out, headOf({ seq: 1 }), asked);
    ends.dial.writeResponse(ends.out, 1, "", answered);
    const told = ends.accepted(takeAll(ends.dial, ends.out)).take();
    expect(told).toMatchObject([
      { kind: "request", args: asked },
      { kind: "response", reply: answered },
    ]);
  });

  test("a 17th that begins fails its call alone", () => {
    const max = defaultLimits.maxPartialBodies;
    const seqs = Array.from({ length: max + 1 }, (_, at) => at + 1);
    for (const seq of seqs) ends.dialled(announce(seq, 4));
    for (const seq of seqs) ends.dialled(piece(seq, `"a`));
    expect(ends.recorder.takeOne()).toMatchObject({
      kind: "error",
      seq: max + 1,
      code: "resource_exhausted",
    });
    for (const seq of seqs) ends.dialled(piece(seq, `b"`));
    expect(ends.recorder.take()).toMatchObject(
      seqs.slice(0, max).map((seq) => ({ kind: "response", seq, reply: "ab" })),
    );
    // Their places are free again.
    ends.dialled(announce(99, 3));
    ends.dialled(piece(99, `"a`));
    ends.dialled(piece(99, `"`));
    expect(ends.recorder.takeOne()).toMatchObject({ seq: 99, reply: "a" });
  });

  test("the same for requests", () => {
    const max = 2;
    const few = new Ends(binaryCodecType, { maxPartialBodies: max });
    for (const seq of [1, 2, 3]) writeLarge(seq, 2);
    few.accepted(takeAll(ends.dial, ends.out));
    expect(few.recorder.take()).toMatchObject([
      { kind: "badRequest", head: { seq: 3 }, code: "resource_exhausted" },
      { kind: "request", head: { seq: 1 } },
      { kind: "request", head: { seq: 2 } },
    ]);
  });

  test("too many that are announced fail, and nothing is kept of them", () => {
    const few = new Ends(binaryCodecType, { maxRunningHandlers: 2 });
    for (const seq of [1, 2, 3]) few.dialled(announce(seq, 4));
    expect(few.recorder.takeOne()).toMatchObject({
      seq: 3,
      code: "resource_exhausted",
    });
    few.dialled(piece(3, "1234"));
    expect(few.recorder.take()).toEqual([]);
  });
});

describe("pieces end early", () => {
  test("when their caller cancels", () => {
    writeLarge(1);
    ends.dial.writePiece(ends.out);
    ends.accepted(takeOut());
    ends.dial.writeCancel(ends.out, 1);
    expect(ends.dial.heldBytes).toBe(0);
    ends.accepted(takeAll(ends.dial, ends.out));
    expect(ends.recorder.takeOne()).toEqual({ kind: "cancel", seq: 1 });
    writeLarge(2);
    const bytes = takeAll(ends.dial, ends.out);
    expect(ends.accepted(bytes).takeOne()).toMatchObject({ head: { seq: 2 } });
  });

  test("of a reply, when a cancel comes", () => {
    ends.accept.writeResponse(ends.out, 1, "", textOfPieces(3));
    ends.accept.writePiece(ends.out);
    ends.dialled(takeOut());
    ends.dial.writeCancel(ends.out, 1);
    ends.accepted(takeOut());
    expect(ends.recorder.takeOne()).toMatchObject({ kind: "cancel" });
    expect(ends.accept.heldBytes).toBe(0);
    // The caller keeps nothing of it either.
    ends.dialled(piece(1, "x"));
    expect(ends.recorder.take()).toEqual([]);
  });

  test("of a reply whose caller has cancelled", () => {
    ends.dialled(announce(1, 3));
    ends.dialled(piece(1, `"a`));
    ends.dial.writeCancel(ends.out, 1);
    ends.dialled(piece(1, `"`));
    expect(ends.recorder.take()).toEqual([]);
  });

  test("of one direction only, where both have the same seq", () => {
    const { accept, out } = ends;
    accept.writeRequest(out, headOf({ seq: 1 }), textOfPieces(2));
    const { heldBytes } = accept;
    accept.writeResponse(out, 1, "", textOfPieces(3));
    takeOut();
    ends.dial.writeCancel(out, 1);
    ends.accepted(takeOut());
    expect(accept.heldBytes).toBe(heldBytes);
    ends.dial.writeResponse(out, 1, "", "early");
    ends.accepted(takeOut());
    expect(accept.heldBytes).toBe(0);
  });

  test("of a reply, when an error takes its place", () => {
    ends.accept.writeResponse(ends.out, 1, "", textOfPieces(3));
    ends.accept.writePiece(ends.out);
    ends.accept.writeError(ends.out, 1, "", new RpcError("aborted", "no"));
    expect(ends.accept.heldBytes).toBe(0);
    ends.dialled(takeAll(ends.accept, ends.out));
    expect(ends.recorder.takeOne()).toMatchObject({ code: "aborted" });
    ends.dialled(piece(1, "x"));
    expect(ends.recorder.take()).toEqual([]);
  });

  test.each(["response", "error"])(
    "of a request, when its %s comes",
    (kind) => {
      writeLarge(1);
      ends.dial.writePiece(ends.out);
      takeOut();
      if (kind === "response") ends.response(1);
      else ends.error(new RpcError("aborted", ""));
      expect(ends.dial.heldBytes).toBe(0);
    },
  );

  test("and leave their room to others", () => {
    ends = new Ends(binaryCodecType, { maxPartialBodies: 1 });
    ends.dialled(announce(1, 100));
    ends.dialled(piece(1, "1"));
    ends.accept.writeError(ends.out, 1, "", new RpcError("aborted", ""));
    ends.dialled(takeOut());
    expect(ends.recorder.takeOne()).toMatchObject({ code: "aborted" });
    expect(ends.response(textOfPieces(2), 2).kind).toBe("response");
    writeLarge(1);
    ends.dial.writePiece(ends.out);
    ends.dial.writeCancel(ends.out, 1);
    writeLarge(2);
    ends.accepted(takeAll(ends.dial, ends.out));
    expect(ends.recorder.take()).toMatchObject([
      { kind: "cancel", seq: 1 },
      { kind: "request", head: { seq: 2 } },
    ]);
  });

  test("as not started, of a request that is not taken to its end", () => {
    const errors: RpcError[] = [];
    ends = new Ends(binaryCodecType, { maxPartialBodies: 1 });
    ends.recorder.badRequest = (_, error) => void errors.push(error);
    writeLarge(1);
    writeLarge(2);
    for (let count = 0; count < 2; count++) ends.dial.writePiece(ends.out);
    ends.accepted(takeOut());
    ends.accept.dropStalled?.(ends.recorder);
    ends.accept.dropStalled?.(ends.recorder);
    expect(errors).toMatchObject([
      { code: "resource_exhausted", sent: false },
      { code: "deadline_exceeded", sent: false },
    ]);
  });

  test("without those of others", () => {
    for (const seq of [1, 2, 3]) writeLarge(seq, 2);
    for (let count = 0; count < 3; count++) ends.dial.writePiece(ends.out);
    ends.dial.writeCancel(ends.out, 2);
    ends.accepted(takeAll(ends.dial, ends.out));
    const told = ends.recorder.take();
    expect(told.filter(({ kind }) => kind === "request")).toMatchObject([
      { head: { seq: 1 } },
      { head: { seq: 3 } },
    ]);
    expect(ends.dial.heldBytes).toBe(0);
  });
});

describe("a reply that nobody waits for", () => {
  test("is told without its body, and nothing is kept for its pieces", () => {
    ends = new Ends(binaryCodecType, { maxPartialBodies: 2 });
    const seqs = Array.from({ length: 50 }, (_, at) => at + 1);
    for (const seq of seqs) {
      ends.recorder.givenUp.add(seq);
      ends.dialled(announce(seq, 4));
      ends.dialled(piece(seq, `"a`));
    }
    expect(ends.recorder.take()).toEqual(
      seqs.map((seq) => ({ kind: "response", seq, reply: undefined })),
    );
    ends.dialled(announce(99, 3));
    ends.dialled(piece(99, `"a"`));
    expect(ends.recorder.takeOne()).toMatchObject({ seq: 99, reply: "a" });
  });

  test("whose head crosses the cancel leaves later ones their room", () => {
    ends = new Ends(binaryCodecType, { maxPartialBodies: 2 });
    for (let seq = 1; seq <= 20; seq++) {
      ends.accept.writeResponse(ends.out, seq, "", textOfPieces(3));
      ends.accept.writePiece(ends.out);
      const crossing = takeOut();
      ends.dial.writeCancel(ends.out, seq);
      ends.recorder.givenUp.add(seq);
      ends.accepted(takeOut());
      ends.dialled(crossing);
    }
    ends.recorder.take();
    expect(ends.response(textOfPieces(3), 21).kind).toBe("response");
  });

  test("and one that is answered whole in the end keeps no pieces", () => {
    ends = new Ends(binaryCodecType, { maxPartialBodies: 1 });
    ends.dialled(announce(1, 4));
    ends.dialled(piece(1, `"a`));
    expect(ends.response("whole")).toMatchObject({ seq: 1, reply: "whole" });
    expect(ends.response(textOfPieces(2), 2).kind).toBe("response");
  });
});

describe("requests that stop half-way", () => {
  /** As many pieces of each large request as there are, but the last. */
  function writeHalf(...seqs: number[]): void {
    for (const seq of seqs) {
      writeLarge(seq, 2);
      ends.dial.writePiece(ends.out);
    }
    ends.accepted(takeOut());
  }

  test("fail when they have not grown between two looks", () => {
    writeHalf(1);
    expect(ends.accept.partialRequests).toBe(1);
    ends.accept.dropStalled?.(ends.recorder);
    expect(ends.recorder.take()).toEqual([]);
    ends.accept.dropStalled?.(ends.recorder);
    expect(ends.recorder.takeOne()).toMatchObject({
      kind: "badRequest",
      head: { seq: 1 },
      code: "deadline_exceeded",
    });
    expect(ends.accept.partialRequests).toBe(0);
    // What comes of it yet is dropped.
    expect(ends.accepted(takeAll(ends.dial, ends.out)).take()).toEqual([]);
  });

  test("but not while pieces come, nor while they wait for their turn", () => {
    ends.dial.writeRequest(ends.out, headOf(), textOfPieces(3));
    ends.dial.writeRequest(ends.out, headOf({ seq: 2 }), textOfPieces(2));
    ends.accepted(takeOut());
    const { dropStalled } = ends.accept;
    for (let look = 0; look < 3; look++) {
      dropStalled?.call(ends.accept, ends.recorder);
    }
    while (ends.dial.heldBytes > 0) {
      ends.dial.writePiece(ends.out);
      ends.accepted(takeOut());
      if (ends.dial.heldBytes < 4 * pieceBytes) continue;
      dropStalled?.call(ends.accept, ends.recorder);
    }
    expect(ends.recorder.take().map(({ kind }) => kind)).toEqual([
      "request",
      "request",
    ]);
  });

  test("hold no more together than four of the largest", () => {
    const maxMessageBytes = 2 * pieceBytes;
    const few = new Ends(binaryCodecType, { maxMessageBytes });
    for (let seq = 1; seq <= 5; seq++) {
      few.dialled(announce(seq, maxMessageBytes));
    }
    for (let seq = 1; seq <= 5; seq++) few.dialled(piece(seq, `"`));
    expect(few.recorder.takeOne()).toMatchObject({
      kind: "error",
      seq: 5,
      code: "resource_exhausted",
    });
    // One that is given up makes room.
    few.dial.writeCancel(few.out, 1);
    few.dialled(announce(6, maxMessageBytes));
    few.dialled(piece(6, `"`));
    expect(few.recorder.take()).toEqual([]);
  });
});

describe("odd pieces", () => {
  test("of any size, also empty ones, are put together", () => {
    ends.dialled(announce(1, 5));
    for (const part of ["", `"`, "a", "", "bc", `"`])
      ends.dialled(piece(1, part));
    expect(ends.recorder.takeOne()).toMatchObject({ reply: "abc" });
    ends.dialled(piece(1, "x"));
    expect(ends.recorder.take()).toEqual([]);
  });

  test("of a seq that nobody knows are dropped", () => {
    ends.dialled(piece(7, "x"));
    ends.accepted(piece(7, "x"));
    expect(ends.recorder.take()).toEqual([]);
    expect(ends.response(1)).toMatchObject({ reply: 1 });
  });

  test("beyond what was announced break the framing", () => {
    ends.dialled(announce(1, 3));
    ends.dialled(piece(1, "12"));
    expect(codeThrownBy(() => ends.dialled(piece(1, "34")))).toBe("internal");
    ends = new Ends(binaryCodecType);
    ends.dialled(announce(1, 3));
    expect(codeThrownBy(() => ends.dialled(piece(1, "1234")))).toBe("internal");
  });

  test("beyond what was announced break the framing wherever they are torn", () => {
    const long = piece(1, "1234");
    for (let cut = headerBytes + 1; cut < long.length; cut++) {
      ends = new Ends(binaryCodecType);
      ends.dialled(announce(1, 3));
      const begin = () => ends.dialled(long.subarray(0, cut));
      expect(codeThrownBy(begin)).toBe("internal");
      expect(ends.recorder.take()).toEqual([]);
    }
  });

  test("that are torn make the same body", () => {
    const bytes = Buffer.concat([announce(1, 5), piece(1, `"abc"`)]);
    for (let cut = 0; cut < bytes.length; cut++) {
      ends.dialled(bytes.subarray(0, cut));
      expect(ends.recorder.take()).toEqual([]);
      ends.dialled(bytes.subarray(cut));
      expect(ends.recorder.takeOne()).toMatchObject({ reply: "abc" });
      expect(ends.recorder.idleCount).toBe(0);
    }
  });

  test("a part of a torn one is growth", () => {
    writeLarge(1, 2);
    ends.dial.writePiece(ends.out);
    const bytes = takeOut();
    ends.accepted(bytes.subarray(0, -1_000));
    ends.accept.dropStalled?.(ends.recorder);
    ends.accepted(bytes.subarray(-1_000, -500));
    ends.accept.dropStalled?.(ends.recorder);
    ends.accepted(bytes.subarray(-500));
    ends.accepted(takeAll(ends.dial, ends.out));
    expect(ends.recorder.takeOne()).toMatchObject({ kind: "request" });
  });

  test("a torn one whose call is taken back in between is dropped", () => {
    const text = piece(1, `"abc"`);
    ends.dialled(announce(1, 5));
    ends.dialled(text.subarray(0, headerBytes + 2));
    ends.dial.writeCancel(ends.out, 1);
    ends.dialled(text.subarray(headerBytes + 2));
    expect(ends.recorder.take()).toEqual([]);
    ends.out.clear();
    expect(ends.response(1)).toMatchObject({ reply: 1 });
  });

  test("that make no body fail that call", () => {
    ends.dialled(announce(1, 2));
    ends.dialled(piece(1, "{{"));
    expect(ends.recorder.takeOne()).toMatchObject({ seq: 1, code: "internal" });
    ends.dial.writeRequest(ends.out, headOf({ seq: 1 }), textOfPieces(2));
    const bytes = takeAll(ends.dial, ends.out);
    bytes[bytes.length - 1] = 0;
    expect(ends.accepted(bytes).takeOne()).toMatchObject({
      kind: "badRequest",
      head: { seq: 1 },
      code: "invalid_argument",
    });
    expect(ends.request(1)).toMatchObject({ args: 1 });
  });

  test("room follows what came, not what was announced", () => {
    const { maxMessageBytes } = defaultLimits;
    const rooms = roomsTaken(() => {
      for (let seq = 1; seq <= 16; seq++) {
        ends.dialled(announce(seq, maxMessageBytes));
        ends.dialled(piece(seq, "x"));
      }
    });
    expect(rooms).toEqual(Array(4).fill(128 * 1024));
  });

  test("room is less than eight times what came, once that is 128 KiB", () => {
    const kib = 1024;
    const maxMessageBytes = 64 * kib * kib;
    ends = new Ends(binaryCodecType, { maxMessageBytes });
    for (const [seq, announcedKib, roomsKib] of [
      [1, 129, [128, 129]],
      [2, 1024, [128, 1024]],
      [3, 1025, [128, 1025 / 8]],
      [4, 64 * 1024, [128, 1024]],
    ] as const) {
      const rooms = roomsTaken(() => {
        ends.dialled(announce(seq, announcedKib * kib));
        for (const length of [64 * kib, 64 * kib, 1]) {
          ends.dialled(piece(seq, "x".repeat(length)));
        }
      });
      expect(rooms).toEqual(roomsKib.map((room) => room * kib));
    }
  });

  test("of the largest body are copied once, but for the first eighth", () => {
    const { maxMessageBytes } = defaultLimits;
    ends.dial.writeRequest(ends.out, headOf(), new Uint8Array(maxMessageBytes));
    const bytes = takeAll(ends.dial, ends.out);
    let copiedBytes = 0;
    const { set } = Uint8Array.prototype;
    const counting = spyOn(Uint8Array.prototype, "set").mockImplementation(
      function (this: Uint8Array, source: ArrayLike<number>, at?: number) {
        copiedBytes += source.length;
        set.call(this, source, at);
      },
    );
    let rooms: number[];
    try {
      rooms = roomsTaken(() => {
        // As a socket gives them.
        for (let at = 0; at < bytes.length; at += 512 * 1024) {
          ends.accepted(bytes.subarray(at, at + 512 * 1024));
        }
      });
    } finally {
      counting.mockRestore();
    }
    const [first, eighth] = [128 * 1024, maxMessageBytes / 8];
    expect(rooms).toEqual([first, eighth, maxMessageBytes]);
    expect(copiedBytes).toBe(first + eighth + maxMessageBytes);
    expect(ends.recorder.takeOne()).toMatchObject({ kind: "request" });
  });
});

test("a piece without bytes is told as idle", () => {
  const ends = new Ends(binaryCodecType);
  ends.accepted(handFrame({ kind: kinds.piece }));
  expect(ends.recorder.idleCount).toBe(1);
  ends.accepted(handFrame({ kind: kinds.piece, content: Uint8Array.of(1) }));
  expect(ends.recorder.idleCount).toBe(1);
});
