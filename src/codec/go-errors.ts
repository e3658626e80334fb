import type { Code } from "../errors.ts";

/** What the error texts of the original and of Go's net/rpc mean. */
const meanings: readonly [RegExp, Code][] = [
  [/^rpc( server)?: service\/method request ill-formed/, "invalid_argument"],
  [/^rpc( server)?: can't find /, "unimplemented"],
  [/^rpc server: request handle timeout/, "deadline_exceeded"],
  [/^(gob|jsonrpc|json): /, "invalid_argument"],
  [/^connection is shut down$/, "unavailable"],
];

/** The code of an error that a Go peer could only send as text; `unknown` for a handler's own. */
export function classifyGoError(text: string): Code {
  return meanings.find(([pattern]) => pattern.test(text))?.[1] ?? "unknown";
}
