import type { Clock } from "../base/clock.ts";
import type { CallOptions } from "../service/call-options.ts";
import { termsOf } from "../session/call-terms.ts";
import { CallTime } from "./call-time.ts";

/** What holds for a call over all of its attempts, and for each of them. */
export interface XCallTerms {
  time: CallTime;
  /** Of each attempt, but for its timeoutMs. */
  options: CallOptions;
  /** The one among them. */
  signal: AbortSignal | undefined;
}

/**
 * How long a call may take in all, and what each of its attempts is made with:
 * all that is inherited is in it.
 *
 * @param callTimeoutMs of calls that do not say, in ms; 0 is none
 * @throws RpcError as termsOf
 */
export function xCallTerms(
  args: unknown,
  options: CallOptions,
  clock: Clock,
  callTimeoutMs: number,
): XCallTerms {
  const terms = termsOf(args, options, clock, callTimeoutMs);
  const { timeoutMs, isUntilReply, signal, metadata } = terms;
  const own: CallOptions = {
    ...options,
    timeoutUntil: isUntilReply ? "reply" : "end",
  };
  if (signal !== undefined) own.signal = signal;
  if (metadata !== undefined) own.metadata = metadata;
  return { time: new CallTime(clock, timeoutMs, signal), options: own, signal };
}

/** A signal that aborts with either. AbortSignal.any costs 600 ns: only where there are two. */
export function either(
  own: AbortSignal | undefined,
  other: AbortSignal,
): AbortSignal {
  return own === undefined ? other : AbortSignal.any([own, other]);
}
