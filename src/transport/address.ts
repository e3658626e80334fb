import { RpcError } from "../errors.ts";

/** The ways to reach a server: the word in front of an address's `@`. */
export const protocols = [
  "tcp",
  "unix",
  "http",
  "gorpc",
  "gorpc+http",
  "jsonrpc",
] as const;

export type Protocol = (typeof protocols)[number];

/**
 * Where a server is, as data: `tcp@host:port`, `http@host:port` (RPC after
 * HTTP CONNECT on the same kind of socket) or `unix@path`; or one of Go's
 * net/rpc, `gorpc@host:port`, `gorpc+http@host:port`, `jsonrpc@host:port`.
 */
export type Address =
  | { protocol: Exclude<Protocol, "unix">; host: string; port: number }
  | { protocol: "unix"; path: string };

const example = "write tcp@host:port, http@host:port or unix@/path";

/**
 * Reads `protocol@addr`. A bare `host:port` means tcp. IPv6 hosts stand in
 * brackets, which are not part of `host`. Port 0 is allowed: a listener's
 * free choice.
 *
 * @throws RpcError invalid_argument  says what to write instead
 */
export function parseAddress(text: string): Address {
  const at = text.indexOf("@");
  if (at !== text.lastIndexOf("@") || /[\s,]/.test(text)) {
    throw illFormed(text, example);
  }
  const protocol = at < 0 ? "tcp" : text.slice(0, at);
  const rest = text.slice(at + 1);
  switch (protocol) {
    case "unix":
      if (rest === "") throw illFormed(text, "write unix@/path");
      return { protocol, path: rest };
    case "tcp":
    case "http":
    case "gorpc":
    case "gorpc+http":
    case "jsonrpc":
      return { protocol, ...parseHostPort(rest, text) };
    default:
      throw illFormed(text, `unknown protocol "${protocol}", ${example}`);
  }
}

/** The inverse of {@link parseAddress}, always with its protocol. */
export function formatAddress(address: Address): string {
  return address.protocol === "unix"
    ? `unix@${address.path}`
    : `${address.protocol}@${formatHostPort(address.host, address.port)}`;
}

/** `host:port`, an IPv6 host in brackets. */
export function formatHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether a listener on `host` accepts on every interface. */
export function isWildcardHost(host: string): boolean {
  return /^(0\.0\.0\.0|[0:]*)$/.test(host);
}

/**
 * Reads `host:port`. The host may be empty (`:9999`), which is a wildcard.
 *
 * @throws RpcError invalid_argument
 */
export function parseHostPort(
  text: string,
  whole = text,
): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/?#]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw illFormed(
      whole,
      "host:port is needed, as in 127.0.0.1:9999 or [::1]:9999",
    );
  }
  return { host: match[1] ?? match[2] ?? "", port };
}

function illFormed(text: string, instead: string): RpcError {
  return new RpcError(
    "invalid_argument",
    `"${text}" is not an address: ${instead}`,
  );
}
