import { RpcError } from "../../errors.ts";
import type { GobReader } from "./gob-reader.ts";
import { GobType } from "./gob-type.ts";
import type { GobWriter } from "./gob-writer.ts";
import { Misfit } from "./misfit.ts";
import { bytesOf, misfit } from "./scalar-types.ts";

/** Which of Go's interfaces makes the bytes: GobEncoder, BinaryMarshaler or TextMarshaler. */
export type OpaqueEncoding = "gob" | "binary" | "text";

/** What the bytes of one such type mean. */
export interface OpaqueCodec {
  /** The bytes of `value`; whatever it throws fails the call. `value` is never null. */
  encode(value: unknown): Uint8Array;
  /** The value of `bytes`, a copy that may be kept; whatever it throws fails the call. */
  decode(bytes: Uint8Array): unknown;
}

/**
 * A Go type that encodes itself ↔ what its codec makes of the bytes. Without
 * one: a Uint8Array, and of a TextMarshaler a string.
 *
 * A zero value is left out by Go and arrives as null; null goes back as that.
 */
export class OpaqueType extends GobType {
  readonly kind = "opaque";
  readonly encoding: OpaqueEncoding;
  override readonly name: string;
  readonly #codec: OpaqueCodec | undefined;

  /** @param name as in its definition, without the package: `Int` for big.Int */
  constructor(encoding: OpaqueEncoding, name: string, codec?: OpaqueCodec) {
    super();
    this.encoding = encoding;
    this.name = name;
    this.#codec = codec;
  }

  get hasCodec(): boolean {
    return this.#codec !== undefined;
  }

  write(writer: GobWriter, value: unknown): void {
    if (value === null || value === undefined) throw misfit(value, this.name);
    if (this.#codec !== undefined) {
      const bytes: unknown = this.#codec.encode(value);
      if (!(bytes instanceof Uint8Array)) {
        throw new Misfit(`has a codec that makes no bytes of it`);
      }
      writer.writeBytes(bytes);
    } else if (this.encoding === "text" && typeof value === "string") {
      writer.writeText(value);
    } else {
      writer.writeBytes(bytesOf(value));
    }
  }

  read(reader: GobReader): unknown {
    if (this.#codec === undefined) {
      return this.encoding === "text" ? reader.readText() : reader.readBytes();
    }
    const bytes = reader.readBytes();
    try {
      return this.#codec.decode(bytes);
    } catch (thrown) {
      reader.flag(RpcError.from(thrown, "invalid_argument"));
      return undefined;
    }
  }

  isZero(_value: unknown): boolean {
    return false;
  }

  zero(): unknown {
    return null;
  }
}
