import type { Metadata } from "../wire/metadata.ts";
import type { CallOptions, NotifyOptions } from "./call-options.ts";
import type { Remote } from "./remote.ts";

/**
 * Who called, as a handler sees it. Of a connection it is one object, which
 * may be kept: a server pushes to its clients over it, also when no call of
 * theirs runs.
 */
export interface Peer {
  /** `tcp@10.0.0.7:51234`; `http@host`, or `http` where the host is not known, for a call by POST. */
  readonly address: string;
  /** Whether a call that starts now has a connection. */
  readonly isAvailable: boolean;
  /**
   * Calls a service of the peer's, over the connection that it came by: of a
   * client those in its option `services`.
   *
   * @throws RpcError as Client.call; unimplemented  it has no such service, or its connection takes no calls
   */
  call<Reply = unknown>(
    serviceMethod: string,
    args?: unknown,
    options?: CallOptions,
  ): Promise<Reply>;
  /**
   * The same without an answer: resolves when it is queued.
   *
   * @throws RpcError as Client.notify
   */
  notify(
    serviceMethod: string,
    args?: unknown,
    options?: NotifyOptions,
  ): Promise<void>;
  /** A view on which the peer's services are properties and their methods typed functions. */
  as<Services>(): Remote<Services>;
}

/**
 * The second argument of every handler.
 *
 * A first argument that is a stream is to be read, or to be given up by its
 * return(): until the call is answered, what has come of it and is not read
 * keeps its part of the window that all streams of the connection share. So
 * does the reply of a call over `peer`, for as long as it lies there.
 */
export interface Context {
  /** Aborts when nobody waits for the result any more: cancelled, out of time, connection lost. */
  readonly signal: AbortSignal;
  /** When the call's time is over, in ms on the clock of performance.now(); undefined where it has no limit. */
  readonly deadlineAt: number | undefined;
  /** What came with the request. */
  readonly metadata: Metadata;
  /**
   * Goes to the caller: what is set before the reply, or before a stream
   * begins, goes with it, what is set later with the stream's end. Text, or
   * bytes under keys that end with `-bin`. Connections without metadata drop
   * it.
   */
  readonly responseMetadata: Map<string, string | Uint8Array>;
  readonly peer: Peer;
}
