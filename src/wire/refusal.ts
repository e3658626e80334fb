import { isCode, RpcError } from "../errors.ts";
import { kinds } from "./frame.ts";

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

/** How much of a stranger's answer is quoted, in bytes. */
const quotedBytes = 60;

/**
 * Looks at the first byte that a dialling end gets. Settings and errors are
 * frames, and no frame begins with `{`: there it is a refusal's line, which is
 * collected up to its LF. Anything else is no geerpc server.
 */
export class RefusalReader {
  #isRead = false;
  /** The first bytes, to quote, or a refusal's line. */
  #start: Uint8Array | undefined;
  #isReading = false;

  /** Whether the stream is something else than frames. */
  get isReading(): boolean {
    return this.#isReading;
  }

  /** Takes the chunk if it is something else than frames; false: it is frames. */
  push(chunk: Uint8Array): boolean {
    if (this.#start === undefined) {
      const [kind] = chunk;
      if (kind === undefined) return false;
      this.#isReading = kind !== kinds.settings && kind !== kinds.error;
      const count = this.#isReading ? maxRefusalBytes : quotedBytes;
      this.#start = Uint8Array.from(chunk.subarray(0, count));
    } else if (this.#isReading) {
      const room = maxRefusalBytes - this.#start.length;
      this.#start = Buffer.concat([this.#start, chunk.subarray(0, room)]);
    }
    return this.#isReading;
  }

  /** Why there is no connection, once the line of a refusal is whole; then no more. */
  read(): RpcError | undefined {
    const line = this.#start;
    if (!this.#isReading || line === undefined || this.#isRead)
      return undefined;
    if (line[0] !== openBrace) {
      this.#isRead = true;
      return this.strangerError();
    }
    const end = line.indexOf(lineFeed);
    if (end < 0 && line.length < maxRefusalBytes) return undefined;
    this.#isRead = true;
    const text = Buffer.from(line.subarray(0, Math.max(end, 0)));
    return parseRefusal(text.toString("utf8")) ?? this.strangerError();
  }

  /** What a call gets at whose server something else answers: it has not run. */
  strangerError(): RpcError {
    return new RpcError(
      "unavailable",
      `this is no geerpc server: it answered "${quote(this.#start)}"`,
      { sent: false },
    );
  }
}

/** The first line of a stranger's answer, escaped and cut. */
function quote(bytes: Uint8Array = new Uint8Array(0)): string {
  const start = Buffer.from(bytes.subarray(0, quotedBytes)).toString("latin1");
  const line = /^[^\r\n]+/.exec(start)?.[0] ?? start;
  return line.replace(
    /["\\]|[^ -~]/g,
    (character) =>
      `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
