import { gob } from "./gob.ts";
import type { GobType } from "./gob-type.ts";
import type { ArrayType, SliceType } from "./list-types.ts";
import type { MapType } from "./map-type.ts";
import type { OpaqueType } from "./opaque-type.ts";
import type { StructType } from "./struct-type.ts";

const maxNesting = 64;
/** Types of a few definitions can spell out to any length. */
const maxParts = 4_096;
const plainName = /^[\p{L}_][\p{L}\p{N}_.]*$/u;

/**
 * The declaration of `type`, of which parseGobType() makes the like: a struct
 * at the top without braces, unless it has a name.
 *
 * Of a type that contains itself and has no name to say so, or that is endless,
 * the rest is `any`.
 */
export function formatGobType(type: GobType): string {
  const formatter = new Formatter();
  return type.kind === "struct" && !plainName.test(type.name)
    ? formatter.fields(type as StructType)
    : formatter.type(type);
}

class Formatter {
  /** The types around this one. */
  readonly #open: GobType[] = [];
  #parts = 0;

  type(type: GobType): string {
    switch (type.kind) {
      case "interface":
        return "any";
      case "bytes":
        return "[]byte";
      case "opaque": {
        const { encoding, name } = type as OpaqueType;
        return type === gob.time ? "time" : `${encoding}(${spell(name)})`;
      }
      case "slice":
      case "array":
      case "map":
      case "struct":
        return this.#composite(type);
      default:
        return type.kind;
    }
  }

  fields(type: StructType): string {
    this.#open.push(type);
    const fields = type.fields.map(
      ({ name, type }) => `${spell(name)}:${this.type(type)}`,
    );
    this.#open.pop();
    return fields.join(",");
  }

  #composite(type: GobType): string {
    const name = plainName.test(type.name) ? type.name : "";
    if (name !== "" && this.#open.includes(type)) return name;
    if (this.#open.length > maxNesting || ++this.#parts > maxParts)
      return "any";
    if (type.kind === "struct")
      return `${name}{${this.fields(type as StructType)}}`;
    this.#open.push(type);
    const text = this.#container(type);
    this.#open.pop();
    return text;
  }

  #container(type: GobType): string {
    if (type.kind === "map") {
      const { key, elem } = type as MapType;
      return `map[${this.type(key)}]${this.type(elem)}`;
    }
    const { elem } = type as SliceType | ArrayType;
    return type.kind === "array"
      ? `[${(type as ArrayType).length}]${this.type(elem)}`
      : `[]${this.type(elem)}`;
  }
}

function spell(name: string): string {
  return plainName.test(name) ? name : JSON.stringify(name);
}
