import { describe, expect, test } from "bun:test";
import { randomIndex } from "../../../src/base/random.ts";
import { RpcError } from "../../../src/errors.ts";
import { GobDecoder } from "../../../src/codec/gob/gob-decoder.ts";
import { testRandom } from "../../support/seed.ts";
import { vectors } from "./vectors.ts";

/** Reads all that there is: values and errors are both fine, nothing else may come out. */
function survive(bytes: Uint8Array): { results: number; isAlive: boolean } {
  const decoder = new GobDecoder();
  decoder.push(bytes);
  let results = 0;
  try {
    for (let one = decoder.next(); one; one = decoder.next()) {
      if (one.error !== undefined) expect(one.error).toBeInstanceOf(RpcError);
      results++;
    }
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(RpcError);
    expect(["internal", "resource_exhausted"]).toContain(
      (thrown as RpcError).code,
    );
    expect(() => decoder.next()).toThrow(thrown as RpcError);
    return { results, isAlive: false };
  }
  return { results, isAlive: true };
}

describe.each([...vectors])("$name", ({ bytes, values }) => {
  test("cut anywhere, it waits for the rest", () => {
    for (let end = 0; end < bytes.length; end++) {
      const { results, isAlive } = survive(bytes.subarray(0, end));
      expect(isAlive).toBe(true);
      expect(results).toBeLessThan(values.length);
    }
  });

  test("with random bytes in it, it gives values or errors", () => {
    const random = testRandom();
    for (let round = 0; round < 200; round++) {
      const damaged = bytes.slice();
      for (let count = 1 + randomIndex(4, random); count > 0; count--) {
        damaged[randomIndex(bytes.length, random)] = randomIndex(256, random);
      }
      expect(survive(damaged).results).toBeLessThanOrEqual(bytes.length);
    }
  });

  test("with any one bit wrong, it gives values or errors", () => {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(survive(damaged).results).toBeLessThanOrEqual(bytes.length);
    }
  });
});
