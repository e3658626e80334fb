import { RpcError } from "../errors.ts";
import type { CallOptions } from "../service/call-options.ts";
import type { HedgeOptions } from "./hedging.ts";

/** What a call of an XClient can have besides the options of any call. */
export interface XCallOptions extends CallOptions {
  /**
   * Whether it may run more than once, so that it is tried anew where nobody
   * knows if it has run. By default what its service declares:
   * `static rpc = { methods: { get: { idempotent: true } } }`.
   */
  idempotent?: boolean;
  /** Calls of one key go to one server in mode "consistent-hash". */
  key?: string;
  /** Asks a second server where the first takes long; only of idempotent methods. Default: the client's. */
  hedge?: boolean | HedgeOptions;
}

/** Gives it back. @throws RpcError invalid_argument  no string: all numbers would go to one server */
export function checkKey(key: unknown): string | undefined {
  if (key === undefined || typeof key === "string") return key;
  throw new RpcError(
    "invalid_argument",
    `key is no string but of type ${typeof key}: write String(key)`,
    { sent: false },
  );
}
