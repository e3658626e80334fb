import { systemClock } from "../base/clock.ts";
import type { Discovery } from "../discovery/discovery.ts";
import { maxListBytes } from "../discovery/listing.ts";
import { type Description, readDescription } from "../registry/description.ts";
import { requestRegistry } from "../registry/request.ts";
import { isRegistryUrl } from "../registry/url.ts";
import { formatAddress, parseAddress } from "../transport/address.ts";

const timeoutMs = 3_000;

/**
 * What servers are said to be, by address: by the first registry that tells
 * it, else as far as discovery knows it.
 */
export async function describedServers(
  targets: readonly string[],
  discovery: Discovery,
  token: string | undefined,
): Promise<ReadonlyMap<string, Description>> {
  for (const url of targets.filter(isRegistryUrl)) {
    try {
      const init = { headers: { Accept: "application/json" } };
      const answer = await requestRegistry(url, init, {
        fetch: globalThis.fetch,
        clock: systemClock,
        timeoutMs,
        maxAnswerBytes: maxListBytes,
        token,
      });
      return readServers(answer.body);
    } catch {
      // One that is away, or the original's, which tells addresses only.
    }
  }
  const endpoints = await discovery.all();
  return new Map(endpoints.map((endpoint) => [endpoint.address, endpoint]));
}

/** Entries that are none are left out. */
function readServers(body: string): Map<string, Description> {
  const { servers } = JSON.parse(body) as { servers: readonly unknown[] };
  const described = new Map<string, Description>();
  for (const entry of servers) {
    try {
      const { address } = entry as { address: string };
      const description = readDescription(JSON.stringify(entry));
      described.set(formatAddress(parseAddress(address)), description);
    } catch {
      // Of a newer registry.
    }
  }
  return described;
}
