import type { GobReader } from "./gob-reader.ts";
import { GobType } from "./gob-type.ts";
import type { GobWriter } from "./gob-writer.ts";
import { misfit } from "./scalar-types.ts";

/** A value of Go's complex64 and complex128. */
export class Complex {
  constructor(
    readonly re: number,
    readonly im: number,
  ) {}
}

/** complex64 and complex128 ↔ Complex. Sends also any `{ re, im }`. */
export class ComplexType extends GobType {
  readonly kind = "complex128";
  override readonly builtinId = 7;

  write(writer: GobWriter, value: unknown): void {
    if (!isComplex(value)) throw misfit(value, "a complex128");
    writer.writeFloat(value.re);
    writer.writeFloat(value.im);
  }

  read(reader: GobReader): Complex {
    reader.charge(5);
    return new Complex(reader.readFloat(), reader.readFloat());
  }

  isZero(value: unknown): boolean {
    return isComplex(value) && value.re === 0 && value.im === 0;
  }

  zero(): Complex {
    return new Complex(0, 0);
  }
}

function isComplex(value: unknown): value is Complex {
  if (value instanceof Complex) return true;
  const { re, im } = Object(value) as { re?: unknown; im?: unknown };
  return typeof re === "number" && typeof im === "number";
}
