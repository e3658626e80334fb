import { headerBytes } from "../../src/wire/frame.ts";

/** A binary frame that a test writes by hand; what is missing is 0 or empty, and seq 1. */
export interface FrameParts {
  kind: number;
  flags?: number;
  encoding?: number;
  code?: number;
  seq?: number;
  content?: Uint8Array;
}

export function frame(parts: FrameParts): Uint8Array {
  const content = parts.content ?? new Uint8Array(0);
  const bytes = Buffer.alloc(headerBytes + content.length);
  bytes.set([
    parts.kind,
    parts.flags ?? 0,
    parts.encoding ?? 0,
    parts.code ?? 0,
  ]);
  bytes.writeUInt32LE(content.length, 4);
  bytes.writeBigUInt64LE(BigInt(parts.seq ?? 1), 8);
  bytes.set(content, headerBytes);
  return bytes;
}

export function uint16(value: number): Uint8Array {
  return Uint8Array.of(value & 255, value >> 8);
}

export function uint32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

/** Text with its length, u16, in front, or with another one. */
export function name(
  text: string,
  length = Buffer.byteLength(text),
): Uint8Array {
  return Buffer.concat([uint16(length), Buffer.from(text)]);
}

/** A metadata block of one entry. */
export function metadataOf(key: string, value: string): Uint8Array {
  const entry = Buffer.concat([
    Uint8Array.of(key.length),
    Buffer.from(key),
    name(value),
  ]);
  return Buffer.concat([uint16(entry.length), entry]);
}
