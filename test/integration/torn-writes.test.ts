import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Codec } from "../../src/codec/codec.ts";
import { binaryCodecType, createCodec } from "../../src/codec/table.ts";
import { Server } from "../../src/server/server.ts";
import { parseAddress } from "../../src/transport/address.ts";
import { dialPipe } from "../../src/transport/dial.ts";
import { listenPipes } from "../../src/transport/listen.ts";
import { encodeOption, magicNumber } from "../../src/wire/option.ts";
import { SendBuffer } from "../../src/wire/send-buffer.ts";
import {
  contextOf,
  headOf,
  Recorder,
  type Told,
  takeAll,
} from "../codec/recorder.ts";
import { PipeEar } from "../support/pipe-ear.ts";
import { Streams } from "./streams.ts";
import { WatchedPipe } from "./watched-pipe.ts";

setDefaultTimeout(60_000);

/** What a dialling end says: a call, streams in each direction and in both, and what belongs to them. */
function session(): Uint8Array {
  const codec = createCodec(binaryCodecType, contextOf("dial"));
  const out = new SendBuffer();
  out.writeBytes(
    encodeOption({
      MagicNumber: magicNumber,
      CodecType: binaryCodecType,
      ConnectTimeout: 0,
      HandleTimeout: 0,
    }),
  );
  const { session } = codec as Required<Codec>;
  const request = (seq: number, method: string, args?: unknown) => {
    const metadata = new Map([["traceparent", "00-01-01-00"]]);
    const serviceMethod = `Streams.${method}`;
    const isStream = args === undefined;
    const head = headOf({ seq, serviceMethod, isStream, metadata });
    codec.writeRequest(out, head, args);
  };
  request(1, "same", { text: "ünïcode" });
  request(2, "total");
  session.writeItem(out, 2, false, 20);
  request(3, "echo");
  session.writeItem(out, 3, false, "first");
  session.writeItem(out, 2, false, 22);
  session.writeEnd(out, 2, false);
  request(4, "count", 3);
  session.writeCredit(out, 4, false, 4_096);
  session.writeCredit(out, 0, false, 4_096);
  session.writePing(out, 7);
  session.writeItem(out, 3, false, new Map([[1, 2n]]));
  session.writeEnd(out, 3, false);
  codec.writeCancel(out, 99);
  request(5, "failing", 2);
  request(6, "same", new Uint8Array(3).fill(9));
  return takeAll(codec, out);
}

/** What is answered, by seq; 0 is the connection. */
const answers: Record<number, unknown[]> = {
  0: ["settings", "pong 7"],
  1: [{ text: "ünïcode" }],
  2: [42],
  3: ["streamed", "first", new Map([[1, 2n]]), "end"],
  4: ["streamed", 1, 2, 3, "end"],
  5: ["streamed", 1, 2, "data_loss"],
  6: [new Uint8Array(3).fill(9)],
};
const answerCount = Object.values(answers).flat().length;

/** One message of an answer, as `answers` has it. */
function answerOf(told: Told): [seq: number, answer: unknown] {
  switch (told.kind) {
    case "settings":
      return [0, told.kind];
    case "pong":
      return [0, `pong ${told.number}`];
    case "response":
      return [told.seq, told.reply];
    case "streamed":
      return [told.seq, told.kind];
    case "item":
      return [told.seq, told.item];
    case "halfClose":
      return [told.seq, "end"];
    case "error":
      return [told.seq, told.code];
    default:
      return [-1, told];
  }
}

function bySeq(all: readonly Told[]): Record<number, unknown[]> {
  const found: Record<number, unknown[]> = {};
  for (const told of all) {
    const [seq, answer] = answerOf(told);
    (found[seq] ??= []).push(answer);
  }
  return found;
}

const server = new Server().register(new Streams());
/** Told how many bytes the connection that is there has given the server. */
let onRead: (totalBytes: number) => void;
const listener = await listenPipes(parseAddress("tcp@127.0.0.1:0"), (pipe) =>
  server.serve(
    new WatchedPipe(pipe, { onRead: (totalBytes) => onRead(totalBytes) }),
  ),
);
afterAll(async () => {
  listener.close();
  await server.close();
});

/** What comes back where the bytes are sent in those parts, each when the one before it was read. */
async function answersTo(parts: readonly Uint8Array[]): Promise<Told[]> {
  const ear = new PipeEar();
  const address = parseAddress(listener.address);
  const pipe = await dialPipe(address, { timeoutMs: 0 });
  pipe.attach(ear);
  let sentBytes = 0;
  for (const part of parts) {
    sentBytes += pipe.write(part);
    await new Promise<void>((resolve) => {
      onRead = (totalBytes) => {
        if (totalBytes === sentBytes) resolve();
      };
    });
  }
  const codec = createCodec(binaryCodecType, contextOf("dial"));
  const recorder = new Recorder();
  let read = 0;
  await ear.until(() => {
    for (const chunk of ear.chunks.slice(read)) {
      read++;
      codec.push(chunk);
      while (codec.read(recorder));
    }
    return recorder.told.length >= answerCount || ear.closes.length > 0;
  });
  pipe.shutdown();
  await ear.until(() => ear.closes.length > 0);
  return recorder.told;
}

test("a session in two writes, cut at any place, is answered as it is in one", async () => {
  const bytes = session();
  expect(bytes.length).toBeGreaterThan(200);
  expect(bySeq(await answersTo([bytes]))).toEqual(answers);
  for (let cut = 1; cut < bytes.length; cut++) {
    const parts = [bytes.subarray(0, cut), bytes.subarray(cut)];
    const found = bySeq(await answersTo(parts));
    if (!Bun.deepEquals(found, answers)) {
      throw new Error(`cut at ${cut}: ${Bun.inspect(found)}`);
    }
  }
});
