/** Extension types of body encoding 2. The list is part of PROTOCOL.md, "MessagePack". */
export const extensions = {
  bigint: 1,
  map: 2,
  set: 3,
  date: 4,
  typedArray: 5,
  negativeZero: 6,
  object: 7,
  text: 8,
} as const;
