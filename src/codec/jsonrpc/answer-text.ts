import { RpcError } from "../../errors.ts";
import { cutMessage, pieceBytes } from "../../wire/frame.ts";
import type { Limits } from "../../wire/limits.ts";
import { classifyGoError } from "../go-errors.ts";
import { refuseUnlessPlain } from "../value.ts";
import { errorNumber } from "./error-numbers.ts";
import { bodyText } from "./message.ts";
import type { Version } from "./request.ts";

/** What an answer repeats of its request. */
export interface Asked {
  version: Version;
  /** JSON. */
  id: string;
  /** Of an error, where it is not the one of its code. */
  number: number | undefined;
}

/**
 * The JSON of a reply: `{"id":0,"result":3,"error":null}`, or
 * `{"jsonrpc":"2.0","id":0,"result":3}`.
 *
 * A method that returns nothing answers null in 2.0, and in 1.0 `{}`, what a
 * Go method with an empty reply answers. Null itself is refused in 1.0: Go's
 * client takes it for an error without a text, and ends the connection with
 * all calls on it ("invalid error <nil>": jsonrpc/client.go,
 * ReadResponseHeader).
 *
 * @throws RpcError invalid_argument    JSON would change the reply
 * @throws RpcError unimplemented       null, in 1.0
 * @throws RpcError resource_exhausted  over maxMessageBytes
 */
export function replyText(
  { version, id }: Asked,
  reply: unknown,
  limits: Limits,
): string {
  refuseUnlessPlain(reply, limits.maxDepth);
  if (version === 2) {
    const result = bodyText(reply ?? null, limits);
    return `{"jsonrpc":"2.0","id":${id},"result":${result}}`;
  }
  if (reply === null) {
    throw new RpcError(
      "unimplemented",
      "Go's JSON-RPC client cannot take null: return an object, or call with JSON-RPC 2.0",
    );
  }
  const result = reply === undefined ? "{}" : bodyText(reply, limits);
  return `{"id":${id},"result":${result},"error":null}`;
}

/**
 * The JSON of an error. In 1.0 it is a string, since Go takes nothing else,
 * and never an empty one; `code` beside it is ours, for geerpc peers, and
 * left out where the text alone says it. In 2.0 the code and
 * the details stand in `data`; details that cannot be sent are left out, and
 * the message says so.
 */
export function errorText(
  { version, id, number }: Asked,
  { code, message, details }: RpcError,
  limits: Limits,
): string {
  const text = cutMessage(message);
  if (version === 1) {
    const error = text === "" ? code : text;
    const ours = classifyGoError(error) === code ? "" : `,"code":"${code}"`;
    return `{"id":${id},"result":null,"error":${JSON.stringify(error)}${ours}}`;
  }
  const sent = detailsText(details, limits);
  const full =
    sent === undefined ? `${text} (its details cannot be sent)` : text;
  const data = `{"code":"${code}"${sent ? `,"details":${sent}` : ""}}`;
  const error = `{"code":${number ?? errorNumber(code)},"message":${JSON.stringify(full)},"data":${data}}`;
  return `{"jsonrpc":"2.0","id":${id},"error":${error}}`;
}

/** The JSON of an error's details, "" where there are none; undefined: they cannot be sent. */
function detailsText(details: unknown, limits: Limits): string | undefined {
  if (details === undefined) return "";
  const { maxMessageBytes, maxDepth } = limits;
  try {
    refuseUnlessPlain(details, maxDepth);
    return bodyText(details, {
      ...limits,
      maxMessageBytes: Math.min(maxMessageBytes, pieceBytes),
    });
  } catch {
    // Whatever is wrong with the details, the error itself goes out.
    return undefined;
  }
}
