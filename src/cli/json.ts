import { escapeActive } from "./escape.ts";

/**
 * A value as one line of JSON, also where JSON has no such value:
 *
 * | value | JSON |
 * |---|---|
 * | undefined | null; left out of objects |
 * | bigint | a number with all of its digits |
 * | NaN, Infinity, -Infinity | "NaN", "Infinity", "-Infinity" |
 * | -0 | -0 |
 * | bytes (Uint8Array, ArrayBuffer, DataView) | a string, base64 |
 * | other typed arrays, Set | an array |
 * | Date | a string, ISO 8601; null where it is invalid |
 * | Map | an object where all keys are strings, else an array of [key, value] |
 *
 * Characters that act on a terminal are escaped. Depth is the codec's limit,
 * 64; a cycle cannot have arrived.
 */
export function toJsonLine(value: unknown): string {
  return write(value) ?? "null";
}

/** undefined where an object would leave the value out. */
function write(value: unknown): string | undefined {
  switch (typeof value) {
    case "string":
      return quote(value);
    case "number":
      return writeNumber(value);
    case "bigint":
      return value.toString();
    case "boolean":
      return String(value);
    case "object":
      return value === null ? "null" : writeObject(value);
    default:
      return undefined;
  }
}

function writeNumber(value: number): string {
  if (!Number.isFinite(value)) return quote(String(value));
  return Object.is(value, -0) ? "-0" : String(value);
}

function writeObject(value: object): string {
  if (Array.isArray(value)) return writeArray(value);
  if (value instanceof Date) {
    return Number.isNaN(value.getTime()) ? "null" : quote(value.toISOString());
  }
  if (value instanceof ArrayBuffer) return base64(new Uint8Array(value));
  if (value instanceof Uint8Array) return base64(value);
  if (value instanceof DataView) {
    const { buffer, byteOffset, byteLength } = value;
    return base64(new Uint8Array(buffer, byteOffset, byteLength));
  }
  if (ArrayBuffer.isView(value)) {
    return writeArray(value as unknown as Iterable<unknown>);
  }
  if (value instanceof Set) return writeArray(value);
  if (value instanceof Map) {
    return [...value.keys()].every((key) => typeof key === "string")
      ? writeEntries(value)
      : writeArray(value);
  }
  return writeEntries(Object.entries(value));
}

function writeArray(items: Iterable<unknown>): string {
  return `[${Array.from(items, toJsonLine).join(",")}]`;
}

function writeEntries(entries: Iterable<[string, unknown]>): string {
  const members: string[] = [];
  for (const [key, value] of entries) {
    const written = write(value);
    if (written !== undefined) members.push(`${quote(key)}:${written}`);
  }
  return `{${members.join(",")}}`;
}

function base64(bytes: Uint8Array): string {
  return `"${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")}"`;
}

function quote(text: string): string {
  return escapeActive(JSON.stringify(text));
}
