import { beforeEach, describe, expect, test } from "bun:test";
import type { CodecFactory } from "../../src/codec/codec.ts";
import { gob } from "../../src/codec/gob/gob.ts";
import { GobEncoder } from "../../src/codec/gob/gob-encoder.ts";
import { createCodec } from "../../src/codec/table.ts";
import { jsonRpcById } from "../codec/jsonrpc/by-id.ts";
import { codes, RpcError } from "../../src/errors.ts";
import type { Limits } from "../../src/wire/limits.ts";
import { SendBuffer } from "../../src/wire/send-buffer.ts";
import { codeThrownBy } from "../codec/code-thrown-by.ts";
import {
  contextOf,
  greet,
  headOf,
  readAll,
  Recorder,
  takeAll,
  type Told,
} from "../codec/recorder.ts";

interface CodecUnderTest {
  name: string;
  create: CodecFactory;
  /** Bytes of a request whose argument cannot be decoded, as the dialling end's first message. */
  badArgs(seq: number): Uint8Array;
  /** The same of a response to `seq`. */
  badReply(seq: number): Uint8Array;
  /** Bytes that no peer of this codec sends. */
  brokenFraming: readonly Uint8Array[];
}

/** What every codec does, whatever its bytes. */
function describeCodec(codec: CodecUnderTest): void {
  const { create, badArgs, badReply, brokenFraming } = codec;
  const pairOf = (limits: Partial<Limits> = {}) => {
    const dial = create(contextOf("dial", limits));
    const accept = create(contextOf("accept", limits));
    greet(dial, accept);
    return { dial, accept };
  };

  describe(codec.name, () => {
    let dial: ReturnType<CodecFactory>;
    let accept: ReturnType<CodecFactory>;
    let out: SendBuffer;
    let recorder: Recorder;
    beforeEach(() => {
      ({ dial, accept } = pairOf());
      out = new SendBuffer();
      recorder = new Recorder();
    });

    const sendRequest = (seq: number, args: unknown, name = "Arith.sum") => {
      dial.writeRequest(out, headOf({ seq, serviceMethod: name }), args);
      readAll(accept, recorder, takeAll(dial, out));
      return recorder.takeOne();
    };
    const sendResponse = (seq: number, reply: unknown) => {
      accept.writeResponse(out, seq, "Arith.sum", reply);
      readAll(dial, recorder, takeAll(accept, out));
      return recorder.takeOne();
    };
    const sendError = (seq: number, error: RpcError) => {
      accept.writeError(out, seq, "Arith.sum", error);
      readAll(dial, recorder, takeAll(accept, out));
      return recorder.takeOne();
    };

    test("a request arrives with its name and argument, again and again", () => {
      for (let seq = 1; seq <= 3; seq++) {
        expect(sendRequest(seq, { a: seq, list: ["x"] })).toMatchObject({
          kind: "request",
          head: { seq, serviceMethod: "Arith.sum", oneWay: false },
          args: { a: seq, list: ["x"] },
        });
      }
    });

    test("names are told apart, whatever they hold", () => {
      const names = ["A.b", "A.c", "é.€😀", 'a "b"\\.{c}', "__proto__.x"];
      for (const name of [...names, ...names]) {
        expect(sendRequest(1, 1, name)).toMatchObject({
          head: { serviceMethod: name },
        });
      }
    });

    test("responses arrive in any order", () => {
      for (const seq of [3, 1, 2]) {
        expect(sendResponse(seq, { n: seq })).toEqual({
          kind: "response",
          seq,
          reply: { n: seq },
        });
      }
    });

    test.each([2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1])(
      "seq %p comes through",
      (seq) => {
        expect(sendRequest(seq, 1)).toMatchObject({ head: { seq } });
        expect(sendResponse(seq, 1)).toMatchObject({ seq });
        const error = new RpcError("aborted", "no");
        expect(sendError(seq, error)).toMatchObject({ seq });
      },
    );

    test.each([...codes])("an error keeps its code %p and message", (code) => {
      const told = sendError(5, new RpcError(code, "é\n%s"));
      expect(told).toMatchObject({ kind: "error", seq: 5, code });
      expect(told.kind === "error" && told.error.message).toBe("é\n%s");
    });

    test("an error without a message, and one with a very long one, arrive", () => {
      for (const text of ["", "€".repeat(5 << 20)]) {
        const told = sendError(5, new RpcError("data_loss", text));
        expect(told).toMatchObject({ kind: "error", code: "data_loss" });
      }
      expect(sendResponse(6, 1)).toMatchObject({ seq: 6, reply: 1 });
    });

    test("an error with seq 0 concerns the connection", () => {
      const told = sendError(0, new RpcError("invalid_argument", "no"));
      expect(told).toMatchObject({ seq: 0, code: "invalid_argument" });
    });

    test("an argument that cannot be decoded fails that call alone", () => {
      readAll(accept, recorder, badArgs(7));
      expect(recorder.takeOne()).toMatchObject({
        kind: "badRequest",
        head: { seq: 7, serviceMethod: "Arith.sum" },
        code: "invalid_argument",
      });
      expect(sendRequest(8, "next", "In.step")).toMatchObject({
        head: { seq: 8, serviceMethod: "In.step" },
        args: "next",
      });
    });

    test("a reply that cannot be decoded fails that call alone", () => {
      readAll(dial, recorder, badReply(7));
      expect(recorder.takeOne()).toMatchObject({
        kind: "error",
        seq: 7,
        code: "internal",
      });
      expect(sendResponse(8, "next")).toMatchObject({ seq: 8, reply: "next" });
    });

    test("what cannot be encoded leaves out as it was and the codec usable", () => {
      const cycle: unknown[] = [];
      cycle.push(cycle);
      out.writeText("before");
      for (const value of [() => 1, [Symbol.iterator], { cycle }]) {
        const writes = [
          () => dial.writeRequest(out, headOf(), value),
          () => accept.writeResponse(out, 1, "Arith.sum", value),
        ];
        for (const write of writes) {
          expect(codeThrownBy(write)).toBe("invalid_argument");
          expect(Buffer.from(out.pending()).toString()).toBe("before");
        }
      }
      out.clear();
      expect(sendRequest(1, 1)).toMatchObject({ head: { seq: 1 }, args: 1 });
      expect(sendRequest(2, 2)).toMatchObject({ head: { seq: 2 }, args: 2 });
      expect(sendResponse(1, 3)).toMatchObject({ reply: 3 });
    });

    test("what a getter throws is invalid_argument", () => {
      const failing = {
        get a() {
          throw new TypeError("no");
        },
      };
      const write = () => dial.writeRequest(out, headOf(), failing);
      expect(codeThrownBy(write)).toBe("invalid_argument");
      expect(out.length).toBe(0);
    });

    test("a message over the limit is not sent, whatever its characters", () => {
      for (const maxMessageBytes of [1000, 100_000]) {
        const small = pairOf({ maxMessageBytes });
        for (const unit of ["x", "é", "€"]) {
          const bytes = Buffer.byteLength(unit);
          const tooLong = unit.repeat(Math.ceil(maxMessageBytes / bytes) + 1);
          const write = () => small.dial.writeRequest(out, headOf(), tooLong);
          expect(codeThrownBy(write)).toBe("resource_exhausted");
          expect(out.length).toBe(0);
          const fitting = unit.repeat(Math.floor(maxMessageBytes / bytes) - 20);
          small.dial.writeRequest(out, headOf(), fitting);
          readAll(small.accept, recorder, takeAll(small.dial, out));
          expect(recorder.takeOne()).toMatchObject({ args: fitting });
        }
      }
    });

    test("a message over the receiver's limit is not taken", () => {
      const small = pairOf({ maxMessageBytes: 1000 });
      dial.writeRequest(out, headOf(), "x".repeat(2000));
      const code = codeThrownBy(() =>
        readAll(small.accept, recorder, takeAll(dial, out)),
      );
      const [told] = recorder.take();
      expect(told?.kind).not.toBe("request");
      expect(code ?? (told?.kind === "badRequest" && told.code)).toBe(
        "resource_exhausted",
      );
    });

    test("a session comes through cut at every offset, and byte by byte", () => {
      dial.writeRequest(out, headOf({ seq: 1 }), { text: "é€😀" });
      dial.writeRequest(out, headOf({ seq: 2 }), [1, 2.5]);
      const bytes = Buffer.from(takeAll(dial, out));
      const whole = new Recorder();
      readAll(accept, whole, bytes);
      expect(whole.told.length).toBe(2);
      const readIn = (...chunks: Uint8Array[]): Told[] => {
        const fresh = create(contextOf("accept"));
        const found = new Recorder();
        for (const chunk of chunks) readAll(fresh, found, chunk);
        return found.told;
      };
      for (let cut = 0; cut <= bytes.length; cut++) {
        const told = readIn(bytes.subarray(0, cut), bytes.subarray(cut));
        expect(told).toEqual(whole.told);
      }
      const single = [...bytes].map((byte) => Uint8Array.of(byte));
      expect(readIn(...single)).toEqual(whole.told);
    });

    test("answers come through cut at every offset", () => {
      accept.writeResponse(out, 1, "Arith.sum", { text: "é€😀" });
      accept.writeError(out, 2, "Arith.sum", new RpcError("aborted", "no"));
      accept.writeResponse(out, 3, "Arith.sum", "last");
      const bytes = takeAll(accept, out);
      for (let cut = 0; cut <= bytes.length; cut++) {
        const { dial: fresh } = pairOf();
        const found = new Recorder();
        readAll(fresh, found, bytes.subarray(0, cut));
        readAll(fresh, found, bytes.subarray(cut));
        expect(found.told).toMatchObject([
          { seq: 1, reply: { text: "é€😀" } },
          { seq: 2, code: "aborted" },
          { seq: 3, reply: "last" },
        ]);
      }
    });

    test("values do not depend on a chunk that is used again", () => {
      dial.writeRequest(out, headOf(), { text: "kept" });
      const chunk = takeAll(dial, out);
      accept.push(chunk);
      while (accept.read(recorder));
      chunk.fill(0xff);
      expect(recorder.takeOne()).toMatchObject({ args: { text: "kept" } });
    });

    test("broken framing throws, and nothing is told of it", () => {
      for (const bytes of brokenFraming) {
        for (const chunkBytes of [1, Infinity]) {
          const fresh = create(contextOf("accept"));
          const code = codeThrownBy(() =>
            readAll(fresh, recorder, bytes, chunkBytes),
          );
          expect(code).toBeDefined();
          expect(recorder.take()).toEqual([]);
        }
      }
    });

    test("values that JSON carries arrive as they left", () => {
      const values = [
        0,
        1e300,
        "",
        [],
        {},
        [[[]]],
        { a: { b: [true, false] } },
      ];
      for (const value of values) {
        expect(sendRequest(1, value)).toMatchObject({ args: value });
        expect(sendResponse(1, value)).toMatchObject({ reply: value });
      }
    });

    test("what a codec has not is unimplemented", () => {
      const { features } = dial;
      const codeOf = (has: boolean) => (has ? undefined : "unimplemented");
      const settings = { protocol: 1, maxMessageBytes: 1 };
      const write = {
        settings: () => accept.writeSettings(out, settings),
        cancel: () => dial.writeCancel(out, 1),
        oneWay: () => dial.writeRequest(out, headOf({ oneWay: true }), 1),
      };
      for (const name of ["settings", "cancel", "oneWay"] as const) {
        expect(codeThrownBy(write[name])).toBe(codeOf(features[name]));
        expect(out.length > 0).toBe(features[name]);
        out.clear();
      }
    });

    test("metadata and streams are sent, or are unimplemented", () => {
      const has = dial.session !== undefined;
      const metadata = new Map([["user", "é"]]);
      for (const head of [headOf({ metadata }), headOf({ isStream: true })]) {
        const write = () => dial.writeRequest(out, head, undefined);
        expect(codeThrownBy(write)).toBe(has ? undefined : "unimplemented");
        expect(out.length > 0).toBe(has);
        readAll(accept, recorder, takeAll(dial, out));
        if (has) expect(recorder.takeOne()).toMatchObject({ head });
        expect(recorder.take()).toEqual([]);
      }
      // What was refused has left nothing behind.
      expect(sendRequest(1, { a: 1 })).toMatchObject({ args: { a: 1 } });
    });

    test("an answer's metadata arrives, or is dropped", () => {
      const metadata = new Map([["user", "é"]]);
      const error = new RpcError("aborted", "no");
      accept.writeResponse(out, 1, "Arith.sum", 7, metadata);
      accept.writeError(out, 2, "Arith.sum", error, metadata);
      readAll(dial, recorder, takeAll(accept, out));
      const has = dial.session === undefined ? {} : { metadata };
      expect(recorder.take()).toEqual([
        { kind: "response", seq: 1, reply: 7, ...has },
        {
          kind: "error",
          seq: 2,
          code: "aborted",
          error: expect.any(RpcError),
          ...has,
        },
      ]);
    });

    test("a time that is for the beginning is no reason to refuse", () => {
      const head = headOf({ untilReply: true });
      dial.writeRequest(out, head, 1);
      readAll(accept, recorder, takeAll(dial, out));
      expect(recorder.takeOne()).toMatchObject({ kind: "request", args: 1 });
    });

    test("a session's messages arrive, where it has them, at either end", () => {
      for (const [from, to] of [
        [dial, accept],
        [accept, dial],
      ] as const) {
        const { session } = from;
        if (session === undefined) return;
        const goingAway = new RpcError("unavailable", "no");
        session.writeStreamed(out, 1);
        session.writeItem(out, 1, true, { a: 1 });
        session.writeItem(out, 2, false, "x".repeat(100_000));
        readAll(to, recorder, takeAll(from, out));
        session.writeEnd(out, 1, true);
        session.writeCredit(out, 2, true, 64);
        session.writeGoaway(out, 3, goingAway);
        session.writePing(out, 4);
        session.writePong(out, 5);
        readAll(to, recorder, takeAll(from, out));
        expect(recorder.take()).toMatchObject([
          { kind: "streamed", seq: 1 },
          { kind: "item", seq: 1, isAnswer: true, item: { a: 1 } },
          { kind: "item", seq: 2, isAnswer: false, chargedBytes: 100_002 },
          { kind: "halfClose", seq: 1, isAnswer: true },
          { kind: "credit", seq: 2, isAnswer: true, bytes: 64 },
          { kind: "goaway", lastSeq: 3, code: "unavailable" },
          { kind: "ping", number: 4 },
          { kind: "pong", number: 5 },
        ]);
      }
    });

    test("what it has arrives", () => {
      const { features } = dial;
      if (features.settings) {
        const settings = { protocol: 1, maxMessageBytes: 1000 };
        accept.writeSettings(out, settings);
        // They come once.
        const newcomer = create(contextOf("dial"));
        readAll(newcomer, recorder, takeAll(accept, out));
        expect(recorder.takeOne()).toEqual({ kind: "settings", settings });
      }
      if (features.cancel) {
        dial.writeCancel(out, 2 ** 40);
        readAll(accept, recorder, takeAll(dial, out));
        expect(recorder.takeOne()).toEqual({ kind: "cancel", seq: 2 ** 40 });
      }
      if (features.oneWay) {
        const head = headOf({ oneWay: true });
        dial.writeRequest(out, head, 1);
        readAll(accept, recorder, takeAll(dial, out));
        expect(recorder.takeOne()).toMatchObject({ head: { oneWay: true } });
      }
    });
  });
}

