import type { CallOutcome } from "../balance/picker.ts";
import type { Client } from "../client/client.ts";
import type { RpcError } from "../errors.ts";

/** What a call over `client` that failed with `error` says of its server. */
export function outcomeOf(
  { code, sent }: RpcError,
  client: Client,
): CallOutcome {
  switch (code) {
    case "cancelled":
      return "local";
    case "deadline_exceeded":
      return "failed";
    case "resource_exhausted":
      // A server that is full is well, and would be missed; a limit of the service's own is an answer.
      return sent === false ? "local" : "answered";
    case "unavailable":
      // It leaves, or the request had not got there.
      if (sent === false) return "local";
      // Over a connection that goes on it is the service that says so.
      return client.isAvailable ? "answered" : "failed";
    case "invalid_argument":
      // What cannot be encoded never leaves.
      return sent === undefined ? "local" : "answered";
    default:
      return "answered";
  }
}
