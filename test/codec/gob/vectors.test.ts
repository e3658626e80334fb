import { describe, expect, test } from "bun:test";
import { GobDecoder } from "../../../src/codec/gob/gob-decoder.ts";
import { GobEncoder } from "../../../src/codec/gob/gob-encoder.ts";
import { SendBuffer } from "../../../src/wire/send-buffer.ts";
import { decodeAll, vectorRegistry, vectors } from "./vectors.ts";
import { vectorTypeIds } from "./vector-types.ts";

describe.each([...vectors])("$name", ({ types, values, bytes }) => {
  test("decodes to its values", () => {
    expect(decodeAll(bytes)).toStrictEqual([...values]);
  });

  test("decodes from pieces of one byte", () => {
    expect(decodeAll(bytes, 1)).toStrictEqual([...values]);
  });

  test("encodes to its bytes", () => {
    const out = new SendBuffer();
    const encoder = new GobEncoder({
      typeIds: vectorTypeIds,
      registry: vectorRegistry(),
    });
    for (const [at, value] of values.entries()) {
      encoder.encode(out, value, types[at]);
    }
    expect(out.pending().toHex()).toBe(new Uint8Array(bytes).toHex());
  });

  test("goes back as it came, with nothing declared or registered", () => {
    const out = new SendBuffer();
    const decoder = new GobDecoder();
    decoder.push(bytes);
    const results = [...values].map(() => decoder.next());
    const encoder = new GobEncoder({ typeIds: decoder.typeIds() });
    for (const result of results) {
      if (result?.error !== undefined) throw result.error;
      encoder.encode(out, result?.value, result?.type);
    }
    expect(out.pending().toHex()).toBe(new Uint8Array(bytes).toHex());
  });
});

test("without given ids, they are dealt as Go deals them, from the first", () => {
  const all = vectors.find(({ name }) => name === "tree-recursive");
  const out = new SendBuffer();
  new GobEncoder({ firstId: 79 }).encode(out, all?.values[0], all?.types[0]);
  expect(out.pending().toHex()).toBe(all?.bytes.toHex() as string);
});
