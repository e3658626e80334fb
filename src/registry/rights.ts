import { RpcError } from "../errors.ts";
import type { Tokens } from "./tokens.ts";

/** What a request wants. */
export type Right = "read" | "write";

/**
 * Who may read the list, and who may change it. A right without tokens is
 * everybody's; neither of them includes the other.
 */
export class Rights {
  readonly #tokens: Readonly<Record<Right, Tokens | undefined>>;

  constructor(read: Tokens | undefined, write: Tokens | undefined) {
    this.#tokens = { read, write };
  }

  /**
   * Whether `authorization`, the header, gives `right`; and the owner of the
   * token, undefined where none is asked for.
   *
   * @throws RpcError unauthenticated    no token, or one that nobody has
   * @throws RpcError permission_denied  a token for the other right
   */
  check(right: Right, authorization: string | null): string | undefined {
    const tokens = this.#tokens[right];
    if (tokens === undefined) return undefined;
    const secret = /^Bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
    if (secret === undefined) {
      throw new RpcError(
        "unauthenticated",
        `this registry wants a token to ${right}: send "Authorization: Bearer …"`,
      );
    }
    const owner = tokens.ownerOf(secret);
    if (owner !== undefined) return owner;
    const other = right === "read" ? "write" : "read";
    if (this.#tokens[other]?.ownerOf(secret) !== undefined) {
      throw new RpcError(
        "permission_denied",
        `this token is there to ${other}: send the one to ${right}`,
      );
    }
    throw new RpcError(
      "unauthenticated",
      "the registry does not know this token",
    );
  }
}
