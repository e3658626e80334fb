import { expect, test } from "bun:test";
import { randomIndex } from "../../../src/base/random.ts";
import { GobDecoder } from "../../../src/codec/gob/gob-decoder.ts";
import { GobEncoder } from "../../../src/codec/gob/gob-encoder.ts";
import { formatGobType } from "../../../src/codec/gob/format-gob-type.ts";
import { parseGobType } from "../../../src/codec/gob/parse-gob-type.ts";
import { SendBuffer } from "../../../src/wire/send-buffer.ts";
import { testRandom } from "../../support/seed.ts";
import { goMissing, runGo } from "./go-program.ts";
import { rendered, sortedJson } from "./rendered.ts";

interface GoVector {
  type: string;
  hex: string;
  values: unknown[];
}

const count = 200;
const isSkipped = goMissing !== undefined && process.env["CI"] !== "true";
if (isSkipped) console.error(`skipped: vectors made by Go: ${goMissing}`);

/** The results of a stream that comes in pieces. */
function results(bytes: Uint8Array, pieceBytes: number, decoder: GobDecoder) {
  const all = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    decoder.push(bytes.subarray(at, at + pieceBytes));
    for (let one = decoder.next(); one; one = decoder.next()) {
      if (one.error !== undefined) throw one.error;
      all.push(one);
    }
  }
  expect(decoder.pendingBytes).toBe(0);
  return all;
}

test.skipIf(isSkipped)(
  `${count} streams made by Go decode to their values, and encode to their bytes`,
  async () => {
    const random = testRandom();
    const seed = String(randomIndex(2 ** 31, random));
    const moved = String(randomIndex(200, random));
    const output = await runGo("vectors", [seed, String(count), moved]);
    const vectors = output
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as GoVector);
    expect(vectors.length).toBe(count);
    for (const { type, hex, values } of vectors) {
      const bytes = Uint8Array.fromHex(hex);
      const expected = values.map((value) => sortedJson(value));
      const decoder = new GobDecoder();
      const whole = results(bytes, Infinity, decoder);
      for (const all of [whole, results(bytes, 1, new GobDecoder())]) {
        const got = all.map((one) => sortedJson(rendered(one.value, one.type)));
        expect(got).toEqual(expected);
      }

      const out = new SendBuffer();
      const encoder = new GobEncoder({ typeIds: decoder.typeIds() });
      for (const one of whole) encoder.encode(out, one.value, one.type);
      expect(out.pending().toHex()).toBe(hex);

      expect(whole.map((one) => formatGobType(one.type))).toEqual(
        whole.map(() => type),
      );
      // Slices and maps that contain themselves have no declaration.
      if (/Nest|Web/.test(type)) continue;
      const declared = parseGobType(type);
      expect(formatGobType(declared)).toBe(type);
      const again = new SendBuffer();
      const other = new GobEncoder();
      for (const one of whole) other.encode(again, one.value, declared);
      expect(
        results(again.pending(), 3, new GobDecoder()).map((one) =>
          sortedJson(rendered(one.value, one.type)),
        ),
      ).toEqual(expected);
    }
  },
  120_000,
);
