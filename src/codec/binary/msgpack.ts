import { addExtension, Packr, Unpackr } from "msgpackr/pack";
import { RpcError } from "../../errors.ts";
import { extensions } from "./extensions.ts";
import {
  BigInteger,
  IllFormedText,
  Instant,
  lower,
  MapEntries,
  NegativeZero,
  ObjectEntries,
  SetItems,
  TypedArray,
} from "./lower.ts";
import { checkMessagePack } from "./msgpack-scan.ts";

/** The kinds of extension 5, by their number. */
const arrayKinds = [
  ArrayBuffer,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  BigInt64Array,
  BigUint64Array,
  Float32Array,
  Float64Array,
] as const;

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, copyBuffers: true });

/**
 * `value` as MessagePack.
 *
 * @throws RpcError invalid_argument  a part that cannot travel, with its path
 */
export function packMessagePack(value: unknown, maxDepth: number): Uint8Array {
  return packr.pack(lower(value, maxDepth));
}

/**
 * The value in `bytes`, free of views into them. Counts and depth are checked
 * before anything is built, so memory follows the bytes that came.
 *
 * @throws RpcError invalid_argument
 */
export function unpackMessagePack(
  bytes: Uint8Array,
  maxDepth: number,
): unknown {
  checkMessagePack(bytes, maxDepth);
  try {
    return unpackr.unpack(bytes);
  } catch (cause) {
    throw new RpcError("invalid_argument", "the body is no MessagePack", {
      cause,
    });
  }
}

function nested(
  type: number,
  Class: Function,
  flatOf: (value: never) => unknown[],
  build: (items: unknown[]) => unknown,
): void {
  addExtension({
    type,
    Class,
    pack: (value: never) => packr.pack(flatOf(value)),
    unpack: (bytes: Uint8Array) => build(unpackr.unpack(bytes) as unknown[]),
  } as never);
}

function leaf(
  type: number,
  Class: Function,
  pack: (value: never) => Uint8Array,
  unpack: (bytes: Uint8Array) => unknown,
): void {
  addExtension({ type, Class, pack, unpack } as never);
}

function pairs(flat: unknown[]): [unknown, unknown][] {
  const entries: [unknown, unknown][] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) {
    entries.push([flat[at], flat[at + 1]]);
  }
  return entries;
}

nested(
  extensions.map,
  MapEntries,
  (map: MapEntries) => map.flat,
  (flat) => new Map(pairs(flat)),
);
nested(
  extensions.set,
  SetItems,
  (set: SetItems) => set.items,
  (items) => new Set(items),
);
nested(
  extensions.object,
  ObjectEntries,
  (object: ObjectEntries) => object.flat,
  (flat) => Object.fromEntries(pairs(flat)),
);
leaf(
  extensions.negativeZero,
  NegativeZero,
  () => new Uint8Array(0),
  () => -0,
);
leaf(
  extensions.bigint,
  BigInteger,
  ({ value }: BigInteger) => packBigInt(value),
  unpackBigInt,
);
leaf(
  extensions.date,
  Instant,
  ({ ms }: Instant) => packFloat(ms),
  (bytes) => new Date(viewOf(bytes).getFloat64(0)),
);
leaf(
  extensions.typedArray,
  TypedArray,
  ({ array }: TypedArray) => packArray(array),
  unpackArray,
);
leaf(
  extensions.text,
  IllFormedText,
  ({ text }: IllFormedText) => Buffer.from(text, "utf16le"),
  (bytes) => Buffer.from(bytes).toString("utf16le"),
);

/** A sign byte (0 or 1), then the magnitude, big-endian. */
function packBigInt(value: bigint): Uint8Array {
  const hex = (value < 0n ? -value : value).toString(16);
  const magnitude = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  return Buffer.concat([Uint8Array.of(value < 0n ? 1 : 0), magnitude]);
}

function unpackBigInt(bytes: Uint8Array): bigint {
  const hex = Buffer.from(bytes.subarray(1)).toString("hex");
  const magnitude = BigInt(`0x${hex === "" ? "0" : hex}`);
  return bytes[0] === 1 ? -magnitude : magnitude;
}

function packFloat(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setFloat64(0, value);
  return bytes;
}

/** A kind byte, then the elements, little-endian. */
function packArray(array: TypedArray["array"]): Uint8Array {
  const kind = arrayKinds.findIndex((Kind) => array instanceof Kind);
  const bytes =
    array instanceof ArrayBuffer
      ? new Uint8Array(array)
      : new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return Buffer.concat([Uint8Array.of(kind), bytes]);
}

function unpackArray(bytes: Uint8Array): unknown {
  const Kind = arrayKinds[bytes[0] ?? 0];
  if (Kind === undefined) {
    throw new RpcError("invalid_argument", "an array of an unknown kind");
  }
  const { buffer } = bytes.slice(1);
  return Kind === ArrayBuffer ? buffer : new Kind(buffer as ArrayBuffer);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
