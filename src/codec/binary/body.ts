import { RpcError } from "../../errors.ts";
import type { Limits } from "../../wire/limits.ts";
import { isPlain, parseJson, stringifyJson } from "../value.ts";
import { unpackMessagePack } from "./msgpack-reader.ts";
import { packMessagePack } from "./msgpack-writer.ts";

/** The number of an encoding is a byte, and the first 16 are taken. */
const maxOwnBodies = 240;

/** The numbers of the built-in body encodings (PROTOCOL.md, "Bodies"). */
export const encodings = {
  nothing: 0,
  json: 1,
  messagePack: 2,
  bytes: 3,
  /** The first of the user's own. */
  first: 16,
} as const;

/**
 * A body encoding of the user's own, for values that the built-in ones carry
 * badly. Both ends register it under the same name; the dialling end names it
 * in `bodies` when it connects.
 */
export interface BodyEncoding {
  /** Whether a value should go this way when the caller does not say. What it throws fails the call. */
  claims(value: unknown): boolean;
  /** The bytes belong to geerpc until they are sent. */
  encode(value: unknown): Uint8Array;
  /** `bytes` are the decoder's to keep, and so are views into them: many libraries decode to such. */
  decode(bytes: Uint8Array): unknown;
}

const named = new Map<string, BodyEncoding>();

/**
 * @throws RpcError already_exists
 */
export function registerBody(name: string, encoding: BodyEncoding): void {
  if (named.has(name) || name === "json") {
    throw new RpcError(
      "already_exists",
      `body encoding "${name}" is registered already`,
    );
  }
  named.set(name, encoding);
}

/** An encoded body: text that is UTF-8 encoded in place later, or bytes. */
export interface Body {
  encoding: number;
  content: string | Uint8Array;
  /** The flags of its frame that say how it travels: pieces, compressed. */
  flags: number;
  /** Its length before compression; 0 where it is not compressed. */
  plainBytes: number;
}

const noBytes = new Uint8Array(0);

function bodyOf(encoding: number, content: string | Uint8Array): Body {
  return { encoding, content, flags: 0, plainBytes: 0 };
}

/** The body encodings of one connection: the built-in ones and those that its Option names. */
export class Bodies {
  readonly #limits: Limits;
  readonly #names: readonly string[];
  readonly #own: readonly BodyEncoding[];

  /** @throws RpcError unimplemented  one of `names` is not registered here, or there are more than 240 */
  constructor(limits: Limits, names: readonly string[]) {
    if (names.length > maxOwnBodies) {
      throw new RpcError(
        "unimplemented",
        `a connection has at most ${maxOwnBodies} body encodings of its own`,
      );
    }
    this.#limits = limits;
    this.#names = names;
    this.#own = names.map((name) => {
      const encoding = named.get(name);
      if (encoding !== undefined) return encoding;
      throw new RpcError(
        "unimplemented",
        `there is no body encoding "${name}" here`,
      );
    });
  }

  /**
   * Encodes `value` in the way that suits it, or in the one of that name.
   * `name` "json" skips the check of whether JSON carries the value exactly.
   *
   * @throws RpcError invalid_argument    a part that cannot travel, with its path
   * @throws RpcError unimplemented       no encoding of that name on this connection
   */
  encode(value: unknown, name?: string): Body {
    try {
      return this.#encode(value, name);
    } catch (thrown) {
      // Also what a getter, a toJSON or a user's encoding throws.
      throw RpcError.from(thrown, "invalid_argument");
    }
  }

  #encode(value: unknown, name: string | undefined): Body {
    if (name !== undefined && name !== "json")
      return this.#encodeAs(value, name);
    if (value === undefined) return bodyOf(encodings.nothing, noBytes);
    if (this.#own.length > 0 && name === undefined) {
      const at = this.#own.findIndex((own) => own.claims(value));
      if (at >= 0) return this.#encodeOwn(value, at);
    }
    if (value instanceof Uint8Array) {
      return bodyOf(encodings.bytes, value);
    }
    const { maxDepth } = this.#limits;
    if (name === "json" || isPlain(value, maxDepth)) {
      return bodyOf(encodings.json, jsonOf(value));
    }
    return bodyOf(encodings.messagePack, packMessagePack(value, maxDepth));
  }

  #encodeAs(value: unknown, name: string): Body {
    const at = this.#names.indexOf(name);
    if (at >= 0) return this.#encodeOwn(value, at);
    throw new RpcError(
      "unimplemented",
      `this connection did not agree on a body encoding "${name}": name it in "bodies" when connecting`,
    );
  }

  #encodeOwn(value: unknown, at: number): Body {
    const content: unknown = (this.#own[at] as BodyEncoding).encode(value);
    if (content instanceof Uint8Array) {
      return bodyOf(encodings.first + at, content);
    }
    throw new RpcError(
      "invalid_argument",
      `the body encoding "${this.#names[at]}" gave no Uint8Array`,
    );
  }

  /**
   * The value in `bytes` from `start` to `end`, free of views into them.
   *
   * @throws RpcError invalid_argument
   * @throws RpcError resource_exhausted  longer than limits.maxMessageBytes
   */
  decode(encoding: number, bytes: Buffer, start: number, end: number): unknown {
    const { maxDepth, maxMessageBytes } = this.#limits;
    if (end - start > maxMessageBytes) {
      throw tooLong(end - start, maxMessageBytes);
    }
    if (encoding === encodings.json) {
      const number = wholeNumber(bytes, start, end);
      if (number >= 0) return number;
      return parseJson(bytes.toString("utf8", start, end), maxDepth);
    }
    if (encoding === encodings.nothing) return undefined;
    const content = new Uint8Array(
      bytes.buffer,
      bytes.byteOffset + start,
      end - start,
    );
    if (encoding === encodings.bytes) return keptOf(content);
    if (encoding === encodings.messagePack) {
      return unpackMessagePack(content, maxDepth);
    }
    const own = this.#own[encoding - encodings.first];
    if (own === undefined) {
      throw new RpcError(
        "invalid_argument",
        `the body is in encoding ${encoding}, which this connection did not agree on`,
      );
    }
    try {
      return own.decode(keptOf(content));
    } catch (thrown) {
      throw RpcError.from(thrown, "invalid_argument");
    }
  }
}

/** The same bytes in a buffer that is theirs alone; `content` may lie in a chunk that is freed behind its last frame. */
function keptOf(content: Uint8Array): Uint8Array {
  // A body that fills its buffer was put together for itself: the buffer is its own.
  const isOwn = content.length === content.buffer.byteLength;
  return isOwn ? content : new Uint8Array(content);
}

/** Of a number its JSON is its text, in a third of the time. */
function jsonOf(value: unknown): string {
  return Number.isFinite(value) ? String(value) : stringifyJson(value);
}

/** The digits of a number that doubles are sure to hold. */
const maxDigits = 15;

/**
 * The JSON in `bytes`, where it is a whole number from 0 and nothing else;
 * else -1. Replies often are: 8 ns instead of 80.
 */
function wholeNumber(bytes: Buffer, start: number, end: number): number {
  const length = end - start;
  if (length > maxDigits || length === 0) return -1;
  // JSON has no leading zeros.
  if (bytes[start] === zero && length > 1) return -1;
  let number = 0;
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - zero;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}

const zero = 0x30;

/** A body over limits.maxMessageBytes, on its way out or in. */
export function tooLong(bytes: number, maxMessageBytes: number): RpcError {
  return new RpcError(
    "resource_exhausted",
    `a message of ${bytes} bytes is over the limit of ${maxMessageBytes}`,
  );
}
