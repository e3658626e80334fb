import { expect, test } from "bun:test";
import { resolve } from "node:path";
import type { Codec } from "../../src/codec/codec.ts";
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
const first = headOf({ seq: 1, timeoutMs: 5_000, sentAtMs: 12 });
const second = headOf({ seq: 2, sentAtMs: 13 });
const third = headOf({ seq: 3, serviceMethod: "Log.flush", oneWay: true });
const fourth = headOf({ seq: 2 ** 32 + 4, serviceMethod: "Log.flush" });
const mapArgs = new Map<string, unknown>([
  ["at", new Date(0)],
  ["n", -5n],
]);
const notFound = new RpcError("not_found", "no user 7", { details: { id: 7 } });

interface Message {
  write(codec: Codec, out: SendBuffer): void;
  told: Partial<Told>;
}

/** The messages of the golden session behind its Option, in the order of the blocks. */
const messages: Message[] = [
  {
    write: (codec, out) => codec.writeSettings(out, settings),
    told: { kind: "settings", settings },
  },
  {
    write: (codec, out) => codec.writeRequest(out, first, { a: 1, b: 2 }),
    told: { kind: "request", head: first, args: { a: 1, b: 2 } },
  },
  {
    write: (codec, out) => codec.writeResponse(out, 1, "", 3),
    told: { kind: "response", seq: 1, reply: 3 },
  },
  {
    write: (codec, out) => codec.writeRequest(out, second, mapArgs),
    told: { kind: "request", head: second, args: mapArgs },
  },
  {
    write: (codec, out) => codec.writeError(out, 2, "", notFound),
    told: { kind: "error", seq: 2, code: "not_found" },
  },
  {
    write: (codec, out) => codec.writeRequest(out, third, undefined),
    told: { kind: "request", head: third, args: undefined },
  },
  {
    write: (codec, out) =>
      codec.writeRequest(out, fourth, Uint8Array.of(1, 2, 255)),
    told: { kind: "request", head: fourth, args: Uint8Array.of(1, 2, 255) },
  },
  {
    write: (codec, out) => codec.writeCancel(out, fourth.seq),
    told: { kind: "cancel", seq: fourth.seq },
  },
];

/** Read only: no sender cuts so small a body, but a receiver takes it. */
const inPieces: Partial<Told>[] = [
  { kind: "response", seq: fourth.seq, reply: "hello" },
];

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
  const blocks = goldenBlocks().slice(1, 1 + messages.length);
  expect(blocks.length).toBe(messages.length);
  messages.forEach(({ write }, at) => {
    const { sender, bytes } = blocks[at] as Block;
    const out = new SendBuffer();
    write(codecs[sender], out);
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
    const expected = [...messages.map(({ told }) => told), ...inPieces];
    expect(recorder.told.length).toBe(expected.length);
    expected.forEach((told, at) => {
      expect(recorder.told[at] as object).toMatchObject(told);
    });
    const error = recorder.told.find(({ kind }) => kind === "error");
    expect(error?.kind === "error" && error.error.details).toEqual({ id: 7 });
  },
);
