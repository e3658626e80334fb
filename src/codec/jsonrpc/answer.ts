import { type Code, isCode, RpcError } from "../../errors.ts";
import { cutMessage } from "../../wire/frame.ts";
import type { Limits } from "../../wire/limits.ts";
import { classifyGoError } from "../go-errors.ts";
import { codeOfNumber } from "./error-numbers.ts";
import { isObject, refuseUnlessSound } from "./message.ts";

/** One answer as it was read. */
export interface Answer {
  /** 0: it has none, or null. */
  seq: number;
  reply: unknown;
  error: RpcError | undefined;
  /** Whether the error is no text of a server that has only texts, such as Go's. */
  isCoded: boolean;
}

/**
 * Reads an answer of either version; undefined: it is none of ours, such as a
 * request of the server's, or one with an id that was never given here.
 *
 * @throws RpcError internal  it is no message of JSON-RPC
 */
export function readAnswer(value: unknown, limits: Limits): Answer | undefined {
  if (!isObject(value)) throw noAnswer();
  if (Object.hasOwn(value, "method")) return undefined;
  const { result, error, id = null, code } = value;
  const isAnswer = result !== undefined || error !== undefined;
  if (!isAnswer) throw noAnswer();
  const seq = id === null ? 0 : id;
  if (!isSeq(seq) && id !== null) return undefined;
  const answer: Answer = {
    seq: seq as number,
    reply: undefined,
    error: undefined,
    isCoded: isObject(error) || isCode(code),
  };
  if (error !== undefined && error !== null) {
    answer.error = errorOf(error, code, limits);
    return answer;
  }
  try {
    refuseUnlessSound(result, limits.maxDepth);
    answer.reply = result;
  } catch (thrown) {
    const { message } = RpcError.from(thrown);
    answer.error = undecodable(message);
  }
  return answer;
}

function isSeq(id: unknown): boolean {
  return Number.isSafeInteger(id) && (id as number) > 0;
}

/** The error of an answer: a text (Go's), an object (2.0), or whatever a server of 1.0 likes. */
function errorOf(error: unknown, code: unknown, limits: Limits): RpcError {
  if (typeof error === "string") {
    return new RpcError(
      isCode(code) ? code : classifyGoError(error),
      cutMessage(error),
    );
  }
  if (!isObject(error)) return new RpcError("unknown", textOf(error));
  const { code: number, message, data } = error;
  const { code: ours, details } = isObject(data)
    ? data
    : { code: undefined, details: undefined };
  const found: Code = isCode(ours) ? ours : codeOfNumber(number);
  return new RpcError(
    found,
    typeof message === "string" ? cutMessage(message) : textOf(error),
    { details: soundOrNothing(isCode(ours) ? details : data, limits) },
  );
}

function soundOrNothing(details: unknown, { maxDepth }: Limits): unknown {
  try {
    refuseUnlessSound(details, maxDepth);
    return details;
  } catch {
    // The code matters more.
    return undefined;
  }
}

/** What an error says that is no text; a deep one is not looked into. */
function textOf(error: unknown): string {
  return typeof error === "object"
    ? "the server gave no message"
    : cutMessage(String(error));
}

function undecodable(message: string): RpcError {
  return new RpcError("internal", `the reply cannot be decoded: ${message}`);
}

function noAnswer(): RpcError {
  return new RpcError("internal", "a message is no answer");
}
