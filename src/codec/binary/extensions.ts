/** Extension types of body encoding 2. The list is part of PROTOCOL.md, "MessagePack". */
export const extensions = {
  undefined: 0,
  bigint: 1,
  map: 2,
  set: 3,
  date: 4,
  typedArray: 5,
  negativeZero: 6,
  text: 7,
} as const;

/** The kinds of typedArray, by the number that stands in front of the elements. */
export const arrayKinds = [
  ArrayBuffer,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  BigInt64Array,
  BigUint64Array,
  Float32Array,
  Float64Array,
  Float16Array,
] as const;
