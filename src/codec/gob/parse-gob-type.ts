import { RpcError } from "../../errors.ts";
import { gob } from "./gob.ts";
import type { GobType } from "./gob-type.ts";
import type { OpaqueEncoding } from "./opaque-type.ts";
import { type GobField, StructType } from "./struct-type.ts";

const maxNesting = 64;
const token =
  /\s*(?:([\p{L}_][\p{L}\p{N}_.]*)|("(?:[^"\\]|\\.)*")|(\d+)|(\S))/uy;
const plainName = /^[\p{L}_][\p{L}\p{N}_.]*$/u;

/** Go's names of types that gob has no other form for. */
const named: ReadonlyMap<string, GobType> = new Map<string, GobType>([
  ["bool", gob.bool],
  ["string", gob.string],
  ["bytes", gob.bytes],
  ["time", gob.time],
  ["time.Time", gob.time],
  ["time.Duration", gob.int],
  ["any", gob.interface],
  ["float", gob.float64],
  ["float32", gob.float64],
  ["float64", gob.float64],
  ["complex64", gob.complex128],
  ["complex128", gob.complex128],
  ["byte", gob.uint],
  ["rune", gob.int],
  ["uintptr", gob.uint],
  ...["", "8", "16", "32", "64"].flatMap((width): [string, GobType][] => [
    [`int${width}`, gob.int],
    [`uint${width}`, gob.uint],
  ]),
]);

/**
 * The type that a declaration means: `[]string`, `map[string]float64`,
 * `[3]int`, `Num1:int,Avg:float64`, `Owner:{Name:string},Tags:[]string`.
 *
 * The words are Go's. Fields at the top need no braces. A struct may have a
 * name before its braces, by which fields inside refer to it:
 * `Tree{Value:int,Children:[]Tree}`. Names that are no words are quoted as in
 * JSON. Types that encode themselves: `gob(Int)`, `binary(URL)`, `text(Level)`.
 *
 * @throws RpcError invalid_argument  with the place in the text
 */
export function parseGobType(text: string): GobType {
  return new Parser(text).parse();
}

class Parser {
  readonly #text: string;
  #at = 0;
  #nesting = 0;
  /** The structs that are open, by name. */
  readonly #open = new Map<string, StructType>();

  constructor(text: string) {
    this.#text = text;
  }

  parse(): GobType {
    const type = this.#startsWithField()
      ? new StructType(this.#fields(""))
      : this.#type();
    if (this.#peek() !== "") throw this.#error("the end");
    return type;
  }

  #startsWithField(): boolean {
    const start = this.#at;
    const first = this.#take();
    const isField = first === "" || this.#peek() === ":";
    this.#at = start;
    return isField;
  }

  #type(): GobType {
    if (++this.#nesting > maxNesting) throw this.#error("less nesting");
    const type = this.#typeInside();
    this.#nesting--;
    return type;
  }

  #typeInside(): GobType {
    const start = this.#at;
    const word = this.#take();
    if (word === "*") return this.#type();
    if (word === "{") return this.#struct("");
    if (word === "[") return this.#list();
    if (word === "map") {
      this.#expect("[");
      const key = this.#type();
      this.#expect("]");
      return gob.map(key, this.#type());
    }
    if (!plainName.test(word)) {
      this.#at = start;
      throw this.#error("a type");
    }
    return this.#word(word, start);
  }

  #word(word: string, start: number): GobType {
    const next = this.#peek();
    if (next === "{") {
      this.#take();
      if (word !== "interface") {
        return this.#struct(word === "struct" ? "" : word);
      }
      this.#expect("}");
      return gob.interface;
    }
    if (next === "(" && isEncoding(word)) {
      this.#take();
      const name = this.#name();
      this.#expect(")");
      return gob.opaque(word, name);
    }
    const type = this.#open.get(word) ?? named.get(word);
    if (type !== undefined) return type;
    this.#at = start;
    throw this.#error("a type");
  }

  #list(): GobType {
    const length = this.#take();
    if (length !== "]") {
      if (!/^\d{1,9}$/.test(length)) throw this.#error("a length");
      this.#expect("]");
      return gob.array(Number(length), this.#type());
    }
    const elem = this.#at;
    if (["byte", "uint8"].includes(this.#take())) return gob.bytes;
    this.#at = elem;
    return gob.slice(this.#type());
  }

  #struct(name: string): GobType {
    const type = new StructType(undefined, name);
    const hidden = this.#open.get(name);
    if (name !== "") this.#open.set(name, type);
    type.link(this.#fields("}"));
    if (hidden !== undefined) this.#open.set(name, hidden);
    else this.#open.delete(name);
    return type;
  }

  /** The fields up to `end`, which is taken. */
  #fields(end: "}" | ""): GobField[] {
    const fields: GobField[] = [];
    const names = new Set<string>();
    while (this.#peek() !== end) {
      const name = this.#name();
      if (names.has(name)) throw this.#error("another name");
      names.add(name);
      this.#expect(":");
      fields.push({ name, type: this.#type() });
      if (this.#peek() !== end) this.#expect(",");
    }
    this.#take();
    return fields;
  }

  #name(): string {
    const start = this.#at;
    const word = this.#take();
    if (word.startsWith('"')) {
      try {
        const name: unknown = JSON.parse(word);
        if (typeof name === "string" && name !== "") return name;
      } catch {
        // Falls through to the error with its place.
      }
    } else if (plainName.test(word)) {
      return word;
    }
    this.#at = start;
    throw this.#error("a name");
  }

  #expect(wanted: string): void {
    const start = this.#at;
    if (this.#take() === wanted) return;
    this.#at = start;
    throw this.#error(`"${wanted}"`);
  }

  #peek(): string {
    const start = this.#at;
    const word = this.#take();
    this.#at = start;
    return word;
  }

  /** The next word, number, quoted name or sign; empty at the end. */
  #take(): string {
    token.lastIndex = this.#at;
    const match = token.exec(this.#text);
    if (match === null) {
      this.#at = this.#text.length;
      return "";
    }
    this.#at = token.lastIndex;
    return match[0].trim();
  }

  #error(wanted: string): RpcError {
    const rest = this.#text.slice(this.#at, this.#at + 20).trim();
    return new RpcError(
      "invalid_argument",
      `gob type: ${wanted} expected ${rest === "" ? "at the end" : `at "${rest}"`}`,
    );
  }
}

function isEncoding(word: string): word is OpaqueEncoding {
  return word === "gob" || word === "binary" || word === "text";
}
