import { describe, expect, test } from "bun:test";
import { GobDecoder } from "../../../src/codec/gob/gob-decoder.ts";
import { GobEncoder } from "../../../src/codec/gob/gob-encoder.ts";
import { SendBuffer } from "../../../src/wire/send-buffer.ts";
import transcripts from "./transcripts.json";
import { decodeAll } from "./vectors.ts";

type Header = { ServiceMethod: string; Seq: number; Error: string };

/** The gob part of one direction, without CONNECT, its answer and the Option. */
function streamOf(messages: { from: string; hex: string }[], from: string) {
  const gobs = messages
    .filter((message) => message.from === from)
    .map(({ hex }) => Uint8Array.fromHex(hex))
    .filter(([first]) => first !== 0x7b && first !== 0x43 && first !== 0x48);
  return new Uint8Array(Buffer.concat(gobs));
}

describe.each(transcripts)("$name", ({ messages }) => {
  for (const pieceBytes of [Infinity, 7, 1]) {
    test(`in pieces of ${pieceBytes}: a header and a body, again and again`, () => {
      const requests = decodeAll(streamOf(messages, "client"), pieceBytes);
      const responses = decodeAll(streamOf(messages, "server"), pieceBytes);
      expect(requests.length % 2).toBe(0);
      expect(responses.length).toBe(requests.length);
      const seqs = requests.filter((_, at) => at % 2 === 0) as Header[];
      expect(seqs.map(({ Seq }) => Seq)).toEqual(seqs.map((_, at) => at + 1));
    });
  }

  for (const from of ["client", "server"]) {
    test(`what the ${from} sent is encoded to the same bytes`, () => {
      const bytes = streamOf(messages, from);
      const decoder = new GobDecoder();
      decoder.push(bytes);
      const results = [];
      for (let one = decoder.next(); one; one = decoder.next())
        results.push(one);
      const encoder = new GobEncoder({ typeIds: decoder.typeIds() });
      const out = new SendBuffer();
      for (const { error, type, ...result } of results) {
        if (error !== undefined) throw error;
        encoder.encode(out, (result as { value: unknown }).value, type);
      }
      expect(out.pending().toHex()).toBe(bytes.toHex());
    });
  }
});

test("the values of a session are what its methods say", () => {
  const [tcp] = transcripts;
  const requests = decodeAll(streamOf(tcp?.messages ?? [], "client"));
  const responses = decodeAll(streamOf(tcp?.messages ?? [], "server"));
  const replies = new Map<number, unknown>();
  for (let at = 0; at < responses.length; at += 2) {
    replies.set((responses[at] as Header).Seq, responses[at + 1]);
  }
  let sums = 0;
  for (let at = 0; at < requests.length; at += 2) {
    const { ServiceMethod, Seq } = requests[at] as Header;
    if (ServiceMethod !== "Foo.Sum") continue;
    const { Num1, Num2 } = requests[at + 1] as { Num1: number; Num2: number };
    expect(replies.get(Seq)).toBe(Num1 + Num2);
    sums++;
  }
  expect(sums).toBeGreaterThan(3);
  expect(requests).toContainEqual({
    Name: "Ann",
    Age: 41,
    Scores: [1.5, 3],
    Tags: new Map([["k", "v"]]),
    Raw: new Uint8Array([1, 2, 255]),
    Boss: expect.objectContaining({ Name: "Bob", Boss: null }),
  });
});
