import { gob } from "./gob.ts";
import type { GobReader } from "./gob-reader.ts";
import type { GobWriter } from "./gob-writer.ts";
import { OpaqueType } from "./opaque-type.ts";

const timeBytes = 15;

/**
 * A GobEncoder type whose definition has no name: Go drops it where the first
 * value that a program sends is behind a pointer, as every reply of net/rpc
 * is. So bytes that are a time.Time arrive as one, all else as a Uint8Array.
 *
 * The blobs of big.Int, Rat and Float, the others of Go's own that are sent
 * this way, differ from a time's in their first byte or their length.
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
    const { bytes, at } = reader;
    const isTime =
      reader.left > timeBytes &&
      bytes[at] === timeBytes &&
      bytes[at + 1] === 1 &&
      bytes.readUInt32BE(at + 10) < 1e9;
    return isTime ? gob.time.read(reader) : super.read(reader);
  }
}
