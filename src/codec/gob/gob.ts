import { ComplexType } from "./complex.ts";
import type { GobType } from "./gob-type.ts";
import { InterfaceType } from "./interface-type.ts";
import { ArrayType, SliceType } from "./list-types.ts";
import { MapType } from "./map-type.ts";
import {
  type OpaqueCodec,
  type OpaqueEncoding,
  OpaqueType,
} from "./opaque-type.ts";
import {
  BoolType,
  BytesType,
  FloatType,
  IntType,
  StringType,
  UintType,
} from "./scalar-types.ts";
import { StructType } from "./struct-type.ts";
import { TimeType } from "./gob-time.ts";

/** The fields of a struct by name, in the order in which they are sent. */
export type GobFields = Readonly<Record<string, GobType>>;

/**
 * Go's types, for where a JavaScript value alone does not tell:
 * `gob.struct({ Num1: gob.int, Avg: gob.float64 })`.
 *
 * Widths and pointers do not exist in gob: int16 is `int`, *T is T. Make each
 * composite once and keep it: a stream defines every object anew. `name` is a
 * label that Go ignores.
 */
export const gob = {
  bool: new BoolType(),
  /** int, int8 … int64, time.Duration (nanoseconds), rune. */
  int: new IntType(),
  /** uint, uint8 … uint64, byte. */
  uint: new UintType(),
  /** float32, float64. */
  float64: new FloatType(),
  string: new StringType(),
  /** []byte. */
  bytes: new BytesType(),
  /** complex64, complex128. */
  complex128: new ComplexType(),
  time: new TimeType(),
  /** Any interface type: what is in it travels with its type's registered name. */
  interface: new InterfaceType(),

  slice(elem: GobType, name?: string): SliceType {
    return new SliceType(elem, name);
  },

  array(length: number, elem: GobType, name?: string): ArrayType {
    return new ArrayType(length, elem, name);
  },

  map(key: GobType, elem: GobType, name?: string): MapType {
    return new MapType(key, elem, name);
  },

  /**
   * @param fields by name; as a function of the struct itself where it is
   *   recursive: `(tree) => ({ Value: gob.int, Children: gob.slice(tree) })`
   */
  struct(
    fields: GobFields | ((self: StructType) => GobFields),
    name = "",
  ): StructType {
    const type = new StructType(undefined, name);
    const byName = typeof fields === "function" ? fields(type) : fields;
    type.link(Object.entries(byName).map(([name, type]) => ({ name, type })));
    return type;
  },

  /** A type with methods of GobEncoder ("gob"), BinaryMarshaler or TextMarshaler. */
  opaque(
    encoding: OpaqueEncoding,
    name: string,
    codec?: OpaqueCodec,
  ): OpaqueType {
    return new OpaqueType(encoding, name, codec);
  },
} as const;
