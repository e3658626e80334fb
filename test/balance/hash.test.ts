import { expect, test } from "bun:test";
import { hash32, mix32 } from "../../src/balance/hash.ts";
import { randomIndex } from "../../src/base/random.ts";
import { testRandom } from "../support/seed.ts";

const seeds = [0, 1, 0x9e3779b9, 0xffffffff];

test("it is MurmurHash3 of the text in UTF-16", () => {
  const random = testRandom();
  const texts = [
    "",
    "a",
    "ab",
    "abc",
    "tcp@127.0.0.1:4000",
    "é",
    "😀",
    "\ud800",
  ];
  for (let count = 0; count < 500; count++) {
    const units = Array.from({ length: randomIndex(40, random) }, () =>
      randomIndex(0x10000, random),
    );
    texts.push(String.fromCharCode(...units));
  }
  for (const text of texts) {
    for (const seed of seeds) {
      const bytes = Buffer.from(text, "utf16le");
      expect(hash32(text, seed)).toBe(Bun.hash.murmur32v3(bytes, seed));
    }
  }
});

test("it stays what it was: clients of other versions agree", () => {
  expect(hash32("", 0)).toBe(0);
  expect(hash32("", 1)).toBe(0x514e28b7);
  expect(hash32("\u4321", 0)).toBe(0xa0f7b07a);
  expect(hash32("\u4321\u8765", 0)).toBe(0xf55b516b);
});

test("each bit turns each other in half of the cases", () => {
  const random = testRandom();
  const count = 2_000;
  for (let from = 0; from < 32; from++) {
    const turned = new Array<number>(32).fill(0);
    for (let round = 0; round < count; round++) {
      const word = randomIndex(2 ** 32, random);
      const difference = mix32(word) ^ mix32(word ^ (1 << from));
      for (let to = 0; to < 32; to++) {
        turned[to] = (turned[to] as number) + ((difference >>> to) & 1);
      }
    }
    for (const times of turned) {
      expect(Math.abs(times / count - 0.5)).toBeLessThan(0.08);
    }
  }
});
