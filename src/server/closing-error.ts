import { RpcError } from "../errors.ts";

/** What callers get from a server that drains or has closed: their call was not started. */
export function closingError(): RpcError {
  return new RpcError("unavailable", "the server is shutting down", {
    sent: false,
  });
}
