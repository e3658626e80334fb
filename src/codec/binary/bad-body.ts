import { RpcError } from "../../errors.ts";
import type { Inbound } from "../codec.ts";

/** A reply, or an item of one, that came but cannot be read fails the call at its caller. */
export function badReply(thrown: unknown): RpcError {
  const error = RpcError.from(thrown);
  return error.code === "resource_exhausted" || error.code === "unimplemented"
    ? error
    : new RpcError(
        "internal",
        `the reply cannot be decoded: ${error.message}`,
        {
          cause: error,
        },
      );
}

/** An argument, or an item of one, that came but cannot be read. */
export function badArgument(thrown: unknown): RpcError {
  return RpcError.from(thrown, "invalid_argument");
}

/** Tells of an item that cannot be read. */
export function tellBadItem(
  inbound: Inbound,
  seq: number,
  isAnswer: boolean,
  thrown: unknown,
  chargedBytes: number,
): void {
  const error = isAnswer ? badReply(thrown) : badArgument(thrown);
  inbound.badItem(seq, isAnswer, error, chargedBytes);
}

/** Something that ends before it should. */
export function cutOff(what: string): RpcError {
  return new RpcError("invalid_argument", `${what} is cut off`);
}
