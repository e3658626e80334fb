import { type Definition, opaqueMembers } from "./definition.ts";
import { gob } from "./gob.ts";
import { broken, exhausted, malformed } from "./gob-errors.ts";
import type { GobLimits } from "./gob-limits.ts";
import type { GobRegistry } from "./gob-registry.ts";
import type { GobType } from "./gob-type.ts";
import { ArrayType, SliceType } from "./list-types.ts";
import { MapType } from "./map-type.ts";
import type { OpaqueEncoding } from "./opaque-type.ts";
import { StructType } from "./struct-type.ts";

/** Go's own; types that it keeps to itself lie below. */
const firstUserId = 64;

const builtins = new Map<number, GobType>(
  [
    gob.bool,
    gob.int,
    gob.uint,
    gob.float64,
    gob.bytes,
    gob.string,
    gob.complex128,
    gob.interface,
  ].map((type) => [type.builtinId, type]),
);

/** A moment of a TypeTable, to go back to. */
export interface TypeTableMark {
  readonly count: number;
  readonly bytes: number;
}

/**
 * The types that a peer has defined, by id.
 *
 * A definition may name ids that are defined after it, so types are made of
 * definitions when the first value needs them, once. Definitions are bounded
 * in number and in bytes, names in length.
 */
export class TypeTable {
  readonly #limits: GobLimits;
  readonly #registry: GobRegistry;
  readonly #definitions = new Map<number, Definition>();
  readonly #types = new Map(builtins);
  readonly #order: number[] = [];
  #bytes = 0;

  constructor(limits: GobLimits, registry: GobRegistry) {
    this.#limits = limits;
    this.#registry = registry;
  }

  /**
   * Takes a definition of `bytes` bytes.
   * @throws RpcError internal            the id is taken or reserved, the definition makes no type
   * @throws RpcError resource_exhausted  too many, or too large
   */
  define(id: number, definition: Definition, bytes: number): void {
    if (id < firstUserId) throw broken(`the id ${id} is not free to define`);
    if (this.#definitions.has(id))
      throw broken(`the id ${id} is defined twice`);
    this.#bytes += bytes;
    if (
      this.#order.length >= this.#limits.maxTypes ||
      this.#bytes > this.#limits.maxDefinitionBytes
    ) {
      throw exhausted("too many type definitions");
    }
    this.#check(definition);
    this.#definitions.set(id, definition);
    this.#order.push(id);
  }

  mark(): TypeTableMark {
    return { count: this.#order.length, bytes: this.#bytes };
  }

  /** Forgets what was defined since `mark`: it will be read again. */
  rollback(mark: TypeTableMark): void {
    for (const id of this.#order.splice(mark.count)) {
      this.#definitions.delete(id);
      this.#types.delete(id);
    }
    this.#bytes = mark.bytes;
  }

  /**
   * The type with this id, the same object each time.
   * @throws RpcError invalid_argument  it, or one that it is made of, is not defined
   */
  get(id: number): GobType {
    const known = this.#types.get(id);
    if (known !== undefined) return known;
    const made = new Map<number, GobType>();
    const type = this.#make(id, made);
    for (const [id, type] of made) this.#types.set(id, type);
    return type;
  }

  /** The ids of all types made so far: what a GobEncoder takes as `typeIds`. */
  ids(): Map<GobType, number> {
    return new Map([...this.#types].map(([id, type]) => [type, id]));
  }

  #check(definition: Definition): void {
    const members = Object.values(definition).filter((one) => one !== null);
    if (members.length !== 1) throw broken("a definition of no one type");
    const { ArrayT, StructT } = definition;
    if (ArrayT !== null && !(ArrayT.Len >= 0 && ArrayT.Len <= 2 ** 32)) {
      throw broken(`an array of ${ArrayT.Len} elements`);
    }
    const names = new Set<string>();
    for (const { Name } of StructT?.Field ?? []) {
      if (Name === "") throw broken("a field without a name");
      if (Name.length > this.#limits.maxNameBytes) {
        throw broken(`a field's name of ${Name.length} characters`);
      }
      if (names.has(Name)) throw broken("a field's name twice in a struct");
      names.add(Name);
    }
  }

  #make(id: number | bigint, made: Map<number, GobType>): GobType {
    const known = this.#types.get(Number(id)) ?? made.get(Number(id));
    if (known !== undefined) return known;
    const definition = this.#definitions.get(Number(id));
    if (definition === undefined) {
      throw malformed(`the type ${id} is undefined`);
    }
    const keep = <T extends GobType>(type: T): T => {
      made.set(Number(id), type);
      return type;
    };
    const { ArrayT, SliceT, StructT, MapT } = definition;
    if (StructT !== null) {
      const type = keep(new StructType(undefined, this.#label(StructT)));
      type.link(
        StructT.Field.map((field) => ({
          name: field.Name,
          type: this.#make(field.Id, made),
        })),
      );
      return type;
    }
    if (SliceT !== null) {
      const type = keep(new SliceType(undefined, this.#label(SliceT)));
      type.link(this.#make(SliceT.Elem, made));
      return type;
    }
    if (MapT !== null) {
      const label = this.#label(MapT);
      const type = keep(new MapType(undefined, undefined, label));
      type.link(this.#make(MapT.Key, made), this.#make(MapT.Elem, made));
      return type;
    }
    if (ArrayT !== null) {
      const label = this.#label(ArrayT);
      const type = keep(new ArrayType(Number(ArrayT.Len), undefined, label));
      type.link(this.#make(ArrayT.Elem, made));
      return type;
    }
    return keep(this.#makeOpaque(definition));
  }

  #makeOpaque(definition: Definition): GobType {
    const encodings = Object.keys(opaqueMembers) as OpaqueEncoding[];
    const encoding = encodings.find(
      (one) => definition[opaqueMembers[one]] !== null,
    ) as OpaqueEncoding;
    const label = this.#label(definition[opaqueMembers[encoding]]);
    return this.#registry.opaque(encoding, label);
  }

  /** The name of a type is only a label: one that is too long to keep is dropped. */
  #label(member: { CommonType: { Name: string } | null } | null): string {
    const name = member?.CommonType?.Name ?? "";
    return name.length > this.#limits.maxNameBytes ? "" : name;
  }
}
