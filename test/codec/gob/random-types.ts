import { type Random, randomIndex } from "../../../src/base/random.ts";
import { Complex } from "../../../src/codec/gob/complex.ts";
import { gob } from "../../../src/codec/gob/gob.ts";
import type { GobType } from "../../../src/codec/gob/gob-type.ts";
import type {
  ArrayType,
  SliceType,
} from "../../../src/codec/gob/list-types.ts";
import type { MapType } from "../../../src/codec/gob/map-type.ts";
import type { StructType } from "../../../src/codec/gob/struct-type.ts";
import { GobTime } from "../../../src/codec/gob/gob-time.ts";

const names = [
  "A",
  "Name",
  "__proto__",
  "constructor",
  "toString",
  "日",
  "a b",
  "7",
];
const scalars = [
  ...[gob.bool, gob.int, gob.uint, gob.float64, gob.string, gob.bytes],
  ...[gob.complex128, gob.time],
];
const keys = [gob.int, gob.uint, gob.string, gob.bool];

/** A type that is nested at most `depth` deep. */
export function randomType(random: Random, depth: number): GobType {
  const next = () => randomType(random, depth - 1);
  switch (depth === 0 ? 9 : randomIndex(8, random)) {
    case 0:
      return gob.slice(next());
    case 1:
      return gob.array(randomIndex(4, random), next());
    case 2:
      return gob.map(pick(keys, random), next());
    case 3:
    case 4:
    case 5:
      return gob.struct(
        Object.fromEntries(
          names.filter(() => random() < 0.5).map((name) => [name, next()]),
        ),
      );
    default:
      return pick(scalars, random);
  }
}

/** A value of the type, as it arrives: with many zeros and edges. */
export function randomValue(type: GobType, random: Random): unknown {
  const many = <T>(make: () => T): T[] =>
    Array.from({ length: randomIndex(4, random) }, make);
  switch (type.kind) {
    case "bool":
      return random() < 0.5;
    case "int":
      return whole(BigInt.asIntN(64, randomBits(random)));
    case "uint":
      return whole(randomBits(random));
    case "float64":
      return randomFloat(random);
    case "string":
      return pick(
        ["", "a", "héllo", "🙂", "__proto__", "x".repeat(200)],
        random,
      );
    case "bytes":
      return Uint8Array.from(many(() => randomIndex(256, random)));
    case "complex128":
      return new Complex(randomFloat(random), randomFloat(random));
    case "opaque":
      return randomTime(random);
    case "slice":
      return many(() => randomValue((type as SliceType).elem, random));
    case "array": {
      const { length, elem } = type as ArrayType;
      return Array.from({ length }, () => randomValue(elem, random));
    }
    case "map": {
      const { key, elem } = type as MapType;
      return new Map(
        many(() => [randomValue(key, random), randomValue(elem, random)]),
      );
    }
    default:
      return Object.fromEntries(
        (type as StructType).fields.map((field) => [
          field.name,
          randomValue(field.type, random),
        ]),
      );
  }
}

/** Whether two values are the same to gob: -0 in a field is left out, and arrives as 0. */
export function isSame(one: unknown, other: unknown): boolean {
  if (typeof one !== "object" || one === null) {
    return Object.is(one, other) || (one === 0 && other === 0);
  }
  if (typeof other !== "object" || other === null) return false;
  if (Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) return false;
  if (one instanceof Date) return isSameTime(one, other as Date);
  const [mine, its] = [partsOf(one), partsOf(other)];
  return (
    mine.length === its.length &&
    mine.every((part, at) => isSame(part, its[at]))
  );
}

function isSameTime(one: Date, other: Date): boolean {
  if (one instanceof GobTime && other instanceof GobTime) {
    return (
      one.unixSeconds === other.unixSeconds &&
      one.nanoseconds === other.nanoseconds &&
      one.zoneSeconds === other.zoneSeconds
    );
  }
  return one.getTime() === other.getTime();
}

function partsOf(value: object): unknown[] {
  if (value instanceof Map) return [...value].flat();
  if (value instanceof Uint8Array) return [...value];
  return Array.isArray(value) ? value : Object.entries(value).flat();
}

function pick<T>(list: readonly T[], random: Random): T {
  return list[randomIndex(list.length, random)] as T;
}

function whole(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** Up to 64 bits, with powers of two and their neighbours among them. */
function randomBits(random: Random): bigint {
  const power = 1n << BigInt(randomIndex(64, random));
  if (random() < 0.3) return power - BigInt(randomIndex(2, random));
  const high = BigInt(randomIndex(2 ** 32, random));
  const bits = (high << 32n) | BigInt(randomIndex(2 ** 32, random));
  return random() < 0.2 ? 0n : bits % (power + 1n);
}

function randomFloat(random: Random): number {
  const edges = [
    0,
    -0,
    1,
    -1,
    17,
    0.1,
    NaN,
    Infinity,
    -Infinity,
    5e-324,
    1e300,
  ];
  return random() < 0.5 ? pick(edges, random) : (random() - 0.5) * 1e6;
}

function randomTime(random: Random): Date {
  const seconds = randomIndex(4e9, random) - 2e9;
  if (random() < 0.3)
    return new Date(seconds * 1000 + randomIndex(1000, random));
  const zone = pick([undefined, 0, 3600, -34_200, 4_521], random);
  return new GobTime(BigInt(seconds), 1 + randomIndex(999_999, random), zone);
}
