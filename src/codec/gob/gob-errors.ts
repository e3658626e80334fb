import { RpcError } from "../../errors.ts";

/** Bytes inside a well-formed message that are no value of its type: only that value is lost. */
export function malformed(what: string): RpcError {
  return new RpcError("invalid_argument", `gob: ${what}`);
}

/** A stream that breaks gob's rules, and cannot be followed further. */
export function broken(what: string): RpcError {
  return new RpcError("internal", `gob: ${what}`);
}

/** A limit that a peer has passed. */
export function exhausted(what: string): RpcError {
  return new RpcError("resource_exhausted", `gob: ${what}`);
}
