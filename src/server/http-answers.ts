import { type Code, RpcError } from "../errors.ts";
import { isPlain } from "../codec/value.ts";
import { jsonAnswer } from "../http/answer.ts";

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
