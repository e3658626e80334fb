import { beforeEach, describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import {
  flags,
  kinds,
  minItemBytes,
  pieceBytes,
} from "../../src/wire/frame.ts";
import { defaultLimits } from "../../src/wire/limits.ts";
import { codeThrownBy } from "./code-thrown-by.ts";
import { frame, metadataOf, uint32 } from "./frames.ts";
import { binaryCodecType, Ends, headOf, takeAll } from "./recorder.ts";

let ends: Ends;
beforeEach(() => {
  ends = new Ends(binaryCodecType);
});

/** As JSON `count` pieces long. */
function textOfPieces(count: number): string {
  return "x".repeat(count * pieceBytes - 2);
}

/** What the accepting end is told of an item of an argument. */
function sendArgumentItem(seq: number, item: unknown) {
  const charged = ends.dialSession.writeItem(ends.out, seq, false, item);
  const told = ends.accepted(takeAll(ends.dial, ends.out)).takeOne();
  return { charged, told };
}

/** What the dialling end is told of an item of a reply. */
function sendAnswerItem(seq: number, item: unknown) {
  const charged = ends.acceptSession.writeItem(ends.out, seq, true, item);
  const told = ends.dialled(takeAll(ends.accept, ends.out)).takeOne();
  return { charged, told };
}

/** An item of an answer in JSON. */
function item(seq: number, content: string, flag: number = flags.answer) {
  return frame({
    kind: kinds.item,
    flags: flag,
    encoding: 1,
    seq,
    content: Buffer.from(content),
  });
}

/** An item of an answer that announces `total` bytes of JSON. */
function announce(seq: number, total: number, flag: number = flags.answer) {
  return frame({
    kind: kinds.item,
    flags: flag | flags.pieces,
    encoding: 1,
    seq,
    content: uint32(total),
  });
}

function piece(seq: number, content: string, flag: number = flags.answer) {
  return frame({
    kind: kinds.piece,
    flags: flag,
    seq,
    content: Buffer.from(content),
  });
}

describe("items", () => {
  test.each<unknown>([
    null,
    "é",
    { a: [1] },
    new Map([[1n, new Date(0)]]),
    Uint8Array.of(1, 2, 3),
    undefined,
  ])("%p arrives as it left, both ways", (value) => {
    const argument = sendArgumentItem(7, value);
    expect(argument.told).toEqual({
      kind: "item",
      seq: 7,
      isAnswer: false,
      item: value,
      chargedBytes: minItemBytes,
    });
    const answer = sendAnswerItem(2 ** 53 - 1, value);
    expect(answer.told).toEqual({
      kind: "item",
      seq: 2 ** 53 - 1,
      isAnswer: true,
      item: value,
      chargedBytes: minItemBytes,
    });
  });

  test.each<[unknown, number]>([
    [undefined, 64],
    ["x".repeat(62), 64],
    ["x".repeat(63), 65],
    ["€".repeat(100), 302],
    [new Uint8Array(1000), 1000],
    [new Uint8Array(pieceBytes), pieceBytes],
    [new Uint8Array(pieceBytes + 1), pieceBytes + 1],
    [textOfPieces(3), 3 * pieceBytes],
  ])(
    "take their body of the window at both ends, at least 64 bytes",
    (value, bytes) => {
      const { charged, told } = sendArgumentItem(1, value);
      expect(charged).toBe(bytes);
      expect(told).toMatchObject({ kind: "item", chargedBytes: bytes });
    },
  );

  test("that cannot be encoded, or are too long, leave out as it was", () => {
    ends.out.writeText("before");
    const tooLong = "x".repeat(defaultLimits.maxMessageBytes);
    for (const [value, code] of [
      [() => 1, "invalid_argument"],
      [tooLong, "resource_exhausted"],
    ] as const) {
      const write = () => ends.dialSession.writeItem(ends.out, 1, false, value);
      expect(codeThrownBy(write)).toBe(code);
      expect(Buffer.from(ends.takeOut()).toString()).toBe("before");
      ends.out.writeText("before");
      expect(ends.dial.heldBytes).toBe(0);
    }
  });

  test("that cannot be decoded fail their stream and take of the window", () => {
    const isAnswer = true;
    const { maxMessageBytes } = defaultLimits;
    const bad: [Uint8Array, string, number][] = [
      [item(5, `{${" ".repeat(99)}`), "internal", 100],
      [item(5, "{", 0), "invalid_argument", 64],
      [frame({ kind: kinds.item, encoding: 99 }), "invalid_argument", 64],
      [announce(5, 0), "internal", 64],
      [
        announce(5, maxMessageBytes + 1),
        "resource_exhausted",
        maxMessageBytes + 1,
      ],
      [item(5, "123", flags.answer | flags.pieces), "internal", 64],
      [item(5, "12345", flags.pieces), "invalid_argument", 0x34333231],
      [item(5, "12345", flags.compressed), "unimplemented", 0x34333231],
    ];
    for (const [bytes, code, chargedBytes] of bad) {
      ends.dialled(bytes);
      const told = ends.recorder.takeOne();
      expect(told).toMatchObject({ kind: "badItem", code, chargedBytes });
    }
    expect(ends.dialled(item(6, "1")).takeOne()).toMatchObject({
      seq: 6,
      isAnswer,
      item: 1,
    });
  });

  test("of a stream that is over are told with what they take, undecoded", () => {
    ends.recorder.givenUp.add(5);
    ends.recorder.givenUpArguments.add(6);
    const told = { kind: "item", item: undefined };
    ends.dialled(item(5, `"${"x".repeat(98)}"`));
    ends.dialled(item(6, "{", 0));
    expect(ends.recorder.take()).toMatchObject([
      { ...told, seq: 5, isAnswer: true, chargedBytes: 100 },
      { ...told, seq: 6, isAnswer: false, chargedBytes: 64 },
    ]);
    // Both have the other direction, too, where they are known.
    ends.dialled(item(6, "1"));
    ends.dialled(item(5, "2", 0));
    expect(ends.recorder.take()).toMatchObject([{ item: 1 }, { item: 2 }]);
  });

  test("whose receiver breaks the connection off fail no stream instead", () => {
    for (const bytes of [item(5, "1"), item(5, "{")]) {
      const flooded = () => {
        throw new RpcError("resource_exhausted", "too much");
      };
      ends.recorder.item = flooded;
      ends.recorder.badItem = flooded;
      expect(codeThrownBy(() => ends.dialled(bytes))).toBe(
        "resource_exhausted",
      );
      while (ends.dial.read(ends.recorder));
    }
    expect(ends.recorder.told).toEqual([]);
  });
});

describe("a large item", () => {
  test("goes in pieces, is told once, and is held until its last piece", () => {
    const { acceptSession: session, accept, out } = ends;
    const text = textOfPieces(3);
    expect(session.writeItem(out, 5, true, text)).toBe(3 * pieceBytes);
    ends.dialled(ends.takeOut());
    for (let at = 0; at < 3; at++) {
      expect(session.holds(5, true)).toBe(true);
      expect(ends.recorder.take()).toEqual([]);
      accept.writePiece(out);
      ends.dialled(ends.takeOut());
    }
    expect(session.holds(5, true)).toBe(false);
    expect(accept.heldBytes).toBe(0);
    expect(ends.recorder.takeOne()).toEqual({
      kind: "item",
      seq: 5,
      isAnswer: true,
      item: text,
      chargedBytes: 3 * pieceBytes,
    });
  });

  test("is held for its own stream and direction", () => {
    const { dialSession: session, out } = ends;
    session.writeItem(out, 5, false, textOfPieces(2));
    expect(session.holds(5, false)).toBe(true);
    expect(session.holds(5, true)).toBe(false);
    expect(session.holds(6, false)).toBe(false);
  });

  test("of an argument and of a reply with the same seq do not mix", () => {
    const { dialSession: session, out } = ends;
    const asked = textOfPieces(2);
    const answered = `${asked.slice(1)}y`;
    session.writeItem(out, 5, false, asked);
    session.writeItem(out, 5, true, answered);
    ends.accepted(takeAll(ends.dial, out));
    expect(ends.recorder.take()).toMatchObject([
      { isAnswer: false, item: asked },
      { isAnswer: true, item: answered },
    ]);
  });

  test("is dropped alone", () => {
    const { dialSession: session, dial, out } = ends;
    session.writeItem(out, 5, false, textOfPieces(2));
    session.writeItem(out, 5, true, textOfPieces(3));
    session.writeItem(out, 6, false, textOfPieces(4));
    session.dropItem(5, false);
    expect(dial.heldBytes).toBe(7 * pieceBytes);
    expect(session.holds(5, false)).toBe(false);
    expect(session.holds(5, true)).toBe(true);
    session.dropItem(5, false);
    expect(dial.heldBytes).toBe(7 * pieceBytes);
  });

  test("fails with its stream when it makes no value", () => {
    ends.dialled(announce(5, 2));
    ends.dialled(piece(5, "{{"));
    expect(ends.recorder.takeOne()).toMatchObject({
      kind: "badItem",
      code: "internal",
      chargedBytes: 64,
    });
    ends.accepted(announce(5, 2, 0));
    ends.accepted(piece(5, "{{", 0));
    expect(ends.recorder.takeOne()).toMatchObject({
      kind: "badItem",
      code: "invalid_argument",
    });
  });

  test("is not overtaken by the next of its stream, which fails it", () => {
    for (const next of [item(5, "2"), announce(5, 9)]) {
      ends.dialled(announce(5, 3));
      ends.dialled(piece(5, "1"));
      expect(ends.dialled(next).takeOne()).toMatchObject({
        kind: "badItem",
        seq: 5,
        isAnswer: true,
        code: "internal",
        chargedBytes: 64,
      });
      expect(ends.dialled(piece(5, "23")).takeOne()).toMatchObject({
        kind: "item",
        item: 123,
      });
    }
    ends.accepted(announce(5, 3, 0));
    expect(ends.accepted(item(5, "2", 0)).takeOne()).toMatchObject({
      kind: "badItem",
      code: "invalid_argument",
    });
    expect(ends.accepted(item(6, "2", 0)).takeOne()).toMatchObject({ item: 2 });
  });

  test("of a stream that is over is told at once, and nothing is kept of it", () => {
    ends = new Ends(binaryCodecType, { maxPartialBodies: 2 });
    for (const isAnswer of [true, false]) {
      const flag = isAnswer ? flags.answer : 0;
      const { givenUp, givenUpArguments } = ends.recorder;
      for (let seq = 1; seq <= 20; seq++) {
        (isAnswer ? givenUp : givenUpArguments).add(seq);
        ends.dialled(announce(seq, 100, flag));
        ends.dialled(piece(seq, "1", flag));
        expect(ends.recorder.takeOne()).toEqual({
          kind: "item",
          seq,
          isAnswer,
          item: undefined,
          chargedBytes: 100,
        });
      }
      ends.dialled(announce(99, 1, flag));
      ends.dialled(piece(99, "1", flag));
      expect(ends.recorder.takeOne()).toMatchObject({ seq: 99, item: 1 });
    }
  });

  test("that is one too many fails its stream alone", () => {
    const few = new Ends(binaryCodecType, { maxPartialBodies: 2 });
    for (const seq of [1, 2, 3]) few.dialled(announce(seq, 100));
    for (const seq of [1, 2, 3]) few.dialled(piece(seq, "1"));
    expect(few.recorder.takeOne()).toMatchObject({
      kind: "badItem",
      seq: 3,
      isAnswer: true,
      code: "resource_exhausted",
      chargedBytes: 100,
    });
    few.dialled(piece(3, "1"));
    expect(few.recorder.take()).toEqual([]);
  });

  test("of an argument that stops half-way fails its stream", () => {
    const { accept, recorder } = ends;
    ends.accepted(announce(5, 100, 0));
    ends.accepted(piece(5, "1", 0));
    expect(accept.partialRequests).toBe(1);
    accept.dropStalled?.(recorder);
    expect(recorder.take()).toEqual([]);
    accept.dropStalled?.(recorder);
    expect(recorder.takeOne()).toEqual({
      kind: "badItem",
      seq: 5,
      isAnswer: false,
      code: "deadline_exceeded",
      chargedBytes: 100,
    });
    expect(accept.partialRequests).toBe(0);
    expect(ends.acceptSession.forgetItem(5, false)).toBe(0);
  });
});

describe("a stream that ends before its item is whole", () => {
  /** An item of the argument of call 5, and one of its reply, of which a piece has gone out. */
  function writeHalf(): void {
    const { dialSession, acceptSession, dial, accept, out } = ends;
    dialSession.writeItem(out, 5, false, textOfPieces(3));
    dial.writePiece(out);
    ends.accepted(ends.takeOut());
    acceptSession.writeItem(out, 5, true, textOfPieces(4));
    accept.writePiece(out);
    ends.dialled(ends.takeOut());
    expect(ends.recorder.take()).toEqual([]);
  }

  test("gives back what that takes of the window, once", () => {
    writeHalf();
    expect(ends.dialSession.forgetItem(5, false)).toBe(0);
    expect(ends.dialSession.forgetItem(5, true)).toBe(4 * pieceBytes);
    expect(ends.dialSession.forgetItem(5, true)).toBe(0);
    expect(ends.acceptSession.forgetItem(5, true)).toBe(0);
    expect(ends.acceptSession.forgetItem(5, false)).toBe(3 * pieceBytes);
    // The rest of them is dropped.
    ends.accepted(takeAll(ends.dial, ends.out));
    ends.dialled(takeAll(ends.accept, ends.out));
    expect(ends.recorder.take()).toEqual([]);
  });

  test("by a cancel", () => {
    writeHalf();
    ends.dial.writeCancel(ends.out, 5);
    expect(ends.dial.heldBytes).toBe(0);
    expect(ends.dialSession.forgetItem(5, true)).toBe(4 * pieceBytes);
    ends.accepted(ends.takeOut());
    expect(ends.recorder.takeOne()).toEqual({ kind: "cancel", seq: 5 });
    expect(ends.accept.heldBytes).toBe(0);
    expect(ends.acceptSession.forgetItem(5, false)).toBe(3 * pieceBytes);
  });

  test("by an error, which does not wait for its items' pieces", () => {
    writeHalf();
    ends.accept.writeError(ends.out, 5, "", new RpcError("aborted", ""));
    expect(ends.accept.heldBytes).toBe(0);
    expect(ends.acceptSession.forgetItem(5, false)).toBe(3 * pieceBytes);
    ends.dialled(ends.takeOut());
    expect(ends.recorder.takeOne()).toMatchObject({ code: "aborted" });
    expect(ends.dial.heldBytes).toBe(0);
    expect(ends.dialSession.forgetItem(5, true)).toBe(4 * pieceBytes);
  });

  test("by a response", () => {
    writeHalf();
    ends.acceptSession.dropItem(5, true);
    ends.accept.writeResponse(ends.out, 5, "", "done");
    ends.dialled(ends.takeOut());
    expect(ends.recorder.takeOne()).toMatchObject({ reply: "done" });
    expect(ends.dial.heldBytes).toBe(0);
    expect(ends.dialSession.forgetItem(5, true)).toBe(4 * pieceBytes);
  });

  test("by the end of the reply", () => {
    writeHalf();
    ends.acceptSession.dropItem(5, true);
    ends.acceptSession.writeEnd(ends.out, 5, true);
    ends.dialled(ends.takeOut());
    expect(ends.recorder.takeOne()).toMatchObject({ kind: "halfClose" });
    expect(ends.dial.heldBytes).toBe(0);
  });

  test("but not by the beginning of the reply, or the end of the argument", () => {
    writeHalf();
    const { heldBytes } = ends.dial;
    ends.acceptSession.writeStreamed(ends.out, 5);
    ends.acceptSession.writeEnd(ends.out, 5, false);
    ends.dialled(ends.takeOut());
    expect(ends.recorder.take()).toMatchObject([
      { kind: "streamed" },
      { kind: "halfClose", isAnswer: false },
    ]);
    expect(ends.dial.heldBytes).toBe(heldBytes);
  });

  test("leaves the room of others: nothing stays of those that were forgotten", () => {
    ends = new Ends(binaryCodecType, { maxPartialBodies: 2 });
    for (let seq = 1; seq <= 20; seq++) {
      ends.dialled(announce(seq, 100));
      ends.dialled(piece(seq, "1"));
      expect(ends.dialSession.forgetItem(seq, true)).toBe(100);
    }
    expect(ends.recorder.take()).toEqual([]);
    expect(ends.response(textOfPieces(2), 99).kind).toBe("response");
  });

  test("forgets no request and no response of its seq", () => {
    ends.dial.writeRequest(ends.out, headOf({ seq: 5 }), textOfPieces(2));
    ends.dial.writePiece(ends.out);
    ends.accepted(ends.takeOut());
    expect(ends.acceptSession.forgetItem(5, false)).toBe(0);
    ends.accept.writeResponse(ends.out, 5, "", textOfPieces(2));
    ends.accept.writePiece(ends.out);
    ends.dialled(ends.takeOut());
    expect(ends.dialSession.forgetItem(5, true)).toBe(0);
    expect(ends.recorder.take()).toEqual([]);
    ends.accepted(takeAll(ends.dial, ends.out));
    ends.dialled(takeAll(ends.accept, ends.out));
    expect(ends.recorder.take().length).toBe(1);
  });
});

describe("the end of a stream", () => {
  test.each([true, false])("comes through, of an answer: %p", (isAnswer) => {
    const metadata = new Map([["count", "2"]]);
    ends.dialSession.writeEnd(ends.out, 5, isAnswer);
    ends.dialSession.writeEnd(ends.out, 6, isAnswer, metadata);
    expect(ends.accepted(ends.takeOut()).take()).toEqual([
      { kind: "halfClose", seq: 5, isAnswer },
      { kind: "halfClose", seq: 6, isAnswer, metadata },
    ]);
  });

  test.each([
    [flags.answer, metadataOf("A", ""), "internal"],
    [0, metadataOf("A", ""), "invalid_argument"],
    [flags.answer, uint32(99), "internal"],
    [0, metadataOf("a", "x".repeat(9000)), "resource_exhausted"],
  ])(
    "with bad metadata fails the stream, for nothing: %#",
    (flag, content, code) => {
      ends.dialled(
        frame({ kind: kinds.end, flags: flag | flags.metadata, content }),
      );
      expect(ends.recorder.takeOne()).toEqual({
        kind: "badItem",
        seq: 1,
        isAnswer: flag !== 0,
        code,
        chargedBytes: 0,
      });
    },
  );

  test("with too much metadata is not sent", () => {
    const metadata = new Map([["a", "x".repeat(9000)]]);
    for (const write of [
      () => ends.dialSession.writeEnd(ends.out, 5, false, metadata),
      () => ends.dialSession.writeStreamed(ends.out, 5, metadata),
    ]) {
      expect(codeThrownBy(write)).toBe("resource_exhausted");
      expect(ends.out.length).toBe(0);
    }
  });
});
