import type { Clock } from "../base/clock.ts";
import { Client } from "../client/client.ts";
import { connect } from "../xclient/connect.ts";

/** Whoever makes calls: a client of one server, or of those that it finds. */
export interface Caller {
  call(
    serviceMethod: string,
    args?: unknown,
    options?: { timeoutMs?: number },
  ): Promise<unknown>;
  close(): Promise<void>;
}

/** Where calls go. */
export type Destination =
  /** One server. */
  | { readonly address: string }
  /** Registries' URLs or servers' addresses, one of which is chosen for each call. */
  | { readonly targets: readonly string[]; readonly registryToken?: string };

export interface CallerOptions {
  codec?: string;
  /** How many; one caller of many servers has so many to each. */
  connections: number;
  clock: Clock;
  signal?: AbortSignal;
}

/**
 * Opens as many callers as there are connections: one entry each, which for
 * many servers are one and the same.
 *
 * @throws RpcError unavailable  nobody is there, or nobody lists servers; then sent is false
 */
export async function openCallers(
  destination: Destination,
  { codec, connections, clock, signal }: CallerOptions,
): Promise<Caller[]> {
  const options = { clock, ...(codec === undefined ? {} : { codec }) };
  if ("targets" in destination) {
    const { targets, registryToken: token } = destination;
    const caller = await connect(targets, {
      ...options,
      mode: "round-robin",
      connectionsPerAddress: connections,
      ...(token === undefined ? {} : { discovery: { token } }),
    });
    return Array.from({ length: connections }, () => caller);
  }
  const dialOptions = { ...options, ...(signal ? { signal } : {}) };
  const clients: Client[] = [];
  try {
    for (let at = 0; at < connections; at++) {
      clients.push(await Client.dial(destination.address, dialOptions));
    }
    return clients;
  } catch (thrown) {
    await closeCallers(clients);
    throw thrown;
  }
}

export async function closeCallers(callers: readonly Caller[]): Promise<void> {
  await Promise.all([...new Set(callers)].map((caller) => caller.close()));
}
