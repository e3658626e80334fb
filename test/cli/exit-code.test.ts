import { expect, test } from "bun:test";
import { callExitCode, signalExitCode } from "../../src/cli/exit-code.ts";
import { RpcError } from "../../src/errors.ts";

test.each([
  { code: "not_found", sent: undefined, exits: 1 },
  { code: "unavailable", sent: undefined, exits: 1 },
  { code: "unavailable", sent: true, exits: 1 },
  { code: "unavailable", sent: false, exits: 3 },
  { code: "resource_exhausted", sent: false, exits: 1 },
  { code: "deadline_exceeded", sent: undefined, exits: 4 },
] as const)("$code, sent $sent: $exits", ({ code, sent, exits }) => {
  const error = new RpcError(code, "", sent === undefined ? {} : { sent });
  expect(callExitCode(error)).toBe(exits);
});

test("what is no RpcError is a failed call", () => {
  expect(callExitCode(new Error("anything"))).toBe(1);
});

test("a signal's code is a shell's", () => {
  expect(signalExitCode("SIGINT")).toBe(130);
  expect(signalExitCode("SIGTERM")).toBe(143);
});
