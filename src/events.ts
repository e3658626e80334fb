import type { RpcError } from "./errors.ts";

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
  /** In the registry: a server appeared or left. */
  | { kind: "server-added"; address: string }
  | {
      kind: "server-removed";
      address: string;
      reason: "expired" | "deregistered";
    };

export type OnEvent = (event: RpcEvent) => void;

/** A peer's text as an event may carry it: at most 200 characters. */
export function cutText(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 199)}…`;
}
