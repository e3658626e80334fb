import type { Code } from "../../errors.ts";

/** JSON-RPC 2.0, section 5.1. */
export const parseErrorNumber = -32700;
export const invalidRequestNumber = -32600;
const methodNotFoundNumber = -32601;
const invalidParamsNumber = -32602;
const internalErrorNumber = -32603;
/** The first of those that are an implementation's own. */
const serverErrorNumber = -32000;

/** The number that a code travels as; the code itself stands in the error's data. */
export function errorNumber(code: Code): number {
  switch (code) {
    case "unimplemented":
      return methodNotFoundNumber;
    case "invalid_argument":
      return invalidParamsNumber;
    case "internal":
      return internalErrorNumber;
    default:
      return serverErrorNumber;
  }
}

/** What the number of a server means that has no codes of ours. */
export function codeOfNumber(number: unknown): Code {
  switch (number) {
    case methodNotFoundNumber:
      return "unimplemented";
    case parseErrorNumber:
    case invalidRequestNumber:
    case invalidParamsNumber:
      return "invalid_argument";
    case internalErrorNumber:
      return "internal";
    default:
      return "unknown";
  }
}
