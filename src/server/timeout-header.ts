import { RpcError } from "../errors.ts";

/** How long the caller of a POST waits: `500`, `500ms` or `5s`. */
export const timeoutHeader = "X-Geerpc-Timeout";

/**
 * In ms; 0, also where there is no header, is no limit.
 *
 * @throws RpcError invalid_argument
 */
export function readTimeoutMs(text: string | null): number {
  if (text === null) return 0;
  const match = /^(\d{1,15}(?:\.\d{1,9})?)(ms|s)?$/.exec(text.trim());
  if (match !== null) return Number(match[1]) * (match[2] === "s" ? 1_000 : 1);
  throw new RpcError(
    "invalid_argument",
    `${timeoutHeader} is "${text.slice(0, 100)}": write it as in 500ms or 5s`,
  );
}
