import type { Code } from "../errors.ts";

/** How texts begin that Go peers make themselves, and what they mean. */
const beginnings: readonly (readonly [string, Code])[] = [
  // The original's server.
  ["rpc server: service/method request ill-formed: ", "invalid_argument"],
  ["rpc server: can't find service ", "unimplemented"],
  ["rpc server: can't find method ", "unimplemented"],
  ["rpc server: request handle timeout: ", "deadline_exceeded"],
  // The original's client, where a handler passes on how a call of its own failed.
  ["rpc client: connect timeout: ", "unavailable"],
  // net/rpc: server.go, readRequestHeader.
  ["rpc: service/method request ill-formed: ", "invalid_argument"],
  ["rpc: can't find service ", "unimplemented"],
  ["rpc: can't find method ", "unimplemented"],
  ["rpc: server cannot decode request: ", "invalid_argument"],
  // An argument that does not fit its Go type: both servers answer with the decoder's words.
  ["gob: ", "invalid_argument"],
  ["json: ", "invalid_argument"],
  ["jsonrpc: ", "invalid_argument"],
  // net/rpc: client.go, input. Passed on by a handler, as above.
  ["reading body ", "internal"],
  ["reading error body: ", "internal"],
];

const wholeTexts = new Map<string, Code>([
  ["connection is shut down", "unavailable"],
  ["context deadline exceeded", "deadline_exceeded"],
  ["context canceled", "cancelled"],
]);

/** What the original's client puts in front of its context's error. */
const callFailed = "rpc client: call failed: ";

/**
 * The code of an error that a Go peer could only send as text; `unknown` for a
 * handler's own words. A guess, since a handler may say anything.
 * Source: go/wire.md, "Error texts to classify"; net/rpc of Go 1.26.
 */
export function classifyGoError(text: string): Code {
  const found = beginnings.find(([beginning]) => text.startsWith(beginning));
  if (found !== undefined) return found[1];
  const whole = text.startsWith(callFailed)
    ? text.slice(callFailed.length)
    : text;
  return wholeTexts.get(whole) ?? "unknown";
}

/** How the original's server answers requests whose body it leaves in the stream. */
const unrouted = [
  "rpc server: service/method request ill-formed: ",
  "rpc server: can't find ",
];

/**
 * Whether a server of the original that says so has lost step.
 * Source: readRequest in its server.go, which routes before it reads the body.
 */
export function isOutOfStep(text: string): boolean {
  return unrouted.some((beginning) => text.startsWith(beginning));
}
