import type { GobReader } from "./gob-reader.ts";
import type { GobWriter } from "./gob-writer.ts";

export type GobKind =
  | "bool"
  | "int"
  | "uint"
  | "float64"
  | "bytes"
  | "string"
  | "complex128"
  | "interface"
  | "slice"
  | "array"
  | "map"
  | "struct"
  | "opaque";

/**
 * A Go type as gob sees it: widths and pointers are gone, names are only
 * labels. It knows how its values are written and read, so a type is also its
 * compiled encoder and decoder.
 *
 * The same object may serve any number of streams: what belongs to a stream
 * (ids, depth, the names of interface types) is in the writer and the reader.
 * Types are compared by identity; a stream defines each object once.
 */
export abstract class GobType {
  abstract readonly kind: GobKind;
  /** The id that every stream knows it by; 0 where it must be defined first. */
  readonly builtinId: number = 0;
  /** The name in its definition: a label that receivers ignore. */
  readonly name: string = "";

  /**
   * Appends `value`, also when it is the zero value.
   * @throws Misfit  it is no value of this type; part of it may have been written
   */
  abstract write(writer: GobWriter, value: unknown): void;

  /** @throws RpcError invalid_argument, resource_exhausted  the bytes are no such value */
  abstract read(reader: GobReader): unknown;

  /** Whether a field with this value (neither null nor undefined) is left out. */
  abstract isZero(value: unknown): boolean;

  /** What a field that was left out holds. A mutable one is a new one each time. */
  abstract zero(): unknown;

  /** The types directly inside. */
  parts(): readonly GobType[] {
    return [];
  }
}

/** Types of which it is known: a walk through a peer's type is as long as its definition. */
const interfaceHolders = new WeakMap<GobType, boolean>();

/** Whether a value of `type`, which is whole, can have an interface value anywhere inside. */
export function holdsInterface(type: GobType): boolean {
  const known = interfaceHolders.get(type);
  if (known !== undefined) return known;
  const seen = new Set([type]);
  for (const one of seen) {
    const isHolder = interfaceHolders.get(one) ?? one.kind === "interface";
    if (isHolder) {
      interfaceHolders.set(type, true);
      return true;
    }
    if (interfaceHolders.has(one)) continue;
    for (const part of one.parts()) seen.add(part);
  }
  // None of them does, since each was looked into.
  for (const one of seen) interfaceHolders.set(one, false);
  return false;
}
