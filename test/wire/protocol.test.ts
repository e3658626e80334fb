import { expect, test } from "bun:test";
import { resolve } from "node:path";
import type { Codec, SessionMessages } from "../../src/codec/codec.ts";
import { RpcError } from "../../src/errors.ts";
import {
  encodeOption,
  magicNumber,
  OptionScanner,
  parseOption,
} from "../../src/wire/option.ts";
import { SendBuffer } from "../../src/wire/send-buffer.ts";
import {
  binaryCodecType,
  contextOf,
  headOf,
  readAll,
  Recorder,
  type Told,
} from "../codec/recorder.ts";
import { createCodec } from "../../src/codec/table.ts";

const page = await Bun.file(
  resolve(import.meta.dir, "../../src/wire/PROTOCOL.md"),
).text();

interface Block {
  sender: "dial" | "accept";
  bytes: Uint8Array;
}

/** The hex blocks of "Golden bytes", in order. */
function goldenBlocks(): Block[] {
  const golden = page.slice(page.indexOf("## Golden bytes"));
  const found = golden.matchAll(/```hex (dial|accept)\n([^`]*)```/g);
  return [...found].map(([, sender, text = ""]) => ({
    sender: sender as Block["sender"],
    bytes: Buffer.from(text.replace(/;.*$|\s/gm, ""), "hex"),
  }));
}

const option = {
  MagicNumber: magicNumber,
  CodecType: binaryCodecType,
  ConnectTimeout: 0,
  HandleTimeout: 0,
};
const settings = { protocol: 1, maxMessageBytes: 4_194_304 };
const sum = headOf({ seq: 1, timeoutMs: 5_000, sentAtMs: 12 });
const byNumber = headOf({ seq: 2, sentAtMs: 13 });
const oneWay = headOf({ seq: 3, serviceMethod: "Log.flush", oneWay: true });
const withMetadata = headOf({
  seq: 4,
  timeoutMs: 5_000,
  sentAtMs: 20,
  untilReply: true,
  metadata: new Map<string, string | Uint8Array>([
    ["user", "é"],
    ["id-bin", Uint8Array.of(0, 255)],
  ]),
});
const tail = headOf({
  seq: 5,
  serviceMethod: "Feed.tail",
  timeoutMs: 5_000,
  sentAtMs: 21,
  untilReply: true,
});
const push = headOf({
  seq: 6,
  serviceMethod: "Feed.push",
  sentAtMs: 22,
  isStream: true,
});
const tailAgain = headOf({ seq: 7, serviceMethod: "Feed.tail", sentAtMs: 23 });
const longSeq = headOf({ seq: 2 ** 32 + 4, serviceMethod: "Log.flush" });
const mapArgs = new Map<string, unknown>([
  ["at", new Date(0)],
  ["n", -5n],
]);
const notFound = new RpcError("not_found", "no user 7", { details: { id: 7 } });
const count = new Map([["count", "2"]]);
const stopping = new RpcError("unavailable", "the server is shutting down");

/** One block: what makes its bytes, and what they tell. */
interface Exchange {
  /** Missing where no sender writes it so, and a receiver takes it. */
  write?(codec: Codec, out: SendBuffer, session: SessionMessages): void;
  told: Partial<Told>[];
}

/** The golden session behind its Option, in the order of the blocks. */
const exchanges: Exchange[] = [
  {
    write: (codec, out) => codec.writeSettings(out, settings),
    told: [{ kind: "settings", settings }],
  },
  {
    write: (codec, out) => codec.writeRequest(out, sum, { a: 1, b: 2 }),
    told: [{ kind: "request", head: sum, args: { a: 1, b: 2 } }],
  },
  {
    write: (codec, out) => codec.writeResponse(out, 1, "", 3),
    told: [{ kind: "response", seq: 1, reply: 3 }],
  },
  {
    write: (codec, out) => codec.writeRequest(out, byNumber, mapArgs),
    told: [{ kind: "request", head: byNumber, args: mapArgs }],
  },
  {
    write: (codec, out) => codec.writeError(out, 2, "", notFound),
    told: [{ kind: "error", seq: 2, code: "not_found" }],
  },
  {
    write: (codec, out) => codec.writeRequest(out, oneWay, undefined),
    told: [{ kind: "request", head: oneWay, args: undefined }],
  },
  {
    write: (codec, out) =>
      codec.writeRequest(out, withMetadata, { a: 1, b: 2 }),
    told: [{ kind: "request", head: withMetadata, args: { a: 1, b: 2 } }],
  },
  {
    write: (codec, out) => codec.writeRequest(out, tail, undefined),
    told: [{ kind: "request", head: tail, args: undefined }],
  },
  {
    write: (_, out, session) => session.writeStreamed(out, 5),
    told: [{ kind: "streamed", seq: 5 }],
  },
  {
    write: (_, out, session) => session.writeItem(out, 5, true, "a"),
    told: [answerItem(5, "a")],
  },
  {
    write: (_, out, session) => session.writeItem(out, 5, true, new Date(0)),
    told: [answerItem(5, new Date(0))],
  },
  {
    write: (_, out, session) => session.writeEnd(out, 5, true, count),
    told: [{ kind: "halfClose", seq: 5, isAnswer: true, metadata: count }],
  },
  {
    write: (codec, out) => codec.writeRequest(out, push, undefined),
    told: [{ kind: "request", head: push, args: undefined }],
  },
  {
    write: (_, out, session) => session.writeItem(out, 6, false, 1),
    told: [
      { kind: "item", seq: 6, isAnswer: false, item: 1, chargedBytes: 64 },
    ],
  },
  {
    write: (_, out, session) => session.writeCredit(out, 6, true, 524_288),
    told: [{ kind: "credit", seq: 6, isAnswer: true, bytes: 524_288 }],
  },
  {
    write: (_, out, session) => session.writeCredit(out, 0, false, 2_097_152),
    told: [{ kind: "credit", seq: 0, bytes: 2_097_152 }],
  },
  {
    write: (_, out, session) => session.writeEnd(out, 6, false),
    told: [{ kind: "halfClose", seq: 6, isAnswer: false }],
  },
  {
    write: (codec, out) => codec.writeResponse(out, 6, "", 1),
    told: [{ kind: "response", seq: 6, reply: 1 }],
  },
  {
    write: (codec, out) => codec.writeRequest(out, tailAgain, undefined),
    told: [{ kind: "request", head: tailAgain, args: undefined }],
  },
  {
    write: (_, out, session) => {
      session.writeStreamed(out, 7);
      session.writeItem(out, 7, true, "a");
    },
    told: [{ kind: "streamed", seq: 7 }, answerItem(7, "a")],
  },
  {
    write: (codec, out) => codec.writeCancel(out, 7),
    told: [{ kind: "cancel", seq: 7 }],
  },
  {
    write: (_, out, session) => session.writePing(out, 9),
    told: [{ kind: "ping", number: 9 }],
  },
  {
    write: (_, out, session) => session.writePong(out, 9),
    told: [{ kind: "pong", number: 9 }],
  },
  {
    write: (codec, out) =>
      codec.writeRequest(out, longSeq, Uint8Array.of(1, 2, 255)),
    told: [{ kind: "request", head: longSeq, args: Uint8Array.of(1, 2, 255) }],
  },
  {
    write: (codec, out) => codec.writeCancel(out, longSeq.seq),
    told: [{ kind: "cancel", seq: longSeq.seq }],
  },
  { told: [{ kind: "response", seq: longSeq.seq, reply: "hello" }] },
  {
    write: (_, out, session) => session.writeGoaway(out, longSeq.seq, stopping),
    told: [{ kind: "goaway", lastSeq: longSeq.seq, code: "unavailable" }],
  },
];

/** An item that is smaller than the least that one is charged. */
function answerItem(seq: number, item: unknown): Partial<Told> {
  return { kind: "item", seq, isAnswer: true, item, chargedBytes: 64 };
}

test("the Option's bytes", () => {
  const [block] = goldenBlocks();
  expect(block?.sender).toBe("dial");
  expect(Buffer.from(encodeOption(option))).toEqual(
    Buffer.from(block?.bytes as Uint8Array),
  );
  const found = new OptionScanner(4096).push(block?.bytes as Uint8Array);
  expect(found?.rest).toEqual(Uint8Array.of(10));
  expect(parseOption(found?.text ?? "")).toEqual({ option, error: undefined });
});

test("encoding gives the golden bytes", () => {
  const codecs = {
    dial: createCodec(binaryCodecType, contextOf("dial")),
    accept: createCodec(binaryCodecType, contextOf("accept")),
  };
  const blocks = goldenBlocks().slice(1);
  expect(blocks.length).toBe(exchanges.length);
  exchanges.forEach(({ write }, at) => {
    if (write === undefined) return;
    const { sender, bytes } = blocks[at] as Block;
    const codec = codecs[sender];
    const out = new SendBuffer();
    write(codec, out, codec.session as SessionMessages);
    expect(Buffer.from(out.pending()).toString("hex")).toBe(
      Buffer.from(bytes).toString("hex"),
    );
  });
});

test.each([1, 3, 16, Infinity])(
  "the golden bytes in chunks of %p give the messages",
  (chunkBytes) => {
    const receivers = {
      dial: createCodec(binaryCodecType, contextOf("accept")),
      accept: createCodec(binaryCodecType, contextOf("dial")),
    };
    const recorder = new Recorder();
    for (const { sender, bytes } of goldenBlocks().slice(1)) {
      readAll(receivers[sender], recorder, bytes, chunkBytes);
    }
    const expected = exchanges.flatMap(({ told }) => told);
    expect(recorder.told.length).toBe(expected.length);
    expected.forEach((told, at) => {
      expect(recorder.told[at] as object).toMatchObject(told);
    });
    const error = recorder.told.find(({ kind }) => kind === "error");
    expect(error?.kind === "error" && error.error.details).toEqual({ id: 7 });
    const goaway = recorder.told.find(({ kind }) => kind === "goaway");
    expect(goaway?.kind === "goaway" && goaway.error.message).toBe(
      stopping.message,
    );
  },
);
