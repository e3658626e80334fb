import { expect, test } from "bun:test";
import { classifyGoError, isOutOfStep } from "../../src/codec/go-errors.ts";
import type { Code } from "../../src/errors.ts";

const meanings: [string, Code][] = [
  // go/wire.md, "Error texts to classify"
  ["rpc server: service/method request ill-formed: X", "invalid_argument"],
  ["rpc server: can't find service X", "unimplemented"],
  ["rpc server: can't find method M", "unimplemented"],
  [
    "rpc server: request handle timeout: expect within 50ms",
    "deadline_exceeded",
  ],
  [
    "gob: wrong type (float64) for received field Args.Num1",
    "invalid_argument",
  ],
  ["boom: it failed", "unknown"],
  ["connection is shut down", "unavailable"],
  ["rpc client: call failed: context deadline exceeded", "deadline_exceeded"],
  ["rpc client: call failed: context canceled", "cancelled"],
  ["rpc client: call failed: boom", "unknown"],
  ["rpc client: connect timeout: expect within 1s", "unavailable"],
  // net/rpc
  ["rpc: service/method request ill-formed: Foo", "invalid_argument"],
  ["rpc: can't find service Foo.Sum", "unimplemented"],
  ["rpc: can't find method Foo.Sum", "unimplemented"],
  ["rpc: server cannot decode request: unexpected EOF", "invalid_argument"],
  ["reading body gob: type mismatch", "internal"],
  ["reading error body: unexpected EOF", "internal"],
  // net/rpc/jsonrpc and encoding/json
  ["jsonrpc: request body missing params", "invalid_argument"],
  [
    "json: cannot unmarshal string into Go value of type int",
    "invalid_argument",
  ],
  ["context deadline exceeded", "deadline_exceeded"],
  ["context canceled", "cancelled"],
  // A handler's own words, where they only look like one of those.
  ["", "unknown"],
  ["the rpc: can't find service", "unknown"],
  ["cannot: connection is shut down", "unknown"],
  ["gobbledygook", "unknown"],
  ["unexpected EOF", "unknown"],
  ["__proto__", "unknown"],
  ["constructor", "unknown"],
];

test.each(meanings)("%p is %p", (text, code) => {
  expect(classifyGoError(text)).toBe(code);
});

test.each([
  ["rpc server: service/method request ill-formed: X", true],
  ["rpc server: can't find service X", true],
  ["rpc server: can't find method M", true],
  ["rpc server: request handle timeout: expect within 50ms", false],
  ["rpc: can't find method Foo.Sum", false],
  ["boom: it failed", false],
])("%p leaves a body in the stream: %p", (text, isLeft) => {
  expect(isOutOfStep(text)).toBe(isLeft);
});
