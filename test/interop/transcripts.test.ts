import { afterEach, describe, expect, test } from "bun:test";
import { Client, gob, memoryPipe, type Pipe, Server } from "../../src/index.ts";
import { RpcError } from "../../src/errors.ts";
import transcripts from "../codec/gob/transcripts.json";
import { decodeAll } from "../codec/gob/vectors.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import { PipeEar, writeAll } from "../support/pipe-ear.ts";

// Recorded sessions of the real original, with one end replaced by ours.

interface Header {
  ServiceMethod: string;
  Seq: number;
  Error?: string;
}

interface Message extends Required<Header> {
  body: unknown;
}

const connected = "HTTP/1.0 200 Connected to Gee RPC\n\n";

/** The methods of the recorded server. */
class Foo {
  static rpc = {
    methods: { Avg: { gob: { reply: gob.float64 } } },
  };

  constructor(readonly slow: Promise<void> | undefined) {}

  Sum({ Num1, Num2 }: { Num1: number; Num2: number }) {
    return Num1 + Num2;
  }
  async Sleep(args: { Num1: number; Num2: number }) {
    await this.slow;
    return this.Sum(args);
  }
  Fail() {
    throw new Error("boom: it failed");
  }
  Upper(text: string) {
    return `<${text}>`;
  }
  Birthday(person: { Age: number; Scores: number[] }) {
    person.Age++;
    person.Scores.push(person.Age);
    return person;
  }
  Count(n: number) {
    return Array.from({ length: n }, (_, i) => i * i);
  }
  Avg(all: number[]) {
    return all.reduce((sum, one) => sum + one, 0) / all.length;
  }
  Words(words: Map<string, number>) {
    return new Map([...words].map(([key, value]) => [`${key}!`, value * 2]));
  }
}

type Transcript = (typeof transcripts)[number];

function bytesFrom({ messages }: Transcript, from: string): Buffer[] {
  return messages
    .filter((message) => message.from === from)
    .map(({ hex }) => Buffer.from(hex, "hex"));
}

/** Messages of one direction, by seq, from what its gob part holds. */
function messagesOf(bytes: Uint8Array): Message[] {
  const values = decodeAll(new Uint8Array(bytes));
  const messages: Message[] = [];
  for (let at = 0; at < values.length; at += 2) {
    const { ServiceMethod, Seq, Error = "" } = values[at] as Header;
    messages.push({ ServiceMethod, Seq, Error, body: values[at + 1] });
  }
  return messages;
}

/** What a side sent, without CONNECT, its answer and the Option. */
function gobPart(transcript: Transcript, from: string): Buffer {
  return Buffer.concat(
    bytesFrom(transcript, from).filter(
      ([first]) => first !== 0x7b && first !== 0x43 && first !== 0x48,
    ),
  );
}

function pieces(bytes: Uint8Array, pieceBytes: number): Uint8Array[] {
  const all = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    all.push(bytes.subarray(at, at + pieceBytes));
  }
  return all;
}

/** The recorded ends' pipes, which would not answer an orderly close. */
const recordedEnds: Pipe[] = [];
afterEach(() => {
  for (const pipe of recordedEnds.splice(0)) pipe.abort();
});

describe.each(transcripts)("$name", (transcript) => {
  const recorded = messagesOf(gobPart(transcript, "server"));
  const isTimeout = transcript.name === "handle-timeout";

  for (const pieceBytes of [Infinity, 1]) {
    const how = `in pieces of ${pieceBytes}`;

    test(`our server gives the recorded client the same answers, ${how}`, async () => {
      const clock = new ManualClock();
      const server = new Server({ clock });
      const never = new Promise<void>(() => {});
      server.register(new Foo(isTimeout ? never : undefined), "Foo");
      const [near, far] = memoryPipe();
      recordedEnds.push(near);
      const ear = new PipeEar();
      near.attach(ear);
      server.serve(far);
      const sent = Buffer.concat(bytesFrom(transcript, "client"));
      for (const piece of pieces(sent, pieceBytes)) {
        await writeAll(near, ear, piece);
      }
      await settle();
      if (isTimeout) {
        expect(ear.byteCount).toBe(0);
        await clock.advance(49);
        expect(ear.byteCount).toBe(0);
        await clock.advance(1);
      }
      await settle();
      const isHttp = bytesFrom(transcript, "client")[0]?.[0] === 0x43;
      const head = isHttp ? connected : "";
      expect(ear.bytes.toString("latin1").slice(0, head.length)).toBe(head);
      const got = messagesOf(ear.bytes.subarray(head.length));
      expect(bySeq(got)).toEqual(bySeq(recorded));
      // Only Sleep answers later than it was asked.
      const order = (messages: Message[]) =>
        messages.filter((one) => !/Sleep/.test(one.ServiceMethod));
      expect(order(got)).toEqual(order(recorded));
      expect(ear.closes).toEqual([]);
    });

    test(`our client gets the recorded server's replies, ${how}`, async () => {
      const [near, far] = memoryPipe();
      recordedEnds.push(far);
      const ear = new PipeEar();
      far.attach(ear);
      const client = Client.over(near, { codec: "application/gob" });
      const requests = messagesOf(gobPart(transcript, "client"));
      const calls = requests.map(({ ServiceMethod, body }) =>
        client.go(ServiceMethod, body, { timeoutMs: 0 }),
      );
      await settle();
      const answers = gobPart(transcript, "server");
      for (const piece of pieces(answers, pieceBytes)) {
        await writeAll(far, ear, piece);
      }
      for (const [at, call] of calls.entries()) {
        const { serviceMethod, reply, error } = await call.done;
        const answer = recorded.find(({ Seq }) => Seq === at + 1);
        expect(serviceMethod).toBe(answer?.ServiceMethod as string);
        if (answer?.Error === "") expect(reply).toEqual(answer.body);
        else expect(error).toEqual(errorOf(answer?.Error ?? ""));
      }
      const [option, ...rest] = [
        ear.bytes.subarray(0, 512),
        ear.bytes.subarray(512),
      ] as const;
      // Exactly what the original's first read takes, and no LF.
      expect(JSON.parse(option.toString())).toMatchObject({
        MagicNumber: 0x3bef5c,
        CodecType: "application/gob",
      });
      expect(option.at(-1)).toBe(0x7d);
      const sent = messagesOf(Buffer.concat(rest));
      expect(
        sent.map(({ Seq, ServiceMethod }) => [Seq, ServiceMethod]),
      ).toEqual(requests.map(({ Seq, ServiceMethod }) => [Seq, ServiceMethod]));
    });
  }
});

function bySeq(messages: Message[]): Message[] {
  return messages.toSorted((a, b) => a.Seq - b.Seq);
}

function errorOf(text: string): RpcError {
  if (/can't find/.test(text)) return new RpcError("unimplemented", text);
  if (/timeout/.test(text)) return new RpcError("deadline_exceeded", text);
  return new RpcError("unknown", text);
}
