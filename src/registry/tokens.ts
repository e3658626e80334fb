import { RpcError } from "../errors.ts";

/** One who may do something, and what proves it. */
export interface Token {
  /** Stands for the token where it must not be seen: its name or, without one, its digest's beginning. */
  readonly owner: string;
  readonly secret: string;
}

const fewestCharacters = 16;

/**
 * Reads a file of tokens: one a line, behind its owner's name where it has
 * one. Empty lines and those that begin with # are skipped.
 *
 *     # openssl rand -hex 32
 *     billing 3d1f…
 *     billing 77a0…      the next one of the same owner
 *
 * @throws RpcError invalid_argument  a line that is none, a token given twice, or none at all
 */
export function parseTokens(text: string): readonly Token[] {
  const tokens = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map(parseLine);
  if (tokens.length === 0) throw invalid("no token: write one a line");
  if (new Set(tokens.map(({ secret }) => secret)).size < tokens.length) {
    throw invalid("the same token twice: write another one");
  }
  return tokens;
}

/**
 * Checks a token as it travels in a header: 16 to 512 letters, digits and
 * `-._~+/=`.
 * Source: RFC 6750, section 2.1.
 *
 * @throws RpcError invalid_argument  without showing it
 */
export function checkSecret(secret: string): string {
  if (
    secret.length < fewestCharacters ||
    !/^[\w.~+/-]{1,512}={0,2}$/.test(secret)
  ) {
    throw invalid(
      `a token is ${fewestCharacters} to 512 letters and digits, as "openssl rand -hex 32" gives`,
    );
  }
  return secret;
}

/** What those who hold one of these tokens may do. */
export class Tokens {
  readonly #entries: readonly { owner: string; digest: Buffer }[];

  constructor(tokens: readonly Token[]) {
    this.#entries = tokens.map(({ owner, secret }) => ({
      owner,
      digest: digestOf(secret),
    }));
  }

  /** Whose token it is; undefined: nobody's. The time it takes tells nothing of the tokens. */
  ownerOf(secret: string): string | undefined {
    const { timingSafeEqual } = process.getBuiltinModule("node:crypto");
    const digest = digestOf(secret);
    let found: string | undefined;
    for (const entry of this.#entries) {
      if (timingSafeEqual(entry.digest, digest)) found = entry.owner;
    }
    return found;
  }
}

function parseLine(line: string): Token {
  const words = line.split(/\s+/);
  const secret = checkSecret(words.at(-1) as string);
  if (words.length === 1) {
    return { owner: digestOf(secret).toString("hex", 0, 8), secret };
  }
  const [owner = ""] = words;
  if (words.length > 2 || !/^[\w.-]{1,64}$/.test(owner)) {
    throw invalid("a line is a token, or a name, a space and a token");
  }
  return { owner, secret };
}

function digestOf(secret: string): Buffer {
  const { createHash } = process.getBuiltinModule("node:crypto");
  return createHash("sha256").update(secret).digest();
}

function invalid(message: string): RpcError {
  return new RpcError("invalid_argument", message);
}
