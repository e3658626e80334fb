import { type Code, RpcError } from "../errors.ts";
import { textAnswer } from "../http/answer.ts";
import { bodyStatus } from "../http/body.ts";

/** What the one who asked did wrong, or cannot have. */
const statuses: Readonly<Partial<Record<Code, number>>> = {
  invalid_argument: 400,
  unauthenticated: 401,
  permission_denied: 403,
  resource_exhausted: 503,
};

/** The answer to a request that is its sender's fault, or too much; undefined: it is the registry's. */
export function refusalAnswer(thrown: unknown): Response | undefined {
  const status = thrown instanceof RpcError ? statuses[thrown.code] : undefined;
  if (status === undefined) return undefined;
  const headers = status === 401 ? { "WWW-Authenticate": "Bearer" } : undefined;
  return textAnswer((thrown as RpcError).message, status, headers);
}

/** The answer where the store did not do what it was asked: what went wrong is nobody else's matter. */
export function failureAnswer(thrown: unknown): Response {
  return RpcError.from(thrown).code === "unavailable"
    ? textAnswer("the registry cannot reach its store", 503)
    : textAnswer("internal error", 500);
}

/** The answer to a body that could not be read, the rest of which may still be under way. */
export function bodyAnswer(error: RpcError): Response {
  return textAnswer(error.message, bodyStatus(error), { Connection: "close" });
}

export function wrongMethod(allowed: string): Response {
  return textAnswer(`method not allowed: ${allowed}`, 405, { Allow: allowed });
}
