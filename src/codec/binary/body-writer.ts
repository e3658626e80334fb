import { flags, pieceBytes } from "../../wire/frame.ts";
import type { Limits } from "../../wire/limits.ts";
import type { SendBuffer } from "../../wire/send-buffer.ts";
import { type Body, tooLong } from "./body.ts";
import type { BodyCompression } from "./compression.ts";
import { setContentLength } from "./header.ts";
import type { OutgoingPieces } from "./pieces.ts";

/**
 * Encoded bodies on their way out: compressed where that was agreed and pays,
 * and left in `pieces` where they are large. fit() comes before the message's
 * header, write() behind all that stands in front of the body.
 */
export class BodyWriter {
  readonly #maxMessageBytes: number;
  readonly #pieces: OutgoingPieces;
  readonly #compression: BodyCompression;

  constructor(
    { maxMessageBytes }: Limits,
    pieces: OutgoingPieces,
    compression: BodyCompression,
  ) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#pieces = pieces;
    this.#compression = compression;
  }

  /** Bodies that are longer go through fit(). */
  get plainInlineBytes(): number {
    return this.#compression.plainInlineBytes;
  }

  /**
   * Makes an encoded body ready that is longer than plainInlineBytes: its
   * flags say how.
   *
   * @throws RpcError resource_exhausted  over limits.maxMessageBytes
   */
  fit(body: Body): void {
    const { content } = body;
    const isText = typeof content === "string";
    const length = isText ? Buffer.byteLength(content) : content.length;
    if (length > this.#maxMessageBytes) {
      throw tooLong(length, this.#maxMessageBytes);
    }
    const isPacked = length >= this.#compression.minBytes;
    if (!isPacked && length <= pieceBytes) return;
    const bytes = isText ? Buffer.from(content) : content;
    const packed = isPacked ? this.#compression.pack(bytes) : undefined;
    if (packed !== undefined) {
      body.flags |= flags.compressed;
      body.plainBytes = length;
    }
    body.content = packed ?? bytes;
    if (body.content.length > pieceBytes) body.flags |= flags.pieces;
  }

  /**
   * Appends the body, or its total length where it follows in pieces, and
   * completes the header of the frame that began where `out` was `from` bytes
   * long. Returns the body's bytes before compression.
   */
  write(
    out: SendBuffer,
    from: number,
    seq: number,
    direction: number,
    body: Body,
  ): number {
    const { content } = body;
    let written: number;
    if (body.flags !== 0) {
      written = this.#writeFlagged(out, seq, direction, body);
    } else if (typeof content === "string") {
      written = out.writeText(content);
    } else {
      out.writeBytes(content);
      written = content.length;
    }
    setContentLength(out, out.length - from);
    return written;
  }

  #writeFlagged(
    out: SendBuffer,
    seq: number,
    direction: number,
    { flags: flag, content, plainBytes }: Body,
  ): number {
    // fit() has made bytes of it.
    const bytes = content as Uint8Array;
    if (plainBytes > 0) out.writeUint32(plainBytes);
    if ((flag & flags.pieces) !== 0) {
      out.writeUint32(bytes.length);
      this.#pieces.add(seq, direction, bytes);
    } else out.writeBytes(bytes);
    return plainBytes > 0 ? plainBytes : bytes.length;
  }
}

/**
 * Whether a body may be longer than `bytes`: then fit() looks. A function of
 * its own, since a method here would make each small call 5 ns slower.
 */
export function mayExceed(
  content: string | Uint8Array,
  bytes: number,
): boolean {
  // A UTF-16 unit is at most three bytes of UTF-8.
  return (
    (typeof content === "string" ? content.length * 3 : content.length) > bytes
  );
}