function frame(kind: number, seq: number, content: string): Uint8Array {
  const bytes = Buffer.from(`\0\0\x01\0\0\0\0\0${"\0".repeat(8)}${content}`);
  bytes[0] = kind;
  if (kind === 2) bytes[1] = 1;
  bytes.writeUInt32LE(content.length, 4);
  bytes.writeUInt32LE(seq, 8);
  return bytes;
}

/** With number 0, so that it defines none. */
const requestHead = `${"\0".repeat(10)}\x09\0Arith.sum`;
const hugeFrame = frame(2, 1, requestHead);
hugeFrame.fill(0xff, 4, 8);

describeCodec({
  name: "application/x-geerpc",
  create: (context) => createCodec("application/x-geerpc", context),
  badArgs: (seq) => frame(2, seq, `${requestHead}{`),
  badReply: (seq) => frame(3, seq, "{"),
  brokenFraming: [
    frame(10, 1, ""),
    frame(2, 1, "short"),
    frame(2, 0, `${requestHead}1`),
    hugeFrame,
  ],
});

const jsonHeader = (seq: number) =>
  `{"ServiceMethod":"Arith.sum","Seq":${seq},"Error":""}\n`;

describeCodec({
  name: "application/json",
  create: (context) => createCodec("application/json", context),
  badArgs: (seq) => Buffer.from(`${jsonHeader(seq)}{\n`),
  badReply: (seq) => Buffer.from(`${jsonHeader(seq)}{\n`),
  brokenFraming: [
    "{\n",
    "null\n",
    "[]\n",
    "7\n",
    "{}\n",
    `{"ServiceMethod":7,"Seq":1}\n`,
    `{"ServiceMethod":"A.b","Seq":-1}\n`,
    `{"ServiceMethod":"A.b","Seq":1.5}\n`,
    `{"ServiceMethod":"A.b","Seq":"1"}\n`,
    `{"ServiceMethod":"A.b","Seq":9007199254740992}\n`,
    `{"ServiceMethod":"A.b","Seq":1,"Error":null}\n`,
    `${jsonHeader(0)}1\n`,
    "x".repeat(5 << 20),
  ].map((text) => Buffer.from(text)),
});

