import { gob } from "./gob.ts";
import type { GobType } from "./gob-type.ts";
import type { ArrayType, SliceType } from "./list-types.ts";
import type { MapType } from "./map-type.ts";
import { NamelessType } from "./nameless-type.ts";
import {
  type OpaqueCodec,
  type OpaqueEncoding,
  OpaqueType,
} from "./opaque-type.ts";
import type { StructType } from "./struct-type.ts";

/**
 * What the two ends agree on outside of the stream: the names by which
 * concrete types travel inside interfaces (Go: gob.Register), and what the
 * bytes of types that encode themselves mean.
 *
 * Registered before it is used; may serve any number of streams.
 */
export class GobRegistry {
  readonly #types = new Map<string, GobType>();
  readonly #names = new Map<GobType, string>();
  readonly #structs: StructType[] = [];
  readonly #opaque = new Map<string, OpaqueType>();

  constructor() {
    this.#opaque.set("gob Time", gob.time);
    this.#opaque.set("gob ", new NamelessType());
  }

  /**
   * Lets values of `type` travel inside interfaces under the name that Go
   * knows: `main.Args`, or `*main.Args` where the pointer was registered. A
   * plain object takes the first registered struct that has all its fields.
   */
  register(name: string, type: GobType): this {
    this.#types.set(name, type);
    this.#names.set(type, name);
    if (type.kind === "struct") this.#structs.push(type as StructType);
    return this;
  }

  /**
   * Says what the bytes of a type mean that arrives under this encoding and
   * name (`Int` for big.Int), and returns it for use in declarations.
   */
  registerOpaque(
    encoding: OpaqueEncoding,
    name: string,
    codec: OpaqueCodec,
  ): OpaqueType {
    const type = new OpaqueType(encoding, name, codec);
    this.#opaque.set(`${encoding} ${name}`, type);
    return type;
  }

  typeOf(name: string): GobType | undefined {
    return this.#types.get(name);
  }

  /** The name of `type` inside an interface: as registered, else Go's own for types without a name. */
  nameOf(type: GobType): string | undefined {
    return this.#names.get(type) ?? this.#goName(type);
  }

  /** The registered struct that a plain object is one of. */
  structOf(value: object): StructType | undefined {
    const keys = Object.keys(value);
    return this.#structs.find(({ fields }) => {
      const names = new Set(fields.map(({ name }) => name));
      return keys.every((key) => names.has(key));
    });
  }

  /** The type of what arrives under this encoding and name. */
  opaque(encoding: OpaqueEncoding, name: string): OpaqueType {
    return (
      this.#opaque.get(`${encoding} ${name}`) ?? new OpaqueType(encoding, name)
    );
  }

  #goName(type: GobType): string | undefined {
    switch (type.kind) {
      case "bytes":
        return "[]uint8";
      case "interface":
        return "interface {}";
      case "slice":
        return prefixed("[]", this.nameOf((type as SliceType).elem));
      case "array": {
        const { length, elem } = type as ArrayType;
        return prefixed(`[${length}]`, this.nameOf(elem));
      }
      case "map": {
        const key = this.nameOf((type as MapType).key);
        const elem = this.nameOf((type as MapType).elem);
        return key === undefined ? undefined : prefixed(`map[${key}]`, elem);
      }
      case "struct":
        return undefined;
      case "opaque":
        return type === gob.time ? "time.Time" : undefined;
      default:
        return type.kind;
    }
  }
}

function prefixed(
  prefix: string,
  name: string | undefined,
): string | undefined {
  return name === undefined ? undefined : prefix + name;
}
