import { Complex } from "../../../src/codec/gob/complex.ts";
import type { GobType } from "../../../src/codec/gob/gob-type.ts";
import type {
  ArrayType,
  SliceType,
} from "../../../src/codec/gob/list-types.ts";
import { type MapType, NilMap } from "../../../src/codec/gob/map-type.ts";
import type { StructType } from "../../../src/codec/gob/struct-type.ts";
import { GobTime } from "../../../src/codec/gob/gob-time.ts";

/**
 * A decoded value in the form that render.go of the Go program gives it, so
 * that both can be compared: numbers by kind and bits, maps sorted.
 * Without a type (inside interfaces) a value tells its own.
 */
export function rendered(value: unknown, type?: GobType): unknown {
  if (value === null) return null;
  if (value instanceof Date) return { time: renderedTime(value) };
  if (value instanceof Complex) {
    return { complex: `${bits(value.re)} ${bits(value.im)}` };
  }
  if (type?.kind === "opaque") {
    return { opaque: (value as Uint8Array).toHex() };
  }
  if (value instanceof Uint8Array) return { bytes: value.toHex() };
  if (value instanceof Map) return { map: renderedMap(value, type) };
  if (Array.isArray(value)) {
    const elem = (type as SliceType | ArrayType | undefined)?.elem;
    return value.map((one) => rendered(one, known(elem)));
  }
  if (typeof value === "object") return { struct: renderedFields(value, type) };
  if (typeof value === "bigint") return { int: String(value) };
  if (typeof value !== "number") return value;
  const isFloat = type ? type.kind === "float64" : !Number.isInteger(value);
  return isFloat ? { float: bits(value) } : { int: String(value) };
}

/** JSON with sorted keys, as Go writes maps. */
export function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) =>
    typeof one === "object" && one !== null && !Array.isArray(one)
      ? Object.fromEntries(
          Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)),
        )
      : one,
  );
}

function known(type: GobType | undefined): GobType | undefined {
  return type?.kind === "interface" ? undefined : type;
}

function renderedFields(value: object, type: GobType | undefined): unknown {
  const types = new Map(
    (type as StructType | undefined)?.fields.map((field) => [
      field.name,
      known(field.type),
    ]),
  );
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name,
      rendered(field, types.get(name)),
    ]),
  );
}

function renderedMap(
  map: Map<unknown, unknown>,
  type: GobType | undefined,
): unknown {
  if (map instanceof NilMap) return null;
  const { key, elem } = (type ?? {}) as Partial<MapType>;
  return [...map]
    .map(([one, value]) => [
      sortedJson(rendered(one, known(key))),
      sortedJson(rendered(value, known(elem))),
    ])
    .sort(([a], [b]) =>
      Buffer.compare(Buffer.from(a ?? ""), Buffer.from(b ?? "")),
    );
}

function renderedTime(date: Date): string {
  if (date instanceof GobTime) {
    const { unixSeconds, nanoseconds, zoneSeconds } = date;
    return `${unixSeconds} ${nanoseconds} ${zoneSeconds ?? "UTC"}`;
  }
  const seconds = Math.floor(date.getTime() / 1000);
  return `${seconds} ${(date.getTime() - seconds * 1000) * 1e6} UTC`;
}

function bits(value: number): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  if (Number.isNaN(value)) return "7ff8000000000001";
  return view.getBigUint64(0).toString(16);
}