describeCodec({
  name: "jsonrpc",
  create: jsonRpcById,
  badArgs: (seq) =>
    Buffer.from(`{"method":"Arith.sum","params":[1,2],"id":${seq}}`),
  badReply: (seq) =>
    Buffer.from(`{"id":${seq},"result":${"[".repeat(65)}${"]".repeat(65)}}`),
  brokenFraming: [
    "7",
    "}",
    `"text"`,
    "{a}",
    "[1,]",
    `{"method":"A.b","params":[1],"id":1]`,
    `{"a":"${"x".repeat(5 << 20)}`,
    "[".repeat(5 << 20),
  ].map((text) => Buffer.from(text)),
});

/** A header in a stream of types of its own, and a body: an int of ten bytes. */
function gobMessage(seq: number, firstId: number): Uint8Array {
  const out = new SendBuffer();
  const fields = { ServiceMethod: gob.string, Seq: gob.uint };
  new GobEncoder({ firstId: firstId + 1000 * seq }).encode(
    out,
    { ServiceMethod: "Arith.sum", Seq: seq },
    gob.struct(fields),
  );
  return Buffer.concat([out.pending(), Buffer.from("040400f601", "hex")]);
}

// gorpc is the same stream, in which a code cannot travel.
describeCodec({
  name: "application/gob",
  create: (context) =>
    createCodec("application/gob", { ...context, isGeerpcPeer: true }),
  badArgs: (seq) => gobMessage(seq, 5_000),
  badReply: (seq) => gobMessage(seq, 5_000),
  brokenFraming: [
    "040400f601", // a header that cannot be read
    "03040002", // a header that is an int
    "03ff0000", // an undefined type
    "fb7fffffffff00", // a message of 549 GB
  ].map((hex) => Buffer.from(hex, "hex")),
});
