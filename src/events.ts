import { RpcError } from "./errors.ts";

/**
 * What the library has to tell besides the results of calls. Nothing in the
 * library prints: whoever builds a Server, a client or a Registry passes
 * `onEvent` and makes log lines, alerts or metrics of it. Peers' text in an
 * event is cut to 200 characters and is not escaped.
 */
export type RpcEvent =
  /** A listener accepts connections at `address`. */
  | { kind: "listening"; address: string }
  /** A connection did not become a session: its Option or first bytes were refused. */
  | { kind: "peer-refused"; peer: string; error: RpcError }
  /** A session was given up at this end: broken framing, a stalled peer. */
  | { kind: "connection-cut"; peer: string; error: RpcError }
  /** A handler went on for longer than its limit; its result is dropped. */
  | { kind: "handler-timeout"; serviceMethod: string; timeoutMs: number }
  /** A handler threw something that is no RpcError. The stack stays on this side. */
  | { kind: "handler-failed"; serviceMethod: string; error: unknown }
  /** On a gob connection a number was sent both whole and with a fraction: declare its type. */
  | {
      kind: "ambiguous-type";
      /** What was sent: a client's arguments, a server's reply. */
      side: "args" | "reply";
      serviceMethod: string;
      path: string;
      declaration: string;
    }
  | { kind: "registered"; registry: string; address: string }
  | {
      kind: "heartbeat-missed";
      registry: string;
      error: RpcError;
      retryInMs: number;
    }
  | { kind: "deregistered"; registry: string; address: string }
  /** The registry gave no usable answer; the last good list stays in use. */
  | { kind: "discovery-failed"; registry: string; error: RpcError }
  /** What `discovery-failed` was told of gives a list again, of so many servers; it had failed first `afterMs` ago. */
  | {
      kind: "list-restored";
      registry: string;
      servers: number;
      afterMs: number;
    }
  /** In the registry: a server appeared or left. */
  | { kind: "server-added"; address: string }
  | {
      kind: "server-removed";
      address: string;
      reason: "expired" | "deregistered";
    }
  /** In a client: a server accepted a connection, the first one or another. */
  | { kind: "connected"; address: string }
  /** In a client: a connection was lost, or the server ended it. The next call dials anew. */
  | { kind: "disconnected"; address: string; error: RpcError }
  /** In a client: no connection; until `retryInMs` have passed calls prefer other servers. */
  | {
      kind: "dial-failed";
      address: string;
      error: RpcError;
      retryInMs: number;
    }
  /** In a client: a server whose calls failed gets none for a while. */
  | {
      kind: "server-ejected";
      address: string;
      forMs: number;
      reason: "failures-in-a-row" | "failure-rate" | "probe-failed";
    }
  /** In a client: a server that was ejected has answered again. */
  | { kind: "server-returned"; address: string }
  /** In the registry: its store could not be read or written; the request was answered 503 or 500. */
  | {
      kind: "store-failed";
      operation: "list" | "put" | "remove";
      error: unknown;
    }
  /** In the registry: the store's file was damaged. It is at `path` now, and a new one fills by heartbeats. */
  | { kind: "store-damaged"; path: string; error: Error }
  /** In the registry: so many leases run their whole TTL anew, since it is no fault of the servers that they were not renewed. */
  | { kind: "leases-extended"; reason: LeaseExtension; count: number };

/** The registry stood still; it could not write; or too many leases would have ended at once. */
export type LeaseExtension = "stalled" | "store-failed" | "many";

export type OnEvent = (event: RpcEvent) => void;

/** A peer's text as an event may carry it: at most 200 characters. */
export function cutText(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 199)}…`;
}

const quietOnes = new WeakSet<OnEvent>();

/**
 * `onEvent` as the library calls it: what it throws costs no call and not the
 * process, but becomes a warning of the process, with the stack of what was
 * thrown: on stderr, and to listeners of `process.on("warning")`. One that is
 * quiet already is given back.
 */
export function quiet(onEvent: OnEvent): OnEvent {
  if (quietOnes.has(onEvent)) return onEvent;
  const tell: OnEvent = (event) => {
    try {
      onEvent(event);
    } catch (thrown) {
      process.emitWarning(warningOf(thrown));
    }
  };
  quietOnes.add(tell);
  return tell;
}

function warningOf(thrown: unknown): Error {
  // Also what cannot be read, such as a revoked proxy.
  let text = RpcError.from(thrown).message;
  try {
    if (thrown instanceof Error) text = String(thrown.stack);
  } catch {
    // Its message has to do.
  }
  return new Error(`onEvent threw: ${text}`, { cause: thrown });
}
