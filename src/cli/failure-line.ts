import type { RpcError } from "../errors.ts";
import { CallError } from "../xclient/call-error.ts";
import { toJsonLine } from "./json.ts";

/**
 * A call that failed, as a line of JSON:
 * `{"code","message","details"?,"sent"?,"attempts"?}`. `sent` is false where
 * the call cannot have run, `attempts` are the servers that it was tried with,
 * `{"address","code"}` each.
 */
export function failureLine(error: RpcError): string {
  const { sent } = error;
  const attempts = error instanceof CallError ? error.attempts : undefined;
  return `${toJsonLine({ ...error.toJSON(), sent, attempts })}\n`;
}
