import { RpcError } from "../errors.ts";
import { formatHostPort, parseHostPort } from "../transport/address.ts";
import { type Endpoint, endpointList } from "./discovery.ts";
import { SingleSource, type SingleSourceOptions } from "./single-source.ts";

/** One server of a service. Source: RFC 2782. */
export interface SrvRecord {
  readonly name: string;
  readonly port: number;
  /** The lowest is asked first. */
  readonly priority: number;
  readonly weight: number;
}

/** What is needed of the system's resolver. */
export interface DnsResolver {
  /** Every IPv4 and IPv6 address of a host. Rejects where there is none. */
  addresses(host: string): Promise<readonly string[]>;
  /** The SRV records of a name. Rejects where there is no such name. */
  services(name: string): Promise<readonly SrvRecord[]>;
}

export interface DnsDiscoveryOptions extends SingleSourceOptions {
  resolver?: DnsResolver;
}

/** As the machine resolves any host: its hosts file and search domains count. SRV names are asked for as they are. */
const systemResolver: DnsResolver = {
  async addresses(host) {
    const { lookup } = await import("node:dns/promises");
    const found = await lookup(host, { all: true });
    return found.map(({ address }) => address);
  },
  async services(name) {
    const { resolveSrv } = await import("node:dns/promises");
    return resolveSrv(name);
  },
};

/** A name as people write it, without blanks and what belongs in an address. */
const namePattern = /^[\w-]+(\.[\w-]+)*\.?$/;

/** Whether `text` is meant as a name to ask DNS for. */
export function isDnsTarget(text: string): boolean {
  return /^dns:/i.test(text);
}

/**
 * Asks DNS who serves, as for a headless service of Kubernetes.
 *
 * | target           | is asked for                           | an endpoint is                                         |
 * | ---------------- | -------------------------------------- | ------------------------------------------------------ |
 * | dns://host:port  | A and AAAA of `host`                   | each address, `tcp@ip:port`                            |
 * | dns://name       | SRV of `_geerpc._tcp.name`             | each record, `tcp@target:port`, with its weight if any |
 * | dns://_a._b.name | SRV of the name, as it begins with `_` | the same                                               |
 *
 * So a Service with a port named `geerpc` needs no port in the target. Of SRV
 * records those of the lowest priority number count, and a record for `.` says
 * that nobody serves. A record's target is resolved when it is dialled, with
 * all of its addresses as one endpoint.
 *
 * Asked again when the list is wanted and 10 s ± 20 % old, whatever TTL the
 * records have. A name that is not there is a failure, as a resolver that is
 * away: the last good list is kept. The rest is as {@link PolledList} says.
 */
export class DnsDiscovery extends SingleSource {
  /** @throws RpcError invalid_argument  no such target */
  constructor(target: string, options: DnsDiscoveryOptions = {}) {
    const { resolver = systemResolver } = options;
    super(target, readerOf(target, resolver), options);
  }
}

function readerOf(
  target: string,
  resolver: DnsResolver,
): () => Promise<readonly Endpoint[]> {
  // An empty authority is how gRPC writes it.
  const rest = target.replace(/^dns:(\/\/\/?)?/i, "");
  if (!rest.includes(":")) {
    if (!namePattern.test(rest)) throw illFormed(target);
    const name = rest.startsWith("_") ? rest : `_geerpc._tcp.${rest}`;
    return async () => serversOf(await resolver.services(name));
  }
  const { host, port } = parseHostPort(rest, target);
  const isHost = namePattern.test(host) || host.includes(":");
  if (!isHost || port === 0) throw illFormed(target);
  return async () => {
    const addresses = await resolver.addresses(host);
    return endpointList(
      addresses
        // With a zone it is an address on one interface, as fe80::1%eth0.
        .filter((address) => !address.includes("%"))
        .map((address) => endpointAt(address, port)),
    );
  };
}

function serversOf(records: readonly SrvRecord[]): readonly Endpoint[] {
  const lowest = Math.min(...records.map(({ priority }) => priority));
  return endpointList(
    records
      .filter(({ priority, name }) => priority === lowest && name !== ".")
      .filter(({ name, port }) => name !== "" && port > 0)
      .map(({ name, port, weight }) => ({
        ...endpointAt(name.replace(/\.$/, ""), port),
        ...(weight > 0 && { weight }),
      })),
  );
}

function endpointAt(host: string, port: number): Endpoint {
  return { address: `tcp@${formatHostPort(host, port)}`, services: undefined };
}

function illFormed(target: string): RpcError {
  return new RpcError(
    "invalid_argument",
    `"${target}" cannot be asked for: write dns://host:port, or dns://name for its SRV records`,
  );
}
