import { beforeEach, describe, expect, test } from "bun:test";
import type { RequestHead } from "../../src/codec/codec.ts";
import { createCodec } from "../../src/codec/table.ts";
import { RpcError } from "../../src/errors.ts";
import {
  flags,
  headerBytes,
  ignorableBit,
  kinds,
  maxContentBytes,
  maxMethodNumbers,
  maxNameBytes,
  pieceBytes,
} from "../../src/wire/frame.ts";
import { defaultLimits } from "../../src/wire/limits.ts";
import { SendBuffer } from "../../src/wire/send-buffer.ts";
import { encodeRefusal } from "../../src/wire/refusal.ts";
import { codeThrownBy } from "./code-thrown-by.ts";
import {
  frame,
  type FrameParts,
  metadataOf,
  name,
  uint16,
  uint32,
} from "./frames.ts";
import {
  binaryCodecType,
  contextOf,
  Ends,
  headOf,
  readAll,
  Recorder,
  takeAll,
  type Told,
} from "./recorder.ts";

const goodSettings = Buffer.from(`{"protocol":1,"maxMessageBytes":5}`);

/** A dialling end to which no settings have come. */
function dialAnew(): void {
  const dial = createCodec(binaryCodecType, contextOf("dial"));
  Object.assign(ends, { dial });
}

let ends: Ends;
beforeEach(() => {
  ends = new Ends(binaryCodecType);
});

/** A request's content: no limit, sent at 0, a method number, and what follows. */
function requestContent(number: number, ...rest: Uint8Array[]): Uint8Array {
  const head = Buffer.alloc(10);
  head.writeUInt16LE(number, 8);
  return Buffer.concat([head, ...rest]);
}

const one = Buffer.from("1");

function request(parts: Partial<FrameParts>): Uint8Array {
  return frame({ kind: kinds.request, encoding: 1, ...parts });
}

/** A request that defines method number 1 as Arith.sum. */
function defining(parts: Partial<FrameParts> = {}): Uint8Array {
  const content = requestContent(1, name("Arith.sum"), one);
  return request({ flags: flags.named, content, ...parts });
}

function codeOf(told: Told): string {
  return "code" in told ? told.code : told.kind;
}

/** That the stream is still in step: a plain request is read. */
function expectInStep(): void {
  const content = requestContent(0, name("In.step"), one);
  const { recorder } = ends;
  ends.accepted(request({ flags: flags.named, seq: 99, content }));
  expect(recorder.take()).toEqual([
    {
      kind: "request",
      head: headOf({ seq: 99, serviceMethod: "In.step" }),
      args: 1,
    },
  ]);
}

function encodingOf(bytes: Uint8Array): number {
  return bytes[2] as number;
}

describe("a body that is one number", () => {
  const read = (text: string): Told => {
    const content = requestContent(1, name("Arith.sum"), Buffer.from(text));
    const told = ends.accepted(
      request({ flags: flags.named, seq: 1, content }),
    );
    return told.takeOne();
  };

  test.each(["0", "7", "10", "999999999999999", "1000000000000000"])(
    "%s is read as JSON reads it",
    (text) => {
      expect(read(text)).toMatchObject({ args: JSON.parse(text) });
    },
  );

  test.each(["-1", "1.5", "1e3", "9007199254740993", " 1", "1 "])(
    "so is %p",
    (text) => {
      expect(read(text)).toMatchObject({ args: JSON.parse(text) });
    },
  );

  test.each(["", "00", "01", "1:", "1/", "+1", "1x", "0x1"])(
    "%p is none",
    (text) => {
      expect(codeOf(read(text))).toBe("invalid_argument");
    },
  );

  test.each([0, -0, 1, -1, 0.1, 1e21, 2 ** 53, -1e-7, NaN, Infinity])(
    "%p arrives",
    (number) => {
      const told = ends.dialled(sentReply(number)).takeOne();
      expect(told).toEqual({ kind: "response", seq: 1, reply: number });
    },
  );

  function sentReply(reply: unknown): Uint8Array {
    ends.accept.writeResponse(ends.out, 1, "", reply);
    return takeAll(ends.accept, ends.out);
  }
});

