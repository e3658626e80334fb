import { RpcError } from "../../errors.ts";
import { extensions } from "./extensions.ts";

/** Extensions whose content is MessagePack itself. */
const nestedTypes: readonly number[] = [
  extensions.map,
  extensions.set,
  extensions.object,
];

/**
 * Walks over one MessagePack value without building it: every declared length
 * and count must fit into the bytes that are there, and nesting into
 * `maxDepth`. Without this a body of five bytes could ask the decoder for an
 * array of four thousand million.
 *
 * @throws RpcError invalid_argument
 */
export function checkMessagePack(bytes: Uint8Array, maxDepth: number): void {
  const scan = new Scan(bytes);
  scan.value(maxDepth);
  if (scan.at !== bytes.length) throw malformed("bytes are left over");
}

class Scan {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  value(depth: number): void {
    const tag = this.#uint(1);
    if (tag <= 0x7f || tag >= 0xe0) return; // fixint
    if (tag <= 0x8f) return this.#items(2 * (tag & 0x0f), depth); // fixmap
    if (tag <= 0x9f) return this.#items(tag & 0x0f, depth); // fixarray
    if (tag <= 0xbf) return this.#skip(tag & 0x1f); // fixstr
    switch (tag) {
      case 0xc0: // nil
      case 0xc2: // false
      case 0xc3: // true
        return;
      case 0xc4: // bin 8, 16, 32
      case 0xc5:
      case 0xc6:
        return this.#skip(this.#uint(1 << (tag - 0xc4)));
      case 0xc7: // ext 8, 16, 32
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#uint(1 << (tag - 0xc7)), depth);
      case 0xca: // float 32
        return this.#skip(4);
      case 0xcb: // float 64
        return this.#skip(8);
      case 0xcc: // uint 8, 16, 32, 64
      case 0xcd:
      case 0xce:
      case 0xcf:
        return this.#skip(1 << (tag - 0xcc));
      case 0xd0: // int 8, 16, 32, 64
      case 0xd1:
      case 0xd2:
      case 0xd3:
        return this.#skip(1 << (tag - 0xd0));
      case 0xd4: // fixext 1, 2, 4, 8, 16
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (tag - 0xd4), depth);
      case 0xd9: // str 8, 16, 32
      case 0xda:
      case 0xdb:
        return this.#skip(this.#uint(1 << (tag - 0xd9)));
      case 0xdc: // array 16, 32
        return this.#items(this.#uint(2), depth);
      case 0xdd:
        return this.#items(this.#uint(4), depth);
      case 0xde: // map 16, 32
        return this.#items(2 * this.#uint(2), depth);
      case 0xdf:
        return this.#items(2 * this.#uint(4), depth);
      default:
        throw malformed("an unknown tag");
    }
  }

  #items(count: number, depth: number): void {
    if (depth === 0) throw malformed("it is nested too deep");
    if (count > this.#bytes.length - this.at) {
      throw malformed("more items are declared than bytes are left");
    }
    for (let left = count; left > 0; left--) this.value(depth - 1);
  }

  #extension(length: number, depth: number): void {
    const type = this.#uint(1);
    const end = this.at + length;
    if (!nestedTypes.includes(type)) return this.#skip(length);
    if (end > this.#bytes.length) throw malformed("it is cut off");
    this.value(depth);
    if (this.at !== end) throw malformed("an extension's length is wrong");
  }

  #skip(length: number): void {
    if (length > this.#bytes.length - this.at) throw malformed("it is cut off");
    this.at += length;
  }

  #uint(size: number): number {
    const { at } = this;
    this.#skip(size);
    if (size === 1) return this.#view.getUint8(at);
    return size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }
}

function malformed(reason: string): RpcError {
  return new RpcError(
    "invalid_argument",
    `the body is no MessagePack that can be read: ${reason}`,
  );
}
