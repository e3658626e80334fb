/**
 * A stream that a server sends as fast as it is read, without an end. Items
 * are numbered from 0; what the server sends is what `itemOf` says, so an item
 * that was lost, changed or sent twice shows.
 */
export interface StreamWorkload {
  /** `Service.Method`; it takes no argument. */
  readonly method: string;
  /** The receiver must not change it: the next round has the same one. */
  itemOf(index: number): unknown;
  /** Whether `item` is the one of this number. */
  isRight(index: number, item: unknown): boolean;
  /** Bytes of content of an item, where bytes are what counts. */
  readonly itemBytes?: number;
}

const blockBytes = 64 * 1024;
/** Few enough to stay in a core's cache. */
const blockCount = 8;

/** Numbers of four digits that go round: every frame has the same size. */
export function smallItems(): StreamWorkload {
  const itemOf = (index: number) => 1_000 + (index % 9_000);
  return {
    method: "_bench.smallItems",
    itemOf,
    isRight: (index, item) => item === itemOf(index),
  };
}

/**
 * Blocks of 64 KiB in turns, each filled with its own byte. Of an item only
 * its length and both ends are looked at: reading all of it would be a good
 * part of what is measured.
 */
export function largeItems(): StreamWorkload {
  const blocks = Array.from({ length: blockCount }, (_, at) =>
    new Uint8Array(blockBytes).fill(at),
  );
  return {
    method: "_bench.largeItems",
    itemOf: (index) => blocks[index % blockCount],
    isRight: (index, item) =>
      item instanceof Uint8Array &&
      item.length === blockBytes &&
      item[0] === index % blockCount &&
      item[blockBytes - 1] === index % blockCount,
    itemBytes: blockBytes,
  };
}

/** The stream itself, as a server's method returns it. */
export async function* itemsOf({
  itemOf,
}: StreamWorkload): AsyncGenerator<unknown, never> {
  for (let index = 0; ; index++) yield itemOf(index);
}
