import type { GobReader } from "./gob-reader.ts";
import { GobType } from "./gob-type.ts";
import type { GobWriter } from "./gob-writer.ts";
import { kindOf, Misfit } from "./misfit.ts";

const maxInt = 2n ** 63n - 1n;
const minInt = -(2n ** 63n);
const maxUint = 2n ** 64n - 1n;

/** bool ↔ boolean. */
export class BoolType extends GobType {
  readonly kind = "bool";
  override readonly builtinId = 1;

  write(writer: GobWriter, value: unknown): void {
    if (typeof value !== "boolean") throw misfit(value, "a bool");
    writer.writeByte(value ? 1 : 0);
  }

  read(reader: GobReader): boolean {
    return reader.readUint() !== 0;
  }

  isZero(value: unknown): boolean {
    return value === false;
  }

  zero(): boolean {
    return false;
  }
}

/** Go's int types ↔ number, outside ±(2^53 - 1) bigint. Sends either. */
export class IntType extends GobType {
  readonly kind = "int";
  override readonly builtinId = 2;

  write(writer: GobWriter, value: unknown): void {
    if (Number.isSafeInteger(value)) {
      writer.writeInt(value as number);
      return;
    }
    const big = wholeOf(value, "an int");
    if (big < minInt || big > maxInt) {
      throw new Misfit("is beyond the 64 bits of an int");
    }
    writer.writeBigInt(big);
  }

  read(reader: GobReader): number | bigint {
    return reader.readInt();
  }

  isZero(value: unknown): boolean {
    return value === 0 || value === 0n;
  }

  zero(): number {
    return 0;
  }
}

/** Go's uint types ↔ number, beyond 2^53 - 1 bigint. Sends either. */
export class UintType extends GobType {
  readonly kind = "uint";
  override readonly builtinId = 3;

  write(writer: GobWriter, value: unknown): void {
    if (Number.isSafeInteger(value) && (value as number) >= 0) {
      writer.writeUint(value as number);
      return;
    }
    const big = wholeOf(value, "a uint");
    if (big < 0n) throw new Misfit("is negative, not a uint");
    if (big > maxUint) throw new Misfit("is beyond the 64 bits of a uint");
    writer.writeBigUint(big);
  }

  read(reader: GobReader): number | bigint {
    return reader.readUnsigned();
  }

  isZero(value: unknown): boolean {
    return value === 0 || value === 0n;
  }

  zero(): number {
    return 0;
  }
}

/** float32 and float64 ↔ number. */
export class FloatType extends GobType {
  readonly kind = "float64";
  override readonly builtinId = 4;

  write(writer: GobWriter, value: unknown): void {
    if (typeof value !== "number") throw misfit(value, "a float64");
    writer.writeFloat(value);
  }

  read(reader: GobReader): number {
    return reader.readFloat();
  }

  isZero(value: unknown): boolean {
    return value === 0;
  }

  zero(): number {
    return 0;
  }
}

/** []byte ↔ Uint8Array. Sends any view, an ArrayBuffer, or a list of bytes. */
export class BytesType extends GobType {
  readonly kind = "bytes";
  override readonly builtinId = 5;

  write(writer: GobWriter, value: unknown): void {
    writer.writeBytes(bytesOf(value));
  }

  read(reader: GobReader): Uint8Array {
    return reader.readBytes();
  }

  isZero(value: unknown): boolean {
    return bytesOf(value).length === 0;
  }

  zero(): Uint8Array {
    return new Uint8Array(0);
  }
}

/** string ↔ string. */
export class StringType extends GobType {
  readonly kind = "string";
  override readonly builtinId = 6;

  write(writer: GobWriter, value: unknown): void {
    if (typeof value !== "string") throw misfit(value, "a string");
    writer.writeText(value);
  }

  read(reader: GobReader): string {
    return reader.readText();
  }

  isZero(value: unknown): boolean {
    return value === "";
  }

  zero(): string {
    return "";
  }
}

/** The bytes that a value stands for, in place. @throws Misfit */
export function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (Array.isArray(value) && value.every(isByte))
    return Uint8Array.from(value);
  throw misfit(value, "bytes");
}

function isByte(value: unknown): boolean {
  return (
    Number.isInteger(value) &&
    (value as number) >= 0 &&
    (value as number) <= 255
  );
}

/** A whole number of any size, also one that a number holds exactly. */
function wholeOf(value: unknown, wanted: string): bigint {
  if (typeof value === "bigint") return value;
  if (Number.isInteger(value)) return BigInt(value as number);
  throw misfit(value, wanted);
}

export function misfit(value: unknown, wanted: string): Misfit {
  return new Misfit(`is ${kindOf(value)}, not ${wanted}`);
}
