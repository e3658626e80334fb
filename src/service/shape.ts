const maxFields = 32;
const maxNameChars = 64;

/**
 * What the arguments of a method have looked like: field names and kinds,
 * never values, for the debug page. Bounded, whatever peers send.
 */
export class Shape {
  /** Kinds of arguments that are no plain objects. */
  readonly #kinds = new Set<string>();
  readonly #fields = new Map<string, Set<string>>();
  #isCut = false;

  /** Adds what `value` looks like. */
  add(value: unknown): void {
    const kind = kindOf(value);
    if (kind !== "object") {
      this.#kinds.add(kind);
      return;
    }
    const names = Object.keys(value as object);
    if (names.length === 0) this.#kinds.add("{}");
    this.#isCut ||= names.length > maxFields;
    for (const name of names.slice(0, maxFields)) {
      this.#note(cutName(name), (value as Record<string, unknown>)[name]);
    }
  }

  /** `number`, or `{Num1: number, Num2: number | null}`; empty while nothing was seen. */
  toString(): string {
    const fields = [...this.#fields].map(
      ([name, kinds]) => `${nameText(name)}: ${[...kinds].join(" | ")}`,
    );
    if (this.#isCut) fields.push("…");
    const parts = [...this.#kinds];
    if (fields.length > 0) parts.push(`{${fields.join(", ")}}`);
    return parts.join(" | ");
  }

  #note(name: string, value: unknown): void {
    const kinds = this.#fields.get(name);
    if (kinds !== undefined) kinds.add(kindOf(value));
    else if (this.#fields.size < maxFields) {
      this.#fields.set(name, new Set([kindOf(value)]));
    } else this.#isCut = true;
  }
}

function cutName(name: string): string {
  return name.length <= maxNameChars
    ? name
    : `${name.slice(0, maxNameChars - 1).toWellFormed()}…`;
}

/** A name as it is written in code: in quotes where it is no identifier. */
function nameText(name: string): string {
  return /^[\p{L}\p{N}_$…]+$/u.test(name) ? name : JSON.stringify(name);
}

/** A word of a closed set for any value. */
function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (typeof value !== "object") return typeof value;
  if (Array.isArray(value)) return "array";
  if (value instanceof Uint8Array) return "bytes";
  if (value instanceof Date) return "date";
  if (value instanceof Map) return "map";
  if (value instanceof Set) return "set";
  return ArrayBuffer.isView(value) ? "array" : "object";
}
