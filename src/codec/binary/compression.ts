import { RpcError } from "../../errors.ts";
import { pieceBytes } from "../../wire/frame.ts";
import type { CodecContext, Compression } from "../codec.ts";
import { tooLong } from "./body.ts";

/** Log2 of the most that a frame may look back, 8 MiB: what RFC 8878 asks of every decoder. It is memory that a few bytes can claim. */
const maxWindowLog = 23;

/** Of a compressed body, in front: its length before, u32. */
export const plainLengthBytes = 4;

/**
 * Compression of one connection's bodies with zstd, once both ends have
 * agreed: the accepting end knows it from the Option, the dialling end from
 * the settings.
 */
export class BodyCompression {
  readonly #maxMessageBytes: number;
  readonly #wish: Compression | undefined;
  #isAgreed = false;
  /** Bodies of so many bytes are compressed; without agreement none is so long. */
  minBytes = Number.MAX_SAFE_INTEGER;
  /** The longest body that neither has to be compressed nor to go in pieces. */
  plainInlineBytes: number;

  constructor({ role, limits, compression }: CodecContext) {
    this.#maxMessageBytes = limits.maxMessageBytes;
    this.#wish = compression;
    this.plainInlineBytes = Math.min(pieceBytes, limits.maxMessageBytes);
    if (role === "accept") this.agree();
  }

  /** The other end agrees to what this one wished for, if it did. */
  agree(): void {
    if (this.#wish === undefined) return;
    this.#isAgreed = true;
    this.minBytes = this.#wish.minBytes;
    this.plainInlineBytes = Math.min(this.plainInlineBytes, this.minBytes - 1);
  }

  /** `body`, compressed; undefined where that is not shorter. */
  pack(body: Uint8Array): Uint8Array | undefined {
    const packed = Bun.zstdCompressSync(body);
    const isShorter = plainLengthBytes + packed.length < body.length;
    return isShorter ? packed : undefined;
  }

  /**
   * Looks at a compressed body before anything is kept for it.
   *
   * @throws RpcError unimplemented       compression was not agreed on
   * @throws RpcError resource_exhausted  it is too long once it is inflated
   */
  check(plainBytes: number): void {
    if (!this.#isAgreed) {
      throw new RpcError(
        "unimplemented",
        "the body is compressed, which this connection did not agree on",
      );
    }
    if (plainBytes > this.#maxMessageBytes) {
      throw tooLong(plainBytes, this.#maxMessageBytes);
    }
  }

  /**
   * The body that `packed` holds, of `plainBytes`, as it says. Takes no more
   * memory than that, whatever it inflates to.
   *
   * @throws RpcError invalid_argument  it is no zstd frame, or holds another number of bytes
   * @throws RpcError as check
   */
  unpack(packed: Uint8Array, plainBytes: number): Buffer {
    this.check(plainBytes);
    const { constants, zstdDecompressSync } =
      process.getBuiltinModule("node:zlib");
    let body: Buffer | undefined;
    let cause: unknown;
    try {
      body = zstdDecompressSync(packed, {
        maxOutputLength: plainBytes,
        params: { [constants.ZSTD_d_windowLogMax]: maxWindowLog },
      });
    } catch (thrown) {
      cause = thrown;
    }
    if (body?.length === plainBytes) return body;
    throw new RpcError(
      "invalid_argument",
      `a compressed body does not hold the ${plainBytes} bytes that it declares`,
      { cause },
    );
  }
}
