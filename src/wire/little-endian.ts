/**
 * Numbers in received bytes. Not by a DataView: a socket's chunk has no
 * ArrayBuffer before somebody asks for it, and making one costs a microsecond
 * a chunk, 5 % of a lone call. The caller has checked that the bytes are there.
 */
export function readUint16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return (readUint16(bytes, at) | (readUint16(bytes, at + 2) << 16)) >>> 0;
}