describe("a request's fixed part", () => {
  test.each([
    [0, 0],
    [0.2, 1],
    [1, 1],
    [1.5, 2],
    [-5, 1],
    [2 ** 32 - 1, 2 ** 32 - 1],
    [2 ** 40, 2 ** 32 - 1],
    [Infinity, 2 ** 32 - 1],
  ])("%p ms left travel as %p: a limit never becomes none", (ms, arrived) => {
    const told = ends.request(1, { timeoutMs: ms });
    expect(told).toMatchObject({ head: { timeoutMs: arrived } });
  });

  test("sentAtMs goes round at 2^32", () => {
    const told = ends.request(1, { sentAtMs: 2 ** 32 + 7 });
    expect(told).toMatchObject({ head: { sentAtMs: 7 } });
  });

  test.each<Partial<RequestHead>>([
    {},
    { untilReply: true },
    { isStream: true },
    { oneWay: true },
    { untilReply: true, isStream: true },
  ])("%j comes through", (head) => {
    const told = ends.request(undefined, head);
    expect(told).toEqual({
      kind: "request",
      head: headOf(head),
      args: undefined,
    });
  });

  test("a stream's own argument is not sent, nor its form looked at", () => {
    const told = ends.request([1], { isStream: true }, "nobody");
    expect(told).toMatchObject({ head: { isStream: true }, args: undefined });
  });

  test("a one-way stream is not sent", () => {
    const head = headOf({ oneWay: true, isStream: true });
    const write = () => ends.dial.writeRequest(ends.out, head, undefined);
    expect(codeThrownBy(write)).toBe("invalid_argument");
    expect(ends.out.length).toBe(0);
  });
});

