import { isAsyncIterable } from "../base/async-values.ts";
import type { Clock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import {
  currentCall,
  type Inheritable,
  inherit,
} from "../service/call-context.ts";
import { type CallOptions, checkTimeout } from "../service/call-options.ts";
import { checkMetadata } from "../wire/metadata.ts";

/**
 * What holds for a call: its options, the defaults, and what the call that is
 * being served here hands down.
 *
 * @param callTimeoutMs of calls that do not say, in ms; 0 is none
 * @throws RpcError invalid_argument   a timeout or metadata that is none
 * @throws RpcError deadline_exceeded, cancelled  it is over before it starts
 */
export function termsOf(
  args: unknown,
  options: CallOptions,
  clock: Clock,
  callTimeoutMs: number,
): Inheritable {
  // Of an argument that is a stream nobody knows how long it takes.
  const defaultMs = isAsyncIterable(args) ? 0 : callTimeoutMs;
  const { timeoutMs = defaultMs, signal, metadata } = options;
  checkTimeout("timeoutMs", timeoutMs);
  const own: Inheritable = {
    timeoutMs,
    isUntilReply: timeoutMs > 0 && isForReply(options),
    signal,
    metadata: metadata && checkMetadata(metadata),
  };
  const context = currentCall();
  const terms =
    context === undefined ? own : inherit(context, own, clock.now());
  if (terms.signal?.aborted) throw RpcError.fromAbort(terms.signal);
  return terms;
}

function isForReply({ timeoutMs, timeoutUntil }: CallOptions): boolean {
  return timeoutUntil === undefined
    ? timeoutMs === undefined
    : timeoutUntil === "reply";
}
