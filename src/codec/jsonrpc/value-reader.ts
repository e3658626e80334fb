import { RpcError } from "../../errors.ts";

const quote = 0x22;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const firstCapacity = 1024;
const noBytes = new Uint8Array(0);

/**
 * Cuts a stream of bytes, in whatever pieces it comes, into the texts of JSON
 * objects and arrays. White space may stand between them, and need not.
 *
 * Only strings and brackets are told apart here, so that a text need not be
 * JSON; but whatever ends it, the next one begins behind it. A text that lies
 * whole in a chunk is not copied before it is decoded, a torn one is put
 * together with doubling room, and no byte is looked at twice: the cost is
 * linear whatever the pieces.
 */
export class ValueReader {
  /** Bytes of the text that next() gave last. */
  bytes = 0;

  readonly #maxBytes: number;
  readonly #maxNesting: number;
  #chunk: Uint8Array = noBytes;
  #at = 0;
  #torn: Uint8Array = noBytes;
  #tornLength = 0;
  /** Brackets that are open. */
  #level = 0;
  #isInString = false;
  #isEscaped = false;

  /** @param maxNesting brackets within brackets: the parser's stack, and its time */
  constructor(maxBytes: number, maxNesting: number) {
    this.#maxBytes = maxBytes;
    this.#maxNesting = maxNesting;
  }

  /** Takes the next bytes; only allowed once next() has returned undefined. */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk;
  }

  /**
   * The next text; undefined means "need more".
   *
   * @throws RpcError internal            something else stands where an object or an array must begin
   * @throws RpcError resource_exhausted  a text grows past maxBytes or maxNesting; no more of it is kept
   */
  next(): string | undefined {
    if (this.#level === 0) this.#skipSpace();
    const part = this.#scan();
    if (this.#tornLength + part.length > this.#maxBytes) {
      throw new RpcError(
        "resource_exhausted",
        `a message is longer than ${this.#maxBytes} bytes`,
      );
    }
    if (this.#level > 0 || part.length === 0) {
      this.#keep(part);
      // An idle connection keeps no memory for its last chunk.
      this.#chunk = noBytes;
      this.#at = 0;
      return undefined;
    }
    this.bytes = this.#tornLength + part.length;
    if (this.#tornLength === 0) return textOf(part);
    this.#keep(part);
    const text = textOf(this.#torn.subarray(0, this.#tornLength));
    this.#torn = noBytes;
    this.#tornLength = 0;
    return text;
  }

  #skipSpace(): void {
    while (isSpace(this.#chunk[this.#at])) this.#at++;
    const first = this.#chunk[this.#at];
    if (first === undefined || first === openBrace || first === openBracket) {
      return;
    }
    throw new RpcError("internal", "a message is no JSON object or array");
  }

  /** Moves behind the end of the text, or of the chunk; gives what it went over. */
  #scan(): Uint8Array {
    const chunk = this.#chunk;
    const from = this.#at;
    let at = from;
    let level = this.#level;
    let isInString = this.#isInString;
    let isEscaped = this.#isEscaped;
    while (at < chunk.length) {
      const byte = chunk[at++];
      if (isInString) {
        if (isEscaped) isEscaped = false;
        else if (byte === backslash) isEscaped = true;
        else if (byte === quote) isInString = false;
      } else if (byte === quote) isInString = true;
      else if (byte === openBrace || byte === openBracket) {
        if (++level > this.#maxNesting) throw tooDeep(this.#maxNesting);
      } else if (byte === closeBrace || byte === closeBracket) {
        if (--level === 0) break;
      }
    }
    this.#at = at;
    this.#level = level;
    this.#isInString = isInString;
    this.#isEscaped = isEscaped;
    return chunk.subarray(from, at);
  }

  #keep(part: Uint8Array): void {
    const length = this.#tornLength + part.length;
    if (length > this.#torn.length) {
      const grown = new Uint8Array(Math.max(firstCapacity, length * 2));
      grown.set(this.#torn.subarray(0, this.#tornLength));
      this.#torn = grown;
    }
    this.#torn.set(part, this.#tornLength);
    this.#tornLength = length;
  }
}

function tooDeep(maxNesting: number): RpcError {
  return new RpcError(
    "resource_exhausted",
    `a message is nested deeper than ${maxNesting}`,
  );
}

/** White space of JSON: space, tab, LF, CR. */
function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(
    "utf8",
  );
}
