import { RpcError } from "../../errors.ts";
import { maxNameBytes } from "../../wire/frame.ts";
import type { Limits } from "../../wire/limits.ts";
import { invalidRequestNumber } from "./error-numbers.ts";
import { idTextsOf } from "./id-texts.ts";
import { isObject, refuseUnlessSound } from "./message.ts";

/** 1 for requests without `"jsonrpc":"2.0"`: what Go writes. */
export type Version = 1 | 2;

/** The longest id, in UTF-16 units of its JSON: it is kept until its answer. */
const maxIdLength = 1024;

/** One request as it was read, also one that only an error can answer. */
export interface Request {
  version: Version;
  /** The id's JSON, to be repeated as it came; undefined in a notification. */
  id: string | undefined;
  serviceMethod: string;
  args: unknown;
  error: RpcError | undefined;
  /** The error's number, where it is not the one of its code. */
  number: number | undefined;
}

/** The texts of numeric ids that a double does not hold, by the request that they stand in. */
export type IdTexts = ReadonlyMap<object, string>;

/**
 * Reads a request of either version.
 *
 * An id may be a string, a number or null. Version 2.0 has notifications by
 * leaving it out; in 1.0 it is null (Go's server would answer that one).
 * Params by position hold the argument alone, params by name are the argument.
 */
export function readRequest(
  value: unknown,
  idTexts: IdTexts | undefined,
  { maxDepth }: Limits,
): Request {
  if (!isObject(value)) return invalid(2, "null", "a request is no object");
  const { jsonrpc, method } = value;
  const version = versionOf(value);
  const id = idOf(value, version, idTexts);
  if (id !== undefined && id.length > maxIdLength) {
    return invalid(version, "null", "an id is too long");
  }
  if (id === "") return invalid(version, "null", "an id is of no such type");
  if (!isKnown(jsonrpc)) {
    return invalid(version, id, "there is no such version of JSON-RPC");
  }
  if (typeof method !== "string") {
    return invalid(version, id, "a request has no method");
  }
  const request: Request = {
    version,
    id,
    // Cut, since logs repeat it.
    serviceMethod: method.slice(0, maxNameBytes),
    args: undefined,
    error: undefined,
    number: undefined,
  };
  try {
    if (method.length > maxNameBytes) throw longName();
    request.args = argsOf(value["params"]);
    refuseUnlessSound(request.args, maxDepth);
  } catch (thrown) {
    request.args = undefined;
    request.error = RpcError.from(thrown);
  }
  return request;
}

/**
 * The JSON of numeric ids that lose something as a double, such as
 * 12345678901234567890; undefined where `message`, which was parsed from
 * `text`, has none, which is nearly always.
 */
export function readIdTexts(
  text: string,
  message: unknown,
): IdTexts | undefined {
  const requests: unknown[] = Array.isArray(message) ? message : [message];
  if (!requests.some(hasOddId)) return undefined;
  const idTexts = new Map<object, string>();
  for (const [place, id] of idTextsOf(text)) {
    const request = requests[place];
    if (isObject(request)) idTexts.set(request, id);
  }
  return idTexts;
}

function hasOddId(request: unknown): boolean {
  if (!isObject(request)) return false;
  const { id } = request;
  return (
    typeof id === "number" && (!Number.isSafeInteger(id) || Object.is(id, -0))
  );
}

/** What has neither version nor method is nothing of 1.0: the newer one's rules say how to answer. */
function versionOf(request: Record<string, unknown>): Version {
  const { jsonrpc } = request;
  const isFirst = jsonrpc === undefined || isFirstVersion(jsonrpc);
  return isFirst && Object.hasOwn(request, "method") ? 1 : 2;
}

function isKnown(jsonrpc: unknown): boolean {
  return jsonrpc === undefined || jsonrpc === "2.0" || isFirstVersion(jsonrpc);
}

/** Some clients of the first version name it, although it has no such member. */
function isFirstVersion(jsonrpc: unknown): boolean {
  return jsonrpc === "1.0" || jsonrpc === "1.1";
}

/** The id's JSON; undefined in a notification, "" where it is of a type that an id cannot have. */
function idOf(
  request: Record<string, unknown>,
  version: Version,
  idTexts: IdTexts | undefined,
): string | undefined {
  const { id } = request;
  if (id === undefined) return undefined;
  if (id === null) return version === 1 ? undefined : "null";
  if (typeof id === "number") return idTexts?.get(request) ?? String(id);
  if (typeof id !== "string") return "";
  // Not encoded to be measured: a megabyte of it is refused as it is.
  return id.length > maxIdLength ? id : JSON.stringify(id);
}

/** @throws RpcError invalid_argument  there is more than one argument, or none where there is something */
function argsOf(params: unknown): unknown {
  if (params === undefined || params === null) return undefined;
  if (isObject(params)) return params;
  if (Array.isArray(params) && params.length <= 1) return params[0];
  throw new RpcError(
    "invalid_argument",
    "a method takes one argument: params is an array of it, or an object",
  );
}

/** An Invalid Request is answered also without an id: it may not have meant to be a notification. */
function invalid(
  version: Version,
  id: string | undefined,
  message: string,
): Request {
  return {
    version,
    id: id ?? "null",
    serviceMethod: "",
    args: undefined,
    error: new RpcError("invalid_argument", message),
    number: invalidRequestNumber,
  };
}

export function longName(): RpcError {
  return new RpcError(
    "invalid_argument",
    `a method's name is over the limit of ${maxNameBytes} characters`,
  );
}
