import { RpcError } from "../errors.ts";
import {
  formatAddress,
  isWildcardHost,
  parseAddress,
} from "../transport/address.ts";

/** A registration holds at most this long: one mistyped TTL must not list a dead server for years. */
export const maxTtlMs = 30 * 24 * 60 * 60 * 1000;
/** Longer than proxies let a connection be silent, mostly. */
const maxWatchMs = 60_000;
/** Of an address: the longest host name and a port fit. */
export const maxAddressLength = 300;

/**
 * Reads the address that a server registers, in its one canonical form.
 *
 * A wildcard host (`0.0.0.0`, `[::]`, none) is where the server listens and
 * nothing that others could dial; it becomes `remoteHost`, the host that the
 * registration came from. Only printable ASCII is taken: the list travels in
 * a header.
 *
 * @throws RpcError invalid_argument  says in one line what is wrong
 */
export function readAddress(text: string, remoteHost?: string): string {
  if (text.length > maxAddressLength) {
    throw invalid(`an address has at most ${maxAddressLength} characters`);
  }
  if (!/^[!-~]*$/.test(text)) {
    throw invalid(
      "an address has no spaces, line breaks or other than ASCII characters",
    );
  }
  const address = parseAddress(text);
  if (address.protocol === "unix") return formatAddress(address);
  if (address.port === 0) {
    throw invalid(`"${text}": port 0 is nowhere, register the port in use`);
  }
  if (!isWildcardHost(address.host)) return formatAddress(address);
  const host = dialableHost(remoteHost);
  if (host === undefined) {
    throw invalid(
      `"${text}": a wildcard host, and where it came from is not known: register a host that others can dial`,
    );
  }
  const dialable = formatAddress({ ...address, host });
  parseAddress(dialable);
  return dialable;
}

/**
 * Reads the TTL header: seconds, whole or with a fraction, 0 for ever. Gives
 * ms, or undefined when there is no header.
 *
 * @throws RpcError invalid_argument  no number, negative, or above `maxTtlMs`
 */
export function readTtlMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ttlMs = Number(header) * 1000;
  if (!/^\d+(\.\d+)?$/.test(header) || !(ttlMs <= maxTtlMs)) {
    throw invalid(
      `a TTL is a number of seconds from 0 (for ever) to ${maxTtlMs / 1000}`,
    );
  }
  return ttlMs;
}

/**
 * Reads for how long a watcher wants to wait: seconds, in ms. Without one 25 s.
 *
 * @throws RpcError invalid_argument  no number, or above a minute
 */
export function readWatchTimeoutMs(text: string | null): number {
  if (text === null) return 25_000;
  const timeoutMs = Number(text) * 1000;
  if (!/^\d+(\.\d+)?$/.test(text) || timeoutMs > maxWatchMs) {
    throw invalid(
      `a watch's timeout is a number of seconds from 0 to ${maxWatchMs / 1000}`,
    );
  }
  return timeoutMs;
}

/** Where a connection came from, as others can dial it: IPv4 in IPv6 clothes becomes IPv4. */
function dialableHost(remoteHost: string | undefined): string | undefined {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(remoteHost ?? "");
  const host = mapped?.[1] ?? remoteHost;
  return host === undefined || isWildcardHost(host) ? undefined : host;
}

function invalid(message: string): RpcError {
  return new RpcError("invalid_argument", message);
}
