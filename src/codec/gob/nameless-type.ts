import { gob } from "./gob.ts";
import type { GobReader } from "./gob-reader.ts";
import type { GobWriter } from "./gob-writer.ts";
import { OpaqueType } from "./opaque-type.ts";

/** Of a time.Time, and of one in a zone with seconds. */
const timeBytes = 15;
const zonedTimeBytes = 16;

/**
 * A GobEncoder type whose definition has no name: Go drops it where the first
 * value that a program sends is behind a pointer, as every reply of net/rpc
 * is. So bytes that are a time.Time arrive as one, all else as a Uint8Array.
 *
 * The blobs of big.Int, Rat and Float, the others of Go's own that are sent
 * this way, differ from a time's in their first byte or their length. With 16
 * bytes and version 2 an Int has a byte above 0 where the seconds begin, and a
 * Rat has the size of its numerator, of 11 bytes at most, in their upper
 * half: a time from the year 1635 on has neither.
 */
export class NamelessType extends OpaqueType {
  constructor() {
    super("gob", "");
  }

  override write(writer: GobWriter, value: unknown): void {
    if (value instanceof Date) gob.time.write(writer, value);
    else super.write(writer, value);
  }

  override read(reader: GobReader): unknown {
    return isTime(reader) ? gob.time.read(reader) : super.read(reader);
  }
}

function isTime({ bytes, at, left }: GobReader): boolean {
  const length = bytes[at];
  if (length !== timeBytes && length !== zonedTimeBytes) return false;
  if (left <= length || bytes.readUInt32BE(at + 10) >= 1e9) return false;
  if (length === timeBytes) return bytes[at + 1] === 1;
  const upperSeconds = bytes.readUInt32BE(at + 2);
  return bytes[at + 1] === 2 && upperSeconds > 11 && upperSeconds < 2 ** 24;
}
