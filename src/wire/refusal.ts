import { isCode, RpcError } from "../errors.ts";

/** The longest line of refusal that is read. */
const maxRefusalBytes = 4096;
/** A longer message is cut. As JSON a character takes at most six bytes. */
const maxMessageChars = 512;

const openBrace = 0x7b;
const lineFeed = 0x0a;

/**
 * The one line that a peer gets whose codec is unknown, or that has not shown
 * yet that it speaks geerpc: `{"Error":…,"Code":…}` and LF.
 */
export function encodeRefusal(error: RpcError): Uint8Array {
  const message = error.message.slice(0, maxMessageChars);
  const line = JSON.stringify({ Error: message, Code: error.code });
  return Buffer.from(`${line}\n`);
}

/**
 * Reads such a line; undefined where it is none.
 */
export function parseRefusal(line: string): RpcError | undefined {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof json !== "object" || json === null) return undefined;
  const { Error: message, Code: code } = json as {
    Error?: unknown;
    Code?: unknown;
  };
  if (typeof message !== "string") return undefined;
  return new RpcError(isCode(code) ? code : "unknown", message, {
    sent: false,
  });
}

/**
 * Looks at the first byte of a stream of frames: no frame begins with `{`, so
 * there it is a refusal's line, which is collected up to its LF.
 */
export class RefusalReader {
  #isDecided = false;
  #isRead = false;
  #line: Uint8Array | undefined;

  /** Whether the stream is a refusal instead of frames. */
  get isReading(): boolean {
    return this.#line !== undefined;
  }

  /** Takes the chunk if it belongs to a refusal; false: it is frames. */
  push(chunk: Uint8Array): boolean {
    if (!this.#isDecided && chunk.length > 0) {
      this.#isDecided = true;
      if (chunk[0] === openBrace) this.#line = new Uint8Array(0);
    }
    if (this.#line === undefined) return false;
    const room = maxRefusalBytes - this.#line.length;
    this.#line = Buffer.concat([this.#line, chunk.subarray(0, room)]);
    return true;
  }

  /** The refusal, once its line is whole; then no more. */
  read(): RpcError | undefined {
    const line = this.#line;
    if (line === undefined || this.#isRead) return undefined;
    const end = line.indexOf(lineFeed);
    if (end < 0 && line.length < maxRefusalBytes) return undefined;
    this.#isRead = true;
    const text = Buffer.from(line.subarray(0, Math.max(end, 0)));
    return (
      parseRefusal(text.toString("utf8")) ??
      new RpcError(
        "internal",
        "the peer answered with something that is no frame",
      )
    );
  }
}