describe("bad contents fail their call and keep the stream in step", () => {
  test.each<[string, Uint8Array, string]>([
    [
      "no JSON",
      defining({
        content: requestContent(1, name("Arith.sum"), Buffer.from("{")),
      }),
      "invalid_argument",
    ],
    [
      "no MessagePack",
      defining({ encoding: 2 }).with(headerBytes + 21, 0xc1),
      "invalid_argument",
    ],
    [
      "an empty body",
      defining({ content: requestContent(1, name("Arith.sum")) }),
      "invalid_argument",
    ],
    ["an unknown encoding", defining({ encoding: 15 }), "invalid_argument"],
    [
      "an encoding that was not agreed on",
      defining({ encoding: 16 }),
      "invalid_argument",
    ],
    [
      "a name without its length",
      request({
        flags: flags.named,
        content: requestContent(1, Uint8Array.of(1)),
      }),
      "invalid_argument",
    ],
    [
      "a name that is cut off",
      request({
        flags: flags.named,
        content: requestContent(1, name("Arith.sum", 99)),
      }),
      "invalid_argument",
    ],
    [
      "a name that is too long",
      request({
        flags: flags.named,
        content: requestContent(1, name("x".repeat(maxNameBytes + 1)), one),
      }),
      "invalid_argument",
    ],
    [
      "metadata without its length",
      request({
        flags: flags.named | flags.metadata,
        content: requestContent(1, name("a")),
      }),
      "invalid_argument",
    ],
    [
      "metadata that is cut off",
      request({
        flags: flags.named | flags.metadata,
        content: requestContent(1, name("a"), uint16(5), one),
      }),
      "invalid_argument",
    ],
    [
      "a total that is cut off",
      request({
        flags: flags.named | flags.pieces,
        content: requestContent(1, name("a"), one),
      }),
      "invalid_argument",
    ],
    [
      "a total of 0",
      request({
        flags: flags.named | flags.pieces,
        content: requestContent(1, name("a"), uint32(0)),
      }),
      "invalid_argument",
    ],
    [
      "a total over the limit",
      request({
        flags: flags.named | flags.pieces,
        content: requestContent(1, name("a"), uint32(2 ** 32 - 1)),
      }),
      "resource_exhausted",
    ],
    [
      "a compressed body",
      defining({ flags: flags.named | flags.compressed }),
      "unimplemented",
    ],
    [
      "a stream with a body",
      defining({ flags: flags.named | flags.stream }),
      "invalid_argument",
    ],
    [
      "a stream with a body in pieces",
      defining({
        flags: flags.named | flags.stream | flags.pieces,
        encoding: 0,
        content: requestContent(1, name("a"), uint32(5)),
      }),
      "invalid_argument",
    ],
    [
      "a one-way stream",
      defining({
        flags: flags.named | flags.stream | flags.oneWay,
        encoding: 0,
      }),
      "invalid_argument",
    ],
    [
      "metadata with a bad key",
      defining({
        flags: flags.named | flags.metadata,
        content: requestContent(1, name("a"), metadataOf("A", "x"), one),
      }),
      "invalid_argument",
    ],
    [
      "metadata over the limit",
      defining({
        flags: flags.named | flags.metadata,
        content: requestContent(
          1,
          name("a"),
          metadataOf("a", "x".repeat(defaultLimits.maxMetadataBytes)),
          one,
        ),
      }),
      "resource_exhausted",
    ],
    [
      "a number without a name",
      request({ content: requestContent(7, one) }),
      "invalid_argument",
    ],
    [
      "number 0 without a name",
      request({ content: requestContent(0, one) }),
      "invalid_argument",
    ],
    [
      "a number over the limit",
      request({
        flags: flags.named,
        content: requestContent(maxMethodNumbers + 1, name("a"), one),
      }),
      "resource_exhausted",
    ],
  ])("request: %s", (_, bytes, code) => {
    ends.accepted(bytes);
    const told = ends.recorder.takeOne();
    expect(told.kind).toBe("badRequest");
    expect(told).toMatchObject({ head: { seq: 1 }, code });
    expectInStep();
  });

  test.each<[string, Partial<FrameParts>, string]>([
    ["no JSON", { content: Buffer.from("{") }, "internal"],
    [
      "no MessagePack",
      { encoding: 2, content: Uint8Array.of(0xc1) },
      "internal",
    ],
    ["an unknown encoding", { encoding: 200 }, "internal"],
    [
      "metadata that is cut off",
      { flags: flags.metadata, content: one },
      "internal",
    ],
    [
      "a total over the limit",
      { flags: flags.pieces, content: uint32(2 ** 31) },
      "resource_exhausted",
    ],
    ["a stream with a body", { flags: flags.stream, content: one }, "internal"],
    [
      "a stream with a body in pieces",
      { flags: flags.stream | flags.pieces, encoding: 0, content: uint32(5) },
      "internal",
    ],
    [
      "a stream whose metadata is cut off",
      { flags: flags.stream | flags.metadata, encoding: 0, content: one },
      "internal",
    ],
    [
      "metadata over the limit",
      {
        flags: flags.metadata,
        content: Buffer.concat([
          metadataOf("a", "x".repeat(defaultLimits.maxMetadataBytes)),
          one,
        ]),
      },
      "resource_exhausted",
    ],
    [
      "a compressed body",
      { flags: flags.compressed, content: one },
      "unimplemented",
    ],
  ])("response: %s", (_, parts, code) => {
    ends.dialled(
      frame({ kind: kinds.response, encoding: 1, seq: 5, ...parts }),
    );
    expect(ends.recorder.takeOne()).toMatchObject({
      kind: "error",
      seq: 5,
      code,
    });
    expect(ends.response("next")).toMatchObject({ reply: "next" });
  });

  test.each<[string, Uint8Array]>([
    ["no length", new Uint8Array(3)],
    ["a message that is cut off", uint32(1)],
    ["a length beyond all", uint32(2 ** 32 - 1)],
  ])("error: %s: its code is left", (_, content) => {
    for (const flag of [0, flags.notStarted]) {
      const parts = {
        kind: kinds.error,
        flags: flag,
        code: 5,
        seq: 5,
        content,
      };
      ends.dialled(frame(parts));
      expect(ends.recorder.takeOne()).toMatchObject({
        seq: 5,
        code: "not_found",
        error: { sent: flag === 0 },
      });
    }
    expect(ends.response("next")).toMatchObject({ reply: "next" });
  });

  test("a limit below a piece holds for a body in its own frame, too", () => {
    const small = new Ends(binaryCodecType, { maxMessageBytes: 100 });
    expect(small.request("x".repeat(98))).toMatchObject({ kind: "request" });
    const tooLong = "x".repeat(99);
    expect(codeThrownBy(() => small.request(tooLong))).toBe(
      "resource_exhausted",
    );
    ends.dial.writeRequest(ends.out, headOf({ seq: 2 }), tooLong);
    expect(
      small.accepted(takeAll(ends.dial, ends.out)).takeOne(),
    ).toMatchObject({
      kind: "badRequest",
      code: "resource_exhausted",
    });
    ends.accept.writeResponse(ends.out, 3, "", tooLong);
    expect(
      small.dialled(takeAll(ends.accept, ends.out)).takeOne(),
    ).toMatchObject({
      kind: "error",
      code: "resource_exhausted",
    });
  });
});

