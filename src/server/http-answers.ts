import { type Code, RpcError } from "../errors.ts";
import { isPlain } from "../codec/value.ts";

/** HTTP's word for each code; the body has ours. */
const statuses: Record<Code, number> = {
  cancelled: 499,
  unknown: 500,
  invalid_argument: 400,
  deadline_exceeded: 504,
  not_found: 404,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 429,
  failed_precondition: 400,
  aborted: 409,
  out_of_range: 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  data_loss: 500,
  unauthenticated: 401,
};

/** Answers change from one moment to the next, and are never anything to run. */
const commonHeaders = {
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
};

/** An answer whose body is JSON already. */
export function jsonAnswer(json: string, status = 200): Response {
  return new Response(`${json}\n`, {
    status,
    headers: { ...commonHeaders, "Content-Type": "application/json" },
  });
}

/** An answer whose one line of text is for people. */
export function textAnswer(
  text: string,
  status = 200,
  headers: Record<string, string> = {},
): Response {
  return new Response(`${text}\n`, {
    status,
    headers: {
      ...commonHeaders,
      "Content-Type": "text/plain; charset=utf-8",
      ...headers,
    },
  });
}

/** `{"code","message","details"?}`; details that JSON would change are left out. */
export function errorAnswer(
  error: RpcError,
  maxDepth: number,
  status = statuses[error.code],
): Response {
  const { code, message, details } = error;
  return jsonAnswer(
    JSON.stringify(
      canSend(details, maxDepth)
        ? { code, message, details }
        : { code, message },
    ),
    status,
  );
}

/** The client has gone; nobody reads this. */
export function goneAnswer(): Response {
  return new Response(null, { status: statuses.cancelled });
}

function canSend(details: unknown, maxDepth: number): boolean {
  try {
    return details !== undefined && isPlain(details, maxDepth);
  } catch {
    return false; // A getter or a proxy that throws.
  }
}
