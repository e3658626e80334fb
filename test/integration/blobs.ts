import { seeded } from "../../src/base/random.ts";

const longestBytes = 1024 * 1024;

/** Bytes without a pattern, two times the longest blob. */
const noise = makeNoise(2 * longestBytes);

function makeNoise(length: number): Uint8Array {
  const random = seeded(4);
  return Uint8Array.from({ length }, () => random() * 256);
}

/** The bytes, at most 1 MiB, that stand for `number`: other ones for each. */
export function blob(number: number, bytes: number): Uint8Array {
  const from = (number * 4_099) % longestBytes;
  return noise.slice(from, from + bytes);
}

export async function* blobs(
  count: number,
  bytes: number,
): AsyncGenerator<Uint8Array, void> {
  for (let number = 0; number < count; number++) yield blob(number, bytes);
}

/** What a run of items comes to: two are the same if the items are, in their order. */
export class Checksum {
  readonly #hasher = new Bun.CryptoHasher("sha1");
  count = 0;

  add(item: Uint8Array): void {
    this.count++;
    this.#hasher.update(item);
  }

  /** Reads all of `items`. */
  static async of(items: AsyncIterable<Uint8Array>): Promise<string> {
    const checksum = new Checksum();
    for await (const item of items) checksum.add(item);
    return checksum.toString();
  }

  /** `count:digest`; nothing can be added afterwards. */
  toString(): string {
    return `${this.count}:${this.#hasher.digest("hex")}`;
  }
}
