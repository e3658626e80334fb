import type { GobType } from "../codec/gob/gob-type.ts";
import { RpcError } from "../errors.ts";
import type { Metadata } from "../wire/metadata.ts";

/** How long a call waits that does not say, in ms. */
export const defaultCallTimeoutMs = 5_000;

export interface CallOptions {
  /**
   * How long the caller waits, in ms; 0 is for ever. Default 5,000, and for
   * ever where the argument is a stream.
   */
  timeoutMs?: number;
  /**
   * What has to be there by then: the `end` of the call, or its `reply`, which
   * a stream is from its beginning, so that the stream itself has no limit.
   * By default the end where timeoutMs is given, else the reply.
   */
  timeoutUntil?: "end" | "reply";
  /** Gives the call up when it aborts; the handler's signal aborts, too. */
  signal?: AbortSignal;
  /** Forces a body encoding: "json" skips the check of what JSON would change, other names are the user's own. */
  body?: string;
  /** On gob connections: the argument's Go type, where its value alone does not tell. */
  gob?: GobType;
  /** Goes with the request: lower-case keys, text, or bytes under keys that end with `-bin`. */
  metadata?: Metadata | Readonly<Record<string, string | Uint8Array>>;
  /** Told of the callee's metadata: what comes with the reply or the beginning of a stream, and what comes at a stream's end or with an error. Not told where there is none. */
  onMetadata?: (metadata: Metadata) => void;
}

/** @throws RpcError invalid_argument */
export function checkTimeout(name: string, timeoutMs: number): void {
  if (typeof timeoutMs === "number" && timeoutMs >= 0) return;
  throw new RpcError(
    "invalid_argument",
    `${name} is ${timeoutMs}: write a number of milliseconds from 0 (0 is no limit)`,
  );
}

/** What of them a call can have that gets no answer. */
export type NotifyOptions = Pick<CallOptions, "body" | "gob" | "metadata">;
