import { expect, test } from "bun:test";
import { randomIndex } from "../../src/base/random.ts";
import { readUint16, readUint32 } from "../../src/wire/little-endian.ts";
import { testRandom } from "../support/seed.ts";

test("numbers are read as a DataView reads them, wherever they stand", () => {
  const random = testRandom();
  const memory = new Uint8Array(64);
  const bytes = memory.subarray(5, 45);
  const view = new DataView(memory.buffer, 5, 40);
  for (let round = 0; round < 500; round++) {
    for (let at = 0; at < bytes.length; at++) {
      bytes[at] = [0, 0xff, 0x80, randomIndex(256, random)][
        randomIndex(4, random)
      ] as number;
    }
    const at = randomIndex(37, random);
    expect(readUint16(bytes, at)).toBe(view.getUint16(at, true));
    expect(readUint32(bytes, at)).toBe(view.getUint32(at, true));
  }
});
