import { RpcError } from "../errors.ts";
import type { Method } from "./method.ts";

/** What a caller gets whose call comes while there is no room for it. */
export function fullError(serviceMethod: string, hasRoom: boolean): RpcError {
  return new RpcError(
    "resource_exhausted",
    `too many calls${hasRoom ? "" : ` of ${serviceMethod}`} are running: try again later`,
    { sent: false },
  );
}

/** What it gets where the method's latencies have risen. */
export function slowError({ serviceMethod }: Method): RpcError {
  return new RpcError(
    "resource_exhausted",
    `calls of ${serviceMethod} have become slow, and this server takes no more of them for now: try another one, or later`,
    { sent: false },
  );
}

/** What a caller gets that gives two calls the same seq. */
export function secondCallError(seq: number): RpcError {
  return new RpcError(
    "internal",
    `a second call with seq ${seq} came while the first was running`,
  );
}

/**
 * What the caller is told of a handler's throw: a new error, since `sent:
 * false` of a call that the handler made itself must not tell the caller
 * that this one did not run.
 */
export function errorOf(thrown: unknown): RpcError {
  try {
    const { code, message, details } = RpcError.from(thrown);
    return new RpcError(code, String(message), { details });
  } catch {
    // An RpcError whose own fields cannot be read.
    return new RpcError("unknown", "what was thrown cannot be read");
  }
}

/** Whether a handler threw something that it did not mean its caller to see. */
export function isForeign(thrown: unknown): boolean {
  try {
    return !(thrown instanceof RpcError);
  } catch {
    return true;
  }
}
