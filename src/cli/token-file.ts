import { readFileSync } from "node:fs";
import { RpcError } from "../errors.ts";
import { parseTokens } from "../registry/tokens.ts";
import type { Kind } from "./kinds.ts";
import { UsageError } from "./usage-error.ts";

/** A file of tokens, by its path; its value is its text. */
export const tokenFile: Kind<string> = { hint: "file", parse: readTokens };

/** A file that holds the one token of this program, by its path; its value is the token. */
export const ownTokenFile: Kind<string> = {
  hint: "file",
  parse(path) {
    const [first, second] = parseTokens(readTokens(path));
    if (first !== undefined && second === undefined) return first.secret;
    throw new UsageError("write a file with one token, this program's");
  },
};

function readTokens(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (thrown) {
    const { message } = RpcError.from(thrown);
    throw new UsageError(`${message}: write a file with a token a line`);
  }
  try {
    parseTokens(text);
    return text;
  } catch (thrown) {
    throw new UsageError(RpcError.from(thrown).message);
  }
}
