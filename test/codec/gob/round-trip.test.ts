import { expect, test } from "bun:test";
import { randomIndex } from "../../../src/base/random.ts";
import { GobEncoder } from "../../../src/codec/gob/gob-encoder.ts";
import { Inference } from "../../../src/codec/gob/inference.ts";
import { SendBuffer } from "../../../src/wire/send-buffer.ts";
import { testRandom } from "../../support/seed.ts";
import { isSame, randomType, randomValue } from "./random-types.ts";
import { decodeAll } from "./vectors.ts";

test("random values of random types arrive as they left, on one stream", () => {
  const random = testRandom();
  for (let round = 0; round < 40; round++) {
    const encoder = new GobEncoder();
    const out = new SendBuffer();
    const values: unknown[] = [];
    for (let types = 0; types < 10; types++) {
      const type = randomType(random, 3);
      for (let count = 0; count < 3; count++) {
        const value = randomValue(type, random);
        encoder.encode(out, value, type);
        values.push(value);
      }
    }
    const pieceBytes = 1 + randomIndex(50, random);
    const arrived = decodeAll(out.pending(), pieceBytes);
    expect(arrived.length).toBe(values.length);
    for (const [at, value] of values.entries()) {
      if (!isSame(value, arrived[at]))
        expect(arrived[at]).toEqual(value as never);
    }
  }
});

test("what is inferred from a random value carries it, also as its own hint", () => {
  const random = testRandom();
  for (let round = 0; round < 300; round++) {
    const value = randomValue(randomType(random, 3), random);
    const inferred = new Inference().typeOf(value);
    for (const type of [inferred, new Inference().typeOf(value, inferred)]) {
      const out = new SendBuffer();
      try {
        new GobEncoder().encode(out, value, type);
      } catch (thrown) {
        // uint64 beyond an int64, or structs of different fields where an interface is left.
        expect(thrown).toMatchObject({ code: "invalid_argument" });
        expect(out.length).toBe(0);
        continue;
      }
      expect(decodeAll(out.pending())).toHaveLength(1);
    }
  }
});
