/**
 * A whole number below 2^32 out of a text: the same everywhere and for ever.
 *
 * It is MurmurHash3_x86_32 of the text in UTF-16, little-endian, two units a
 * block. Fit for spreading load, not against somebody who looks for
 * collisions. O(length), about 1 ns a character.
 * Source: Austin Appleby, MurmurHash3.cpp, public domain.
 */
export function hash32(text: string, seed: number): number {
  const { length } = text;
  let hash = seed;
  let at = 0;
  for (; at + 1 < length; at += 2) {
    const block = text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16);
    hash ^= scramble(block);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  if (at < length) hash ^= scramble(text.charCodeAt(at));
  return mix32(hash ^ (length * 2));
}

/**
 * Another whole number below 2^32 for each, which looks like chance: one bit
 * of `word` turns each bit of it in half of the cases. One to one.
 * Source: MurmurHash3's finalizer, fmix32.
 */
export function mix32(word: number): number {
  let mixed = word ^ (word >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

function scramble(block: number): number {
  const word = Math.imul(block, 0xcc9e2d51);
  return Math.imul((word << 15) | (word >>> 17), 0x1b873593);
}