describe("what is cut off is not looked for in the next frame", () => {
  test("a name", () => {
    const cut = requestContent(1, name("Arith.s", 12));
    const bytes = request({ flags: flags.named, encoding: 0, content: cut });
    ends.accepted(Buffer.concat([bytes, defining({ seq: 2 })]));
    expect(ends.recorder.take()).toMatchObject([
      { kind: "badRequest", head: { serviceMethod: "" } },
      { kind: "request", head: { seq: 2, serviceMethod: "Arith.sum" } },
    ]);
  });

  test("metadata", () => {
    const content = requestContent(1, name("Arith.sum"), uint16(5), one);
    const flag = flags.named | flags.metadata;
    const bytes = request({ flags: flag, encoding: 0, content });
    ends.accepted(Buffer.concat([bytes, defining({ seq: 2 })]));
    expect(ends.recorder.take()).toMatchObject([
      { kind: "badRequest", head: { seq: 1 }, code: "invalid_argument" },
      { kind: "request", head: { seq: 2 } },
    ]);
  });
});

describe("broken framing", () => {
  test.each<[string, Uint8Array, string]>([
    [
      "a request shorter than its fixed part",
      request({ content: new Uint8Array(9) }),
      "invalid_argument",
    ],
    ["a request with seq 0", defining({ seq: 0 }), "internal"],
    ["an unknown kind", frame({ kind: 10 }), "internal"],
    [
      "a credit that is cut off",
      frame({ kind: kinds.credit, content: new Uint8Array(3) }),
      "invalid_argument",
    ],
    [
      "settings to the accepting end",
      frame({ kind: kinds.settings, content: goodSettings }),
      "internal",
    ],
  ])("%s", (_, bytes, code) => {
    expect(codeThrownBy(() => ends.accepted(bytes))).toBe(code);
    expect(ends.recorder.told).toEqual([]);
  });

  test("settings that come a second time", () => {
    const bytes = frame({ kind: kinds.settings, content: goodSettings });
    expect(codeThrownBy(() => ends.dialled(bytes))).toBe("internal");
    expect(ends.recorder.told).toEqual([]);
  });

  test.each<[string, string]>([
    [
      "a window below 0",
      `{"protocol":1,"maxMessageBytes":5,"streamWindowBytes":-1}`,
    ],
    [
      "a window that is no number",
      `{"protocol":1,"maxMessageBytes":5,"connectionWindowBytes":"1"}`,
    ],
    ["no JSON", "{"],
    ["other types", `{"protocol":"1","maxMessageBytes":5}`],
    ["what allows nothing", `{"protocol":1,"maxMessageBytes":-5}`],
    ["null", "null"],
  ])("settings of %s", (_, text) => {
    const content = Buffer.from(text);
    const bytes = frame({ kind: kinds.settings, content });
    dialAnew();
    expect(codeThrownBy(() => ends.dialled(bytes))).toBe("internal");
    expect(ends.recorder.told).toEqual([]);
  });

  test("4 GiB declared", () => {
    const header = frame({ kind: kinds.request });
    header.set(uint32(2 ** 32 - 1), 4);
    expect(codeThrownBy(() => ends.accepted(header))).toBe(
      "resource_exhausted",
    );
  });

  test("what came in front of it is told first", () => {
    const bytes = Buffer.concat([defining(), frame({ kind: 10 })]);
    expect(codeThrownBy(() => ends.accepted(bytes))).toBe("internal");
    expect(ends.recorder.takeOne()).toMatchObject({ kind: "request" });
  });
});

