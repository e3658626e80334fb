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
 * @throws RpcError invalid_argument   a timeout, timeoutUntil, signal or metadata that is none
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
  const { timeoutMs = defaultMs, timeoutUntil, signal, metadata } = options;
  checkTimeout("timeoutMs", timeoutMs);
  checkTimeoutUntil(timeoutUntil);
  checkSignal(signal);
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

/** Whether a call without options is just its argument: made outside of handlers, and no stream. */
export function isBare(args: unknown): boolean {
  return currentCall() === undefined && !isAsyncIterable(args);
}

/** @throws RpcError invalid_argument */
export function checkServiceMethod(serviceMethod: unknown): void {
  if (typeof serviceMethod === "string") return;
  throw new RpcError(
    "invalid_argument",
    `the method to call is no string but of type ${typeof serviceMethod}: write "Service.Method"`,
    { sent: false },
  );
}

/** @throws RpcError invalid_argument */
export function checkSignal(signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw new RpcError(
    "invalid_argument",
    "signal is no AbortSignal: write controller.signal, or AbortSignal.timeout(ms)",
    { sent: false },
  );
}

/** @throws RpcError invalid_argument */
export function checkTimeoutUntil(value: unknown): void {
  if (value === undefined || value === "end" || value === "reply") return;
  throw new RpcError(
    "invalid_argument",
    `timeoutUntil is ${String(value)}: write "end" or "reply"`,
    { sent: false },
  );
}

function isForReply({ timeoutMs, timeoutUntil }: CallOptions): boolean {
  return timeoutUntil === undefined
    ? timeoutMs === undefined
    : timeoutUntil === "reply";
}
