import { RpcError } from "../errors.ts";

/** What every Option carries, so that strangers are told from peers. */
export const magicNumber = 0x3bef5c;

/** The version of the binary framing that this code speaks. */
export const protocolVersion = 1;

/** The Option's timeouts are the original's: nanoseconds. */
export const nanosecondsPerMs = 1e6;

/**
 * The handshake: the first thing that the dialling end sends, as one JSON
 * object. The first four keys are the original's, with its units; a Go peer
 * ignores the others.
 */
export interface Option {
  MagicNumber: number;
  /** What the whole connection speaks: `application/x-geerpc`, `application/json` … */
  CodecType: string;
  /** Nanoseconds for the dial; only the dialling end uses it. 0 is none. */
  ConnectTimeout: number;
  /** Nanoseconds that the server may spend on one request. 0 is none. */
  HandleTimeout: number;
  /** Version of the binary framing; 1 where it is missing. */
  Protocol?: number;
  /** Names of the user's body encodings, numbered from 16 in this order. */
  Bodies?: string[];
  /** How the dialling end can take compressed bodies: "zstd", or none. */
  Compression?: string[];
  /** Bytes of items that a stream towards the dialling end may have under way before the first credit. */
  StreamWindow?: number;
  /** The same for all streams of the connection together. */
  ConnectionWindow?: number;
}

const lineFeed = 0x0a;
const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** What the original's JSON decoder reads at first, and loses what lies behind the Option in it. */
const firstReadBytes = 512;

/** The Option's line: its JSON and one LF. */
export function encodeOption(option: Option): Uint8Array {
  return Buffer.from(`${JSON.stringify(option)}\n`);
}

/**
 * An Option for the original, which would lose what follows in the same read
 * and take an LF that comes alone for a length: padded with spaces before its
 * brace to exactly 512 bytes, without LF. A longer one stays as it is.
 */
export function encodePaddedOption(option: Option): Uint8Array {
  const json = JSON.stringify(option);
  const spaces = Math.max(0, firstReadBytes - Buffer.byteLength(json));
  return Buffer.from(`${json.slice(0, -1)}${" ".repeat(spaces)}}`);
}

/**
 * Finds the end of the Option in bytes that come in any pieces, in one pass.
 * What follows the Option belongs to the codec and is given back.
 */
export class OptionScanner {
  readonly #maxBytes: number;
  #kept: Uint8Array = new Uint8Array(0);
  #scanned = 0;
  #depth = 0;
  #isInText = false;
  #isEscaped = false;

  /** @param maxBytes limits.maxOptionBytes */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes the next bytes. Returns undefined while the Option is incomplete,
   * else its text and the bytes behind it: a view into `chunk`.
   *
   * @throws RpcError invalid_argument    it does not begin with `{`
   * @throws RpcError resource_exhausted  longer than maxBytes; nothing beyond them is kept
   */
  push(chunk: Uint8Array): { text: string; rest: Uint8Array } | undefined {
    const before = this.#kept.length;
    const head = chunk.subarray(0, this.#maxBytes - before);
    this.#kept = Buffer.concat([this.#kept, head]);
    if (this.#kept.length > 0 && this.#kept[0] !== openBrace) {
      throw new RpcError("invalid_argument", "the Option is no JSON object");
    }
    const end = this.#findEnd();
    if (end !== undefined) {
      const text = Buffer.from(this.#kept.subarray(0, end)).toString("utf8");
      return { text, rest: chunk.subarray(end - before) };
    }
    if (this.#kept.length >= this.#maxBytes) {
      throw new RpcError(
        "resource_exhausted",
        `the Option is longer than ${this.#maxBytes} bytes`,
      );
    }
    return undefined;
  }

  #findEnd(): number | undefined {
    while (this.#scanned < this.#kept.length) {
      const byte = this.#kept[this.#scanned++];
      if (this.#isInText) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === backslash) this.#isEscaped = true;
        else if (byte === quote) this.#isInText = false;
      } else if (byte === quote) this.#isInText = true;
      else if (byte === openBrace) this.#depth++;
      else if (byte === closeBrace && --this.#depth === 0) return this.#scanned;
    }
    return undefined;
  }
}

/** The keys with whole numbers from 0. */
const numbers = [
  "ConnectTimeout",
  "HandleTimeout",
  "Protocol",
  "StreamWindow",
  "ConnectionWindow",
] as const;

/** What could be read of an Option, with the reason where it is not acceptable. */
export interface ParsedOption {
  option: Option;
  /** Set where the peer has to be refused; `option` then holds what was readable. */
  error: RpcError | undefined;
}

/**
 * Reads an Option's text. Names match without regard to case and unknown ones
 * are ignored, as in Go. The error, if any, is for the peer: its codec may
 * still be known, so that it can be told in its own language.
 */
export function parseOption(text: string): ParsedOption {
  const option: Option = {
    MagicNumber: 0,
    CodecType: "",
    ConnectTimeout: 0,
    HandleTimeout: 0,
  };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    return refuse(option, "invalid_argument", "the Option is no JSON", cause);
  }
  const fields = new Map(
    Object.entries(json ?? {}).map(([name, value]) => [
      name.toLowerCase(),
      value as unknown,
    ]),
  );
  const codecType = fields.get("codectype");
  if (typeof codecType === "string") option.CodecType = codecType;
  const magic = fields.get("magicnumber");
  if (magic !== magicNumber) {
    return refuse(
      option,
      "invalid_argument",
      `the Option's MagicNumber is not ${magicNumber}: this is no geerpc peer`,
    );
  }
  option.MagicNumber = magicNumber;
  for (const name of numbers) {
    const value = fields.get(name.toLowerCase());
    // Go takes null for "not given".
    if (value === undefined || value === null) continue;
    if (!Number.isInteger(value) || (value as number) < 0) {
      return refuse(
        option,
        "invalid_argument",
        `the Option's ${name} is no whole number from 0`,
      );
    }
    option[name] = Math.min(value as number, Number.MAX_SAFE_INTEGER);
  }
  for (const name of ["Bodies", "Compression"] as const) {
    const names = fields.get(name.toLowerCase());
    if (names === undefined || names === null) continue;
    if (!isTextList(names)) {
      return refuse(
        option,
        "invalid_argument",
        `the Option's ${name} is no list of names`,
      );
    }
    option[name] = names;
  }
  return { option, error: undefined };
}

/** Whether the first byte behind the Option is the LF that may end its line. */
export function isLineFeed(byte: number | undefined): boolean {
  return byte === lineFeed;
}

function isTextList(value: unknown): value is string[] {
  return (
    Array.isArray(value) && value.every((item) => typeof item === "string")
  );
}

function refuse(
  option: Option,
  code: "invalid_argument",
  message: string,
  cause?: unknown,
): ParsedOption {
  return { option, error: new RpcError(code, message, { cause }) };
}
