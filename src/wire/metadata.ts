import { RpcError } from "../errors.ts";
import { maxMetadataBlockBytes } from "./frame.ts";
import type { Limits } from "./limits.ts";
import { readUint16 } from "./little-endian.ts";

/**
 * Key-value pairs that travel beside a message. Keys are lower-case ASCII;
 * the value of one that ends with `-bin` is bytes, of every other text.
 */
export type Metadata = ReadonlyMap<string, string | Uint8Array>;

/** The block begins with u16, the bytes that follow. */
const lengthBytes = 2;
/** Of an entry, besides its key and its value: their lengths, u8 and u16. */
const entryBytes = 3;
const keyPattern = /^[a-z0-9_.-]{1,255}$/;
const binarySuffix = "-bin";

const strictText = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Metadata as a user gave it, in a map of its own; undefined where there is
 * none. Values that are bytes are not copied. The size is looked at when it is
 * encoded.
 *
 * @throws RpcError invalid_argument  a key has other characters than a-z 0-9 _ . -, none or over 255;
 *                                    a key that ends with -bin has no Uint8Array, another no well-formed text
 */
export function checkMetadata(
  given: Metadata | Readonly<Record<string, string | Uint8Array>>,
): Metadata | undefined {
  const entries = given instanceof Map ? given : Object.entries(given);
  const checked = new Map<string, string | Uint8Array>(entries);
  for (const [key, value] of checked) {
    checkKey(key);
    if (isBinary(key) ? value instanceof Uint8Array : isText(value)) continue;
    const wanted = isBinary(key)
      ? "a Uint8Array, since the key ends with -bin"
      : 'text without lone surrogates; bytes want a key that ends with "-bin"';
    throw invalid(`the value of metadata "${key}" has to be ${wanted}`);
  }
  return checked.size === 0 ? undefined : checked;
}

/**
 * The block of `metadata`, which checkMetadata has let through. Layout:
 * PROTOCOL.md, "Metadata block".
 *
 * @throws RpcError resource_exhausted  over limits.maxMetadataBytes or limits.maxMetadataKeys
 */
export function encodeMetadata(metadata: Metadata, limits: Limits): Uint8Array {
  if (metadata.size > limits.maxMetadataKeys) throw tooManyKeys(limits);
  let length = 0;
  for (const [key, value] of metadata) {
    length += entryBytes + key.length + Buffer.byteLength(value);
  }
  if (length > maxBytesOf(limits)) throw tooManyBytes(length, limits);
  const block = Buffer.allocUnsafe(lengthBytes + length);
  let at = block.writeUInt16LE(length);
  for (const [key, value] of metadata) {
    at = block.writeUInt8(key.length, at);
    at += block.write(key, at, "latin1");
    at = block.writeUInt16LE(Buffer.byteLength(value), at);
    if (typeof value === "string") at += block.write(value, at);
    else {
      block.set(value, at);
      at += value.length;
    }
  }
  return block;
}

/**
 * Where the block that begins at `at` ends.
 *
 * @throws RpcError invalid_argument  behind `end`: it is cut off
 */
export function metadataEnd(
  bytes: Uint8Array,
  at: number,
  end: number,
): number {
  const to = at + lengthBytes + readUint16(bytes, at);
  if (to > end) throw cutOff();
  return to;
}

/**
 * The metadata of the block from `at` to `end`, free of views into it;
 * undefined where it is empty. Of several entries with one key the last counts.
 *
 * @throws RpcError invalid_argument    an entry is cut off, a key or a text is none
 * @throws RpcError resource_exhausted  over limits.maxMetadataBytes or limits.maxMetadataKeys
 */
export function decodeMetadata(
  bytes: Buffer,
  at: number,
  end: number,
  limits: Limits,
): Metadata | undefined {
  const length = end - at - lengthBytes;
  if (length > maxBytesOf(limits)) throw tooManyBytes(length, limits);
  const metadata = new Map<string, string | Uint8Array>();
  let count = 0;
  for (let from = at + lengthBytes; from < end;) {
    if (++count > limits.maxMetadataKeys) throw tooManyKeys(limits);
    const valueAt = from + entryBytes + (bytes[from] as number);
    const to = valueAt + readUint16(bytes, valueAt - 2);
    if (to > end) throw cutOff();
    const key = bytes.toString("latin1", from + 1, valueAt - 2);
    checkKey(key);
    const value = new Uint8Array(bytes.subarray(valueAt, to));
    from = to;
    metadata.set(key, isBinary(key) ? value : textOf(key, value));
  }
  return metadata.size === 0 ? undefined : metadata;
}

function textOf(key: string, value: Uint8Array): string {
  try {
    return strictText.decode(value);
  } catch (cause) {
    throw invalid(`the value of metadata "${key}" is no UTF-8`, cause);
  }
}

function checkKey(key: string): void {
  if (keyPattern.test(key)) return;
  throw invalid(
    `metadata has a key ${JSON.stringify(key)}: write 1 to 255 of a-z, 0-9, _ . and -`,
  );
}

function isBinary(key: string): boolean {
  return key.endsWith(binarySuffix);
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value.isWellFormed();
}

function maxBytesOf({ maxMetadataBytes }: Limits): number {
  return Math.min(maxMetadataBytes, maxMetadataBlockBytes);
}

function tooManyBytes(bytes: number, limits: Limits): RpcError {
  return new RpcError(
    "resource_exhausted",
    `metadata of ${bytes} bytes is over the limit of ${maxBytesOf(limits)}`,
  );
}

function tooManyKeys({ maxMetadataKeys }: Limits): RpcError {
  return new RpcError(
    "resource_exhausted",
    `metadata has more than ${maxMetadataKeys} keys`,
  );
}

function cutOff(): RpcError {
  return invalid("metadata is cut off");
}

function invalid(message: string, cause?: unknown): RpcError {
  return new RpcError("invalid_argument", message, { cause });
}
