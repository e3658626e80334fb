import { isAsyncIterable } from "../base/async-values.ts";
import { boundIterable } from "../base/bound-iterable.ts";
import { outside } from "../base/outside.ts";
import type { Metadata } from "../wire/metadata.ts";
import { RpcError } from "../errors.ts";
import { enterCall } from "./call-context.ts";
import type { Context } from "./context.ts";

interface AnyCall {
  /** At a client another one may be passed on; a server has found its method. */
  readonly serviceMethod: string;
  /** The argument: an AsyncIterable where it is a stream. */
  readonly args: unknown;
  /** The request's; empty where it has none. */
  readonly metadata: Metadata;
}

/** A call that is being made. */
export interface ClientCall extends AnyCall {
  readonly side: "client";
  /**
   * In ms; undefined is the default, which begins anew each time that it is
   * passed on. The one that the call was made with holds from then on, for
   * all interceptors together: what is passed on can only be shorter.
   */
  readonly timeoutMs: number | undefined;
  readonly timeoutUntil: "end" | "reply" | undefined;
  /** The one that the call was made with ends it in front of next(), too. */
  readonly signal: AbortSignal | undefined;
  readonly onMetadata: ((metadata: Metadata) => void) | undefined;
}

/** A call that is being served. */
export interface ServerCall extends AnyCall {
  readonly side: "server";
  /** The handler's. Its metadata becomes what is passed on. */
  readonly context: Context;
}

export type InterceptedCall = ClientCall | ServerCall;

/** Passes a call on: to the next interceptor, or to the server or the handler. */
export type Next = (call: InterceptedCall) => Promise<unknown>;

/**
 * Stands around every call of a client or of a server, streams too: those that
 * the end makes (`side` is "client"), and those that it serves ("server").
 * Both ends may do both: a server calls its peers, which serve `services`.
 *
 * It passes the call on, as it is or as a copy with other fields, and gives
 * what `next` resolves with, or something else: the reply, for a stream an
 * AsyncIterable, which it may wrap. It may pass a call on more than once, or
 * not at all. What it throws fails the call as if the handler had thrown it.
 * The first of a list is the outermost: it sees calls first and replies last.
 *
 * At a server it runs inside the call: its own calls inherit from that, and
 * the metadata that it passes on is what the handler sees, and where the
 * handler's calls take their trace from.
 *
 *     const authenticate: Interceptor = (call, next) => {
 *       if (call.side === "client") return next(call);
 *       if (call.metadata.get("authorization") === token) return next(call);
 *       throw new RpcError("unauthenticated", "no such token");
 *     };
 */
export type Interceptor = (call: InterceptedCall, next: Next) => unknown;

/**
 * Gives a list of interceptors back. A lone function would have the length of
 * its parameters and no element, and every call would pass it by.
 *
 * @throws RpcError invalid_argument  no array of functions
 */
export function checkInterceptors(
  interceptors: readonly Interceptor[],
): readonly Interceptor[] {
  const isList =
    Array.isArray(interceptors) &&
    interceptors.every((interceptor) => typeof interceptor === "function");
  if (isList) return interceptors;
  throw new RpcError(
    "invalid_argument",
    "interceptors is no array of functions: write [interceptor], also for one",
  );
}

/**
 * Runs `call` through `interceptors` to `last`, which may answer at once or
 * with a promise. Rejects with whatever is thrown on the way.
 *
 * At a server a stream runs in the asynchronous context of the next() that it
 * came from: an interceptor's own AsyncLocalStorage reaches a generator's body.
 */
export function intercept(
  interceptors: readonly Interceptor[],
  call: InterceptedCall,
  last: (call: InterceptedCall) => unknown,
): Promise<unknown> {
  const from = async (
    index: number,
    current: InterceptedCall,
  ): Promise<unknown> => {
    const interceptor = interceptors[index];
    const reply = await (interceptor === undefined
      ? last(current)
      : interceptor(current, (passed) => {
          const passedOn = from(index + 1, passed);
          // One that does not wait for it is not told of its failure either.
          passedOn.catch(() => {});
          return passedOn;
        }));
    return call.side === "server" && isAsyncIterable(reply)
      ? boundIterable(reply)
      : reply;
  };
  return call.side === "server"
    ? outside(() => {
        enterCall(call.context);
        return from(0, call);
      })
    : from(0, call);
}
