import { beforeEach, describe, expect, test } from "bun:test";
import { codes, RpcError } from "../../src/errors.ts";
import {
  flags,
  headerBytes,
  kinds,
  maxContentBytes,
  maxMetadataBlockBytes,
  pieceBytes,
} from "../../src/wire/frame.ts";
import type { Metadata } from "../../src/wire/metadata.ts";
import { codeThrownBy } from "./code-thrown-by.ts";
import { frame, metadataOf, uint32 } from "./frames.ts";
import { binaryCodecType, Ends, headOf, takeAll } from "./recorder.ts";

let ends: Ends;
beforeEach(() => {
  ends = new Ends(binaryCodecType);
});

const metadata: Metadata = new Map<string, string | Uint8Array>([
  ["user", "é"],
  ["id-bin", Uint8Array.of(0, 255)],
]);
const tooMuch: Metadata = new Map([["a", "x".repeat(9000)]]);

describe("credit", () => {
  test.each<[number, boolean, number]>([
    [5, true, 1],
    [2 ** 53 - 1, false, 2 ** 32 - 1],
    [0, false, 64],
    [7, true, 0],
  ])("of seq %p comes through", (seq, isAnswer, bytes) => {
    ends.dialSession.writeCredit(ends.out, seq, isAnswer, bytes);
    expect(ends.accepted(ends.takeOut()).takeOne()).toEqual({
      kind: "credit",
      seq,
      isAnswer,
      bytes,
    });
  });
});

describe("goaway", () => {
  test.each([...codes])("says why: %p", (code) => {
    const error = new RpcError(code, "é");
    ends.acceptSession.writeGoaway(ends.out, 2 ** 40, error);
    const told = ends.dialled(ends.takeOut()).takeOne();
    expect(told).toMatchObject({ kind: "goaway", lastSeq: 2 ** 40, code });
    expect(told.kind === "goaway" && told.error.message).toBe("é");
  });

  test("has a text that fits into its frame", () => {
    const error = new RpcError("aborted", "€".repeat(100_000));
    ends.acceptSession.writeGoaway(ends.out, 0, error);
    expect(ends.out.length).toBeLessThan(headerBytes + 3 * 4096 + 1);
    const told = ends.dialled(ends.takeOut()).takeOne();
    expect(told.kind === "goaway" && told.error.message.length).toBe(4096);
  });
});

test("pings and pongs carry their number, both ways", () => {
  for (const number of [0, 1, 2 ** 32, 2 ** 53 - 1]) {
    ends.dialSession.writePing(ends.out, number);
    ends.dialSession.writePong(ends.out, number);
    expect(ends.accepted(ends.takeOut()).take()).toEqual([
      { kind: "ping", number },
      { kind: "pong", number },
    ]);
    ends.acceptSession.writePing(ends.out, number);
    ends.acceptSession.writePong(ends.out, number);
    expect(ends.dialled(ends.takeOut()).take()).toEqual([
      { kind: "ping", number },
      { kind: "pong", number },
    ]);
  }
});

describe("metadata", () => {
  const large = "x".repeat(2 * pieceBytes);

  test.each([1, undefined, large])(
    "comes with a request and a response",
    (value) => {
      const request = ends.request(value, { metadata });
      expect(request).toMatchObject({ head: { metadata }, args: value });
      ends.accept.writeResponse(ends.out, 1, "", value, metadata);
      ends.dialled(takeAll(ends.accept, ends.out));
      expect(ends.recorder.takeOne()).toEqual({
        kind: "response",
        seq: 1,
        reply: value,
        metadata,
      });
    },
  );

  test("comes with the beginning of a stream, and with an error", () => {
    const error = new RpcError("aborted", "no", { details: [1] });
    ends.acceptSession.writeStreamed(ends.out, 1, metadata);
    ends.accept.writeError(ends.out, 1, "", error, metadata);
    const told = ends.dialled(ends.takeOut()).take();
    expect(told).toMatchObject([
      { kind: "streamed", seq: 1, metadata },
      { kind: "error", code: "aborted", metadata, error: { details: [1] } },
    ]);
  });

  test("does not come with what has none", () => {
    ends.dial.writeRequest(ends.out, headOf(), 1);
    const told = ends.accepted(ends.takeOut()).takeOne();
    expect(told.kind === "request" && told.head.metadata).toBeUndefined();
    ends.acceptSession.writeStreamed(ends.out, 1);
    ends.accept.writeResponse(ends.out, 1, "", 1);
    ends.accept.writeError(ends.out, 1, "", new RpcError("aborted", ""));
    for (const one of ends.dialled(ends.takeOut()).take()) {
      expect("metadata" in one).toBe(false);
    }
  });

  test("over the limit is not sent, and names nothing", () => {
    const head = headOf({ metadata: tooMuch });
    for (const write of [
      () => ends.dial.writeRequest(ends.out, head, 1),
      () => ends.accept.writeResponse(ends.out, 1, "", 1, tooMuch),
      () => ends.accept.writeResponse(ends.out, 1, "", large, tooMuch),
    ]) {
      expect(codeThrownBy(write)).toBe("resource_exhausted");
      expect(ends.out.length).toBe(0);
    }
    expect(ends.accept.heldBytes).toBe(0);
    expect(ends.request(1)).toMatchObject({ head: { seq: 1 }, args: 1 });
  });

  test("over the limit is left out of an error, which must get through", () => {
    const error = new RpcError("aborted", "no", { details: [1] });
    ends.accept.writeError(ends.out, 1, "", error, tooMuch);
    const told = ends.dialled(ends.takeOut()).takeOne();
    expect(told).toMatchObject({ code: "aborted", error: { details: [1] } });
    expect("metadata" in told).toBe(false);
  });

  test("of an error that cannot be read leaves it as it is", () => {
    for (const block of [
      metadataOf("A", ""),
      metadataOf("a", "x".repeat(9000)),
    ]) {
      const content = Buffer.concat([block, uint32(2), Buffer.from("no")]);
      const error = { kind: kinds.error, flags: flags.metadata, code: 5 };
      ends.dialled(frame({ ...error, content }));
      const told = ends.recorder.takeOne();
      expect(told).toMatchObject({
        code: "not_found",
        error: { message: "no" },
      });
      expect("metadata" in told).toBe(false);
    }
  });

  test("of an error that is cut off leaves its code, and whether the call was started", () => {
    const content = Uint8Array.of(200, 0, 1);
    const flag = flags.metadata | flags.notStarted;
    ends.dialled(frame({ kind: kinds.error, flags: flag, code: 5, content }));
    expect(ends.recorder.takeOne()).toMatchObject({
      code: "not_found",
      error: { sent: false },
    });
  });

  test("fits into a frame beside the largest of everything else", () => {
    ends = new Ends(binaryCodecType, { maxMetadataBytes: Infinity });
    const largest = new Map([["a", "x".repeat(maxMetadataBlockBytes - 4)]]);
    const serviceMethod = "m".repeat(1024);
    const body = new Uint8Array(pieceBytes);
    ends.dial.writeRequest(
      ends.out,
      headOf({ serviceMethod, metadata: largest }),
      body,
    );
    const details = new Uint8Array(pieceBytes);
    const error = new RpcError("aborted", "€".repeat(5000), { details });
    ends.dial.writeError(ends.out, 2, "", error, largest);
    expect(ends.out.length).toBeLessThan(2 * (headerBytes + maxContentBytes));
    expect(ends.accepted(ends.takeOut()).take()).toMatchObject([
      { kind: "request", head: { metadata: largest, serviceMethod } },
      { kind: "error", metadata: largest, error: { details } },
    ]);
  });
});
