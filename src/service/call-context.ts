import { AsyncLocalStorage } from "node:async_hooks";
import { boundIterable } from "../base/bound-iterable.ts";
import { outside } from "../base/outside.ts";
import { RpcError } from "../errors.ts";
import type { Metadata } from "../wire/metadata.ts";
import type { Context } from "./context.ts";

const serving = new AsyncLocalStorage<Context | undefined>();

/**
 * Makes `context` the current call up to the end of the outside() that this is
 * called in, which it has to be.
 *
 * So does a call start: what sets it off may be another one's bytes being
 * sent, and nothing of that one's storages must be seen in this one.
 */
export function enterCall(context: Context): void {
  serving.enterWith(context);
}

/** The items of a handler's reply, whose source runs in the call that it serves. */
export function itemsInside<T>(
  context: Context,
  items: AsyncIterable<T>,
): AsyncIterable<T> {
  return outside(() => {
    enterCall(context);
    return boundIterable(items);
  });
}

/** Runs `run`; in all of its asynchronous parts `context` is the current call. */
export function runInside<T>(context: Context, run: () => T): T {
  return serving.run(context, run);
}

/**
 * The call that is being served here: its context, as the handler got it.
 *
 * Undefined outside of handlers and inside detach(). It stays the current one
 * in what a handler leaves running, also when it was answered long ago.
 */
export function currentCall(): Context | undefined {
  return serving.getStore();
}

/**
 * Runs `run`; calls made in it inherit nothing from the call being served: no
 * deadline, no cancellation and no trace. For work that has to go on when the
 * caller has gone.
 *
 *     detach(() => audit.Log.append(entry).catch(report));
 */
export function detach<T>(run: () => T): T {
  return serving.run(undefined, run);
}

/** What a call inherits where it is made inside a handler. */
export interface Inheritable {
  /** 0 is no limit. */
  timeoutMs: number;
  /** Whether timeoutMs is over once a stream has begun. */
  isUntilReply: boolean;
  signal: AbortSignal | undefined;
  metadata: Metadata | undefined;
}

/**
 * What holds for a call that is made while the one of `context` is served,
 * and that would have `own` elsewhere. `own` is not changed.
 *
 * - `timeoutMs`: its own, or what is left of the context's deadline where that
 *   is shorter. Where it has none of its own that is until the reply: the
 *   context's may be over, too, once its stream has begun, and a stream of
 *   this call ends with the context's signal.
 * - `signal`: the context's, or one that aborts with either.
 * - `metadata`: its own, and the context's `traceparent` and `tracestate`
 *   where it has no `traceparent`.
 *
 * What a handler leaves running keeps to its deadline after the answer, too:
 * its calls end by then, and none starts later. Its signal stays as it was at
 * the answer, also when the caller has gone: a stream that has begun and has
 * no limit of its own goes on until its reader leaves it. detach() is the way
 * out of both. `nowMs` and `deadlineAt` are instants
 * on one clock: clients and servers of one process are given the same one.
 *
 * @throws RpcError deadline_exceeded  the context's deadline is over; sent is false
 */
export function inherit(
  { deadlineAt = Infinity, signal, metadata }: Context,
  own: Inheritable,
  nowMs: number,
): Inheritable {
  const leftMs = deadlineAt - nowMs;
  if (leftMs <= 0) throw expiredError();
  const isUnlimited = own.timeoutMs === 0;
  const isCut = leftMs < (isUnlimited ? Infinity : own.timeoutMs);
  return {
    timeoutMs: isCut ? leftMs : own.timeoutMs,
    isUntilReply: own.isUntilReply || (isUnlimited && isCut),
    signal: eitherOf(signal, own.signal),
    metadata: traced(metadata, own.metadata),
  };
}

/** AbortSignal.any costs 600 ns: only where there are two. */
function eitherOf(
  inherited: AbortSignal,
  own: AbortSignal | undefined,
): AbortSignal {
  return own === undefined || own === inherited
    ? inherited
    : AbortSignal.any([own, inherited]);
}

/**
 * `own` with the trace of `inherited`. A state belongs to its parent: it comes
 * with that one or not at all.
 * Source: W3C Trace Context, section 3.
 */
function traced(
  inherited: Metadata,
  own: Metadata | undefined,
): Metadata | undefined {
  const parent = inherited.get("traceparent");
  if (parent === undefined || own?.has("traceparent")) return own;
  const all = new Map(own).set("traceparent", parent);
  const state = inherited.get("tracestate");
  if (state === undefined) all.delete("tracestate");
  else all.set("tracestate", state);
  return all;
}

function expiredError(): RpcError {
  return new RpcError(
    "deadline_exceeded",
    "the time of the call that is being served here is over: what has to go on without it belongs inside detach()",
    { sent: false },
  );
}
