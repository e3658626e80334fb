/**
 * The codes a failed call can have: the sixteen of gRPC, in snake_case. The
 * index plus one is gRPC's number, which is what travels in binary frames.
 *
 * - `cancelled`: the caller gave up.
 * - `unknown`: a handler threw something that is no RpcError.
 * - `invalid_argument`: an ill-formed name, an argument that cannot be encoded or decoded.
 * - `deadline_exceeded`: the call's time was over before its answer came.
 * - `resource_exhausted`: a limit.
 * - `unimplemented`: an unknown service or method, or something that the codec lacks.
 * - `internal`: a reply that cannot be encoded, a peer that breaks the protocol.
 * - `unavailable`: no connection, or one that was lost; `sent` says whether the call may have run.
 *
 * The others are for handlers to throw.
 * Source: grpc.github.io/grpc/core/md_doc_statuscodes.html.
 */
export const codes = [
  "cancelled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated",
] as const;

export type Code = (typeof codes)[number];

/** Whether `text` is one of the sixteen codes. */
export function isCode(text: unknown): text is Code {
  return (codes as readonly unknown[]).includes(text);
}

/** The number of a code on the wire: 1 to 16. */
export function codeNumber(code: Code): number {
  return codes.indexOf(code) + 1;
}

/** The code of a number on the wire; a number that is none is `unknown`. */
export function codeOf(number: number): Code {
  return codes[number - 1] ?? "unknown";
}

export interface RpcErrorOptions {
  /** Any value that the connection's codec carries. */
  details?: unknown;
  /**
   * Of an `unavailable` call: false when no byte of its request was handed to
   * the socket or the server says that it was not started, so that it may
   * safely go elsewhere; true when it may have run.
   */
  sent?: boolean;
  cause?: unknown;
}

/**
 * How a call fails, at both ends: a code to act on, a message to read and,
 * where the thrower gave them, details. A stack never travels.
 */
export class RpcError extends Error {
  override readonly name: string = "RpcError";
  readonly code: Code;
  readonly details: unknown;
  readonly sent: boolean | undefined;

  constructor(code: Code, message: string, options: RpcErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.details = options.details;
    this.sent = options.sent;
  }

  /**
   * Makes an RpcError of whatever was thrown. An RpcError (also one of another
   * copy of this library) keeps its code and details; all else is `fallback` with the
   * thrown thing's message. What was thrown stays as `cause`. Never throws,
   * whatever was thrown does when it is looked at.
   */
  static from(thrown: unknown, fallback: Code = "unknown"): RpcError {
    try {
      return RpcError.own(thrown) ?? convert(thrown, fallback);
    } catch {
      // Such as a revoked proxy, or a getter that throws.
      const text = "what was thrown cannot be read";
      return new RpcError(fallback, text, { cause: thrown });
    }
  }

  /** What was thrown where that is an RpcError, also one of another copy of this library; undefined for all else. */
  static own(thrown: unknown): RpcError | undefined {
    if (thrown instanceof RpcError) return thrown;
    if (!(thrown instanceof Error) || thrown.name !== "RpcError") {
      return undefined;
    }
    const { code, details } = thrown as { code?: unknown; details?: unknown };
    if (!isCode(code)) return undefined;
    return new RpcError(code, String(thrown.message), {
      details,
      cause: thrown,
    });
  }

  /** Why an aborted signal's caller gave up: `deadline_exceeded` for AbortSignal.timeout, else `cancelled`. */
  static fromAbort(signal: AbortSignal): RpcError {
    const reason: unknown = signal.reason;
    if (reason instanceof RpcError) return reason;
    const isTimeout = (reason as Error | undefined)?.name === "TimeoutError";
    return new RpcError(
      isTimeout ? "deadline_exceeded" : "cancelled",
      isTimeout ? "the call's time was over" : "the caller cancelled the call",
      { cause: reason },
    );
  }

  /** The form that scripts and pages read: `{"code","message","details"?}`. */
  toJSON(): { code: Code; message: string; details?: unknown } {
    const { code, message, details } = this;
    return details === undefined
      ? { code, message }
      : { code, message, details };
  }
}

/** What becomes of a call that its caller has taken back. */
export function cancelledError(): RpcError {
  return new RpcError("cancelled", "the caller cancelled the call");
}

function convert(thrown: unknown, fallback: Code): RpcError {
  const text =
    thrown instanceof Error ? String(thrown.message) : textOf(thrown);
  return new RpcError(fallback, text, { cause: thrown });
}

/** The text of a thrown thing that is no Error. */
function textOf(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return Object.prototype.toString.call(thrown);
  }
}
