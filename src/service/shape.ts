const maxFields = 32;
const maxNameChars = 64;

/**
 * What the arguments of a method have looked like: field names and kinds,
 * never values, for the debug page. Bounded, whatever peers send.
 */
export class Shape {
  readonly #kinds = new Map<string, Set<string>>();

  /** Adds what `value` looks like. */
  add(value: unknown): void {
    if (!isPlainObject(value)) {
      this.#note("", value);
      return;
    }
    for (const name of Object.keys(value).slice(0, maxFields)) {
      this.#note(name.slice(0, maxNameChars), value[name]);
    }
  }

  /** `number`, or `{Num1: number, Num2: number | null}`; empty while nothing was seen. */
  toString(): string {
    const lone = this.#kinds.get("");
    const fields = [...this.#kinds]
      .filter(([name]) => name !== "")
      .map(([name, kinds]) => `${name}: ${[...kinds].join(" | ")}`);
    const parts = lone === undefined ? [] : [...lone];
    if (fields.length > 0) parts.push(`{${fields.join(", ")}}`);
    return parts.join(" | ");
  }

  #note(name: string, value: unknown): void {
    const kinds = this.#kinds.get(name);
    if (kinds !== undefined) kinds.add(kindOf(value));
    else if (this.#kinds.size < maxFields) {
      this.#kinds.set(name, new Set([kindOf(value)]));
    }
  }
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" && value !== null && kindOf(value) === "object"
  );
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
