import { malformed } from "./gob-errors.ts";
import type { GobReader } from "./gob-reader.ts";
import { GobType } from "./gob-type.ts";
import type { GobWriter } from "./gob-writer.ts";

/**
 * An interface ↔ the value in it; nil is null.
 *
 * A concrete type travels by its registered name (GobRegistry says which), but
 * arrives whether or not the name is registered here: its definition came with
 * it.
 */
export class InterfaceType extends GobType {
  readonly kind = "interface";
  override readonly builtinId = 8;

  write(writer: GobWriter, value: unknown): void {
    if (value === null || value === undefined) writer.writeByte(0);
    else writer.writeInterface(value);
  }

  read(reader: GobReader): unknown {
    const length = reader.readUint();
    if (length === 0) return null;
    const { maxNameBytes } = reader.limits;
    if (length > maxNameBytes || length > reader.left) {
      throw malformed(`an interface value's type name of ${length} bytes`);
    }
    const start = reader.at;
    reader.at += length;
    return reader.readInterface(
      reader.bytes.toString("utf8", start, reader.at),
    );
  }

  isZero(): boolean {
    return false;
  }

  zero(): null {
    return null;
  }
}