describe("kinds", () => {
  test("an unknown kind with the ignorable bit is skipped, with its content", () => {
    for (const kind of [0, 10, 13, 0x7f]) {
      const content = new Uint8Array(maxContentBytes);
      ends.accepted(frame({ kind: kind | ignorableBit, content }));
    }
    expect(ends.recorder.told).toEqual([]);
    expect(ends.recorder.idleCount).toBe(4);
    expectInStep();
  });

  test("settings may say more than is known", () => {
    dialAnew();
    const content = Buffer.from(`{"protocol":9,"maxMessageBytes":1,"x":[]}`);
    ends.dialled(frame({ kind: kinds.settings, content }));
    expect(ends.recorder.takeOne()).toEqual({
      kind: "settings",
      settings: { protocol: 9, maxMessageBytes: 1 },
    });
  });

  test("settings say what may be sent, where they do", () => {
    const settings = {
      protocol: 1,
      maxMessageBytes: 5,
      streamWindowBytes: 0,
      connectionWindowBytes: 2 ** 40,
      compression: "zstd" as const,
    };
    dialAnew();
    ends.accept.writeSettings(ends.out, settings);
    const told = ends.dialled(takeAll(ends.accept, ends.out)).takeOne();
    expect(told).toEqual({ kind: "settings", settings });
    const other = { ...settings, compression: "br" };
    const content = Buffer.from(JSON.stringify(other));
    dialAnew();
    ends.dialled(frame({ kind: kinds.settings, content }));
    const { compression: _, ...known } = settings;
    expect(ends.recorder.takeOne()).toEqual({
      kind: "settings",
      settings: known,
    });
  });

  test("windows above 2^53-1 are taken for that", () => {
    dialAnew();
    const text = `{"protocol":1,"maxMessageBytes":1,"streamWindowBytes":1e300,"connectionWindowBytes":1e16}`;
    ends.dialled(frame({ kind: kinds.settings, content: Buffer.from(text) }));
    expect(ends.recorder.takeOne()).toMatchObject({
      settings: {
        streamWindowBytes: 2 ** 53 - 1,
        connectionWindowBytes: 2 ** 53 - 1,
      },
    });
  });

  test("limits without end go as the largest whole number", () => {
    const settings = { protocol: 1, maxMessageBytes: Infinity };
    dialAnew();
    ends.accept.writeSettings(ends.out, {
      ...settings,
      streamWindowBytes: 1.5,
    });
    const told = ends.dialled(takeAll(ends.accept, ends.out)).takeOne();
    expect(told).toEqual({
      kind: "settings",
      settings: {
        protocol: 1,
        maxMessageBytes: 2 ** 53 - 1,
        streamWindowBytes: 1,
      },
    });
  });

  test("flags that a kind does not have are ignored, and what stands behind its content", () => {
    const content = Buffer.concat([uint32(5), one]);
    for (const kind of [kinds.cancel, kinds.credit, kinds.ping, kinds.pong]) {
      ends.dialled(frame({ kind, flags: 0x7f, content }));
    }
    ends.dialled(frame({ kind: kinds.goaway, flags: 0xff }));
    const flag = 0xff & ~(flags.metadata | flags.compressed | flags.pieces);
    const unknown = flag & ~flags.stream;
    const response = { kind: kinds.response, encoding: 1, content: one };
    ends.dialled(frame({ ...response, flags: unknown }));
    ends.dialled(frame({ ...response, kind: kinds.item, flags: flag }));
    expect(ends.recorder.take()).toMatchObject([
      { kind: "cancel", seq: 1 },
      { kind: "credit", seq: 1, isAnswer: false, bytes: 5 },
      { kind: "ping", number: 1 },
      { kind: "pong", number: 1 },
      { kind: "goaway", lastSeq: 1, code: "unknown" },
      { kind: "response", reply: 1 },
      { kind: "item", isAnswer: true, item: 1 },
    ]);
  });

  test("a refusal's line instead of frames is an error of the connection", () => {
    const line = encodeRefusal(new RpcError("unimplemented", "no such codec"));
    for (const chunkBytes of [1, Infinity]) {
      const dial = createCodec(binaryCodecType, contextOf("dial"));
      const recorder = new Recorder();
      readAll(dial, recorder, line, chunkBytes);
      expect(recorder.takeOne()).toMatchObject({
        kind: "error",
        seq: 0,
        code: "unimplemented",
      });
    }
  });
});

