import { RpcError } from "../../errors.ts";
import type { Limits } from "../../wire/limits.ts";
import { stringifyJson } from "../value.ts";
import { ValueReader } from "./value-reader.ts";

/** Bytes around a body that a message may have besides: a name, an id, an error's text. */
const maxEnvelopeBytes = 32 * 1024;
/** Bytes of an envelope's own characters, and of some white space. */
const bracketBytes = 128;

/**
 * How deep a message may be nested, far beyond a value's maxDepth: a call
 * whose argument is too deep is answered, so its id has to be read.
 */
const extraNesting = 1_000;

/** Cuts messages with room for their envelopes. */
export function messageReader({
  maxMessageBytes,
  maxDepth,
}: Limits): ValueReader {
  return new ValueReader(
    maxMessageBytes + maxEnvelopeBytes,
    maxDepth + extraNesting,
  );
}

/**
 * Whether the body of a message is over the limit.
 *
 * @param nameBytes  of the name and the id in its envelope
 */
export function isTooLong(
  bytes: number,
  nameBytes: number,
  { maxMessageBytes }: Limits,
): boolean {
  return bytes > maxMessageBytes + nameBytes + bracketBytes;
}

/**
 * The JSON of an argument or a reply.
 *
 * @throws RpcError invalid_argument    JSON has nothing for it
 * @throws RpcError resource_exhausted  it is over maxMessageBytes
 */
export function bodyText(value: unknown, limits: Limits): string {
  const { maxMessageBytes } = limits;
  const text = stringifyJson(value);
  // A UTF-16 unit is at most three bytes of UTF-8.
  if (
    text.length * 3 > maxMessageBytes &&
    Buffer.byteLength(text) > maxMessageBytes
  ) {
    throw tooLong(limits);
  }
  return text;
}

/**
 * Refuses a value that JSON.parse made of a peer's text and that is not what
 * the peer meant: nested too deep, or with a number beyond the range of a
 * double, which has become an infinity.
 *
 * @throws RpcError invalid_argument
 */
export function refuseUnlessSound(value: unknown, maxDepth: number): void {
  switch (typeof value) {
    case "number":
      if (Number.isFinite(value)) return;
      throw new RpcError("invalid_argument", "a number is out of range");
    case "object":
      if (value !== null) break;
      return;
    default:
      return;
  }
  if (maxDepth === 0) {
    throw new RpcError("invalid_argument", "a value is nested too deep");
  }
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) {
      refuseUnlessSound(value[at], maxDepth - 1);
    }
    return;
  }
  for (const key in value) {
    refuseUnlessSound((value as Record<string, unknown>)[key], maxDepth - 1);
  }
}

/** @throws RpcError internal  the text is no JSON: the peer does not speak it, so nothing behind it counts */
export function parseMessage(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new RpcError("internal", "a message is no JSON", { cause });
  }
}

/** Whether JSON.parse made an object, and no array, of it. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function tooLong({ maxMessageBytes }: Limits): RpcError {
  return new RpcError(
    "resource_exhausted",
    `a message is over the limit of ${maxMessageBytes} bytes`,
  );
}