describe("before the settings", () => {
  function firstOf(bytes: Uint8Array, chunkBytes = Infinity): RpcError {
    const dial = createCodec(binaryCodecType, contextOf("dial"));
    const recorder = new Recorder();
    dial.push(bytes.slice(0, chunkBytes));
    for (let at = chunkBytes; !dial.read(recorder); at += chunkBytes) {
      dial.push(bytes.slice(at, at + chunkBytes));
    }
    const told = recorder.takeOne();
    expect(told).toMatchObject({ kind: "error", seq: 0 });
    return (told as { error: RpcError }).error;
  }

  test.each([1, 7, Infinity])(
    "a refusal in an error frame says that nothing ran, in chunks of %p",
    (chunkBytes) => {
      const out = new SendBuffer();
      const refusal = new RpcError("resource_exhausted", "full");
      ends.accept.writeError(out, 0, "", refusal);
      expect(firstOf(out.pending(), chunkBytes)).toMatchObject({
        code: "resource_exhausted",
        message: "full",
        sent: false,
      });
    },
  );

  test.each([
    ["a web server", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"],
    ["SSH", "SSH-2.0-OpenSSH_9.9\r\n"],
    ["a database", "\x4a\0\0\0\x0a8.0.40\0"],
    [
      "something with a frame's first byte",
      "\x01\xff\xff\xff\xff\xff\xff\xff12345678",
    ],
    ["another first byte", "\x04 and no more of an error's frame"],
    ["JSON that is no refusal", '{"jsonrpc":"2.0"}\n'],
    ["a line feed", "\n\n"],
  ])("%s is told from a geerpc server", (_name, text) => {
    for (const chunkBytes of [1, Infinity]) {
      expect(firstOf(Buffer.from(text, "latin1"), chunkBytes)).toMatchObject({
        code: "unavailable",
        sent: false,
      });
    }
  });

  test("what a stranger answered is quoted, escaped and cut", () => {
    const web = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n";
    expect(firstOf(Buffer.from(web)).message).toEndWith(
      'it answered "HTTP/1.1 400 Bad Request"',
    );
    const hostile = `\x1b[31m"\\\x9b${"x".repeat(500)}`;
    expect(firstOf(Buffer.from(hostile, "latin1")).message).toMatch(
      /it answered "\\x1b\[31m\\x22\\x5c\\x9bx{1,60}"$/,
    );
  });

  test.each<[string, number, number]>([
    ["a response", kinds.response, 1],
    ["a request", kinds.request, 1],
    ["a cancel", kinds.cancel, 1],
    ["a piece", kinds.piece, 1],
    ["one call's error", kinds.error, 1],
    ["a frame that could be skipped", ignorableBit | 1, 0],
  ])("%s does not come", (_name, kind, seq) => {
    const content = Buffer.alloc(20);
    expect(firstOf(frame({ kind, seq, content }))).toMatchObject({
      code: "unavailable",
      sent: false,
    });
  });
});

describe("errors", () => {
  test("carry code, message, details and whether the call was started", () => {
    const details = new Map([["why", 1n]]);
    const error = new RpcError("aborted", "é", { details, sent: false });
    const told = ends.error(error, 2 ** 53 - 1);
    expect(told).toMatchObject({ seq: 2 ** 53 - 1, code: "aborted" });
    expect(told.kind === "error" && told.error).toMatchObject({
      message: "é",
      details,
      sent: false,
    });
    expect(ends.error(new RpcError("aborted", ""))).toMatchObject({
      error: { message: "", details: undefined, sent: true },
    });
  });

  test("arrive without details that cannot be encoded, or are too large", () => {
    const large = "x".repeat(pieceBytes + 1);
    for (const details of [() => 1, large, { a: large }]) {
      const told = ends.error(new RpcError("aborted", "text", { details }));
      expect(told).toMatchObject({
        code: "aborted",
        error: { details: undefined },
      });
    }
  });

  test("arrive without details that cannot be decoded", () => {
    const content = Buffer.concat([uint32(1), Buffer.from("m{")]);
    ends.dialled(frame({ kind: kinds.error, encoding: 1, code: 5, content }));
    expect(ends.recorder.takeOne()).toMatchObject({
      code: "not_found",
      error: { message: "m", details: undefined },
    });
  });

  test("fit into a frame, whatever they hold", () => {
    const details = "€".repeat(21_000);
    const error = new RpcError("aborted", "€".repeat(1_000_000), { details });
    ends.accept.writeError(ends.out, 1, "", error);
    expect(ends.out.length).toBeLessThan(headerBytes + maxContentBytes);
    const told = ends.dialled(takeAll(ends.accept, ends.out)).takeOne();
    expect(told).toMatchObject({ code: "aborted", error: { details } });
  });

  test.each([0, 17, 255])("code %p is unknown", (code) => {
    ends.dialled(frame({ kind: kinds.error, code, content: uint32(0) }));
    expect(codeOf(ends.recorder.takeOne())).toBe("unknown");
  });
});

describe("method numbers", () => {
  const write = (head: Partial<RequestHead>, args: unknown = 1) => {
    ends.dial.writeRequest(ends.out, headOf(head), args);
    return takeAll(ends.dial, ends.out);
  };

  test("a name travels once, its number afterwards", () => {
    const first = write({ seq: 1, serviceMethod: "A.b" });
    const second = write({ seq: 2, serviceMethod: "A.b" });
    expect(Buffer.from(first).includes("A.b")).toBe(true);
    expect(Buffer.from(second).includes("A.b")).toBe(false);
    ends.accepted(first);
    ends.accepted(second);
    expect(ends.recorder.take()).toMatchObject([
      { head: { seq: 1, serviceMethod: "A.b" } },
      { head: { seq: 2, serviceMethod: "A.b" } },
    ]);
  });

  test("a request that cannot be written defines nothing", () => {
    const large = "x".repeat(5 << 20);
    for (const args of [() => 1, large, [large]]) {
      expect(
        codeThrownBy(() => write({ serviceMethod: "A.b" }, args)),
      ).toBeDefined();
      expect(ends.out.length).toBe(0);
    }
    ends.accepted(write({ serviceMethod: "A.c" }));
    ends.accepted(write({ serviceMethod: "A.b" }));
    ends.accepted(write({ serviceMethod: "A.b" }));
    expect(
      ends.recorder
        .take()
        .map((told) => told.kind === "request" && told.head.serviceMethod),
    ).toEqual(["A.c", "A.b", "A.b"]);
  });

  test("a name is defined although its request cannot be read", () => {
    const content = requestContent(1, name("Arith.sum"), Buffer.from("{"));
    ends.accepted(defining({ content }));
    ends.accepted(request({ content: requestContent(1, one) }));
    expect(ends.recorder.take()).toMatchObject([
      { kind: "badRequest", head: { serviceMethod: "Arith.sum" } },
      { kind: "request", head: { serviceMethod: "Arith.sum" } },
    ]);
  });

  test("a number keeps its name", () => {
    ends.accepted(defining());
    ends.accepted(defining());
    const content = requestContent(1, name("Other.one"), one);
    ends.accepted(request({ flags: flags.named, content }));
    ends.accepted(request({ content: requestContent(1, one) }));
    expect(ends.recorder.take()).toMatchObject([
      { kind: "request" },
      { kind: "request" },
      { kind: "badRequest", code: "invalid_argument" },
      { kind: "request", head: { serviceMethod: "Arith.sum" } },
    ]);
  });

  test("past the last number names travel each time", () => {
    const total = maxMethodNumbers + 3;
    for (const round of [1, 2]) {
      for (let at = 0; at < total; at++) {
        const bytes = write({
          seq: round * 10_000 + at,
          serviceMethod: `A.m${at}`,
        });
        const isNamed = ((bytes[1] as number) & flags.named) !== 0;
        expect(isNamed).toBe(round === 1 || at >= maxMethodNumbers);
        ends.accepted(bytes);
      }
      const told = ends.recorder.take();
      expect(told.length).toBe(total);
      told.forEach((message, at) => {
        expect(message).toMatchObject({
          kind: "request",
          head: { serviceMethod: `A.m${at}` },
        });
      });
    }
  });

  test("the longest name goes, a longer one does not", () => {
    const longest = "é".repeat(maxNameBytes / 2);
    ends.accepted(write({ serviceMethod: longest }));
    expect(ends.recorder.takeOne()).toMatchObject({
      head: { serviceMethod: longest },
    });
    expect(codeThrownBy(() => write({ serviceMethod: `${longest}a` }))).toBe(
      "invalid_argument",
    );
    expect(ends.out.length).toBe(0);
  });
});

describe("the body's encoding follows the value", () => {
  const write = (args: unknown, body?: string) => {
    ends.dial.writeRequest(ends.out, headOf(), args, body);
    return takeAll(ends.dial, ends.out);
  };

  test.each<[unknown, number]>([
    [undefined, 0],
    [null, 1],
    [{ a: [1, "b"] }, 1],
    [
      new (class {
        x = 1;
      })(),
      1,
    ],
    [NaN, 2],
    [-0, 2],
    [{ a: undefined }, 2],
    [new Date(0), 2],
    [1n, 2],
    [new Map(), 2],
    [[new Uint8Array(1)], 2],
    [new Uint16Array(1), 2],
    [new Uint8Array(3), 3],
    [Buffer.from("abc"), 3],
  ])("%p goes as %p", (value, encoding) => {
    const bytes = write(value);
    expect(encodingOf(bytes)).toBe(encoding);
    const told = ends.accepted(bytes).takeOne();
    const args = told.kind === "request" ? told.args : told;
    if (encoding === 3) {
      expect(args?.constructor).toBe(Uint8Array);
      expect(Buffer.from(args as Uint8Array)).toEqual(
        Buffer.from(value as Uint8Array),
      );
    } else expect(args).toEqual(value as never);
  });

  test('"json" is taken at its word', () => {
    const bytes = write({ at: new Date(0), gone: undefined, n: NaN }, "json");
    expect(encodingOf(bytes)).toBe(1);
    expect(ends.accepted(bytes).takeOne()).toMatchObject({
      args: { at: "1970-01-01T00:00:00.000Z", n: null },
    });
    for (const value of [() => 1, 1n, Symbol.iterator]) {
      expect(codeThrownBy(() => write(value, "json"))).toBe("invalid_argument");
      expect(ends.out.length).toBe(0);
    }
  });

  test("a name that was not agreed on is unimplemented", () => {
    expect(codeThrownBy(() => write(1, "nobody"))).toBe("unimplemented");
    expect(ends.out.length).toBe(0);
  });

  test("bytes that arrived are no view into the chunk", () => {
    const bytes = write(Uint8Array.of(1, 2, 3));
    ends.accept.push(bytes);
    ends.accept.read(ends.recorder);
    bytes.fill(9);
    expect(ends.recorder.takeOne()).toMatchObject({
      args: Uint8Array.of(1, 2, 3),
    });
  });
});

test("writing appends to what waits already", () => {
  const out = new SendBuffer();
  ends.dial.writeRequest(out, headOf({ seq: 1 }), new Map([["a", 1]]));
  ends.dial.writeRequest(out, headOf({ seq: 2 }), "x".repeat(30_000));
  ends.dial.writeCancel(out, 2);
  const recorder = new Recorder();
  readAll(ends.accept, recorder, out.pending().slice());
  expect(recorder.take()).toMatchObject([
    { head: { seq: 1 } },
    { head: { seq: 2 } },
    { kind: "cancel", seq: 2 },
  ]);
});
