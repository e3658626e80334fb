import { RpcError } from "../errors.ts";
import { serversHeader } from "../registry/headers.ts";
import type { RegistryAnswer } from "../registry/request.ts";
import { type Endpoint, endpointList } from "./discovery.ts";

/**
 * Reads a registry's 2xx answer to GET: ours in JSON, or the original's, whose
 * whole list is one header over an empty body (an empty header is an empty
 * list).
 *
 * Entries whose address this version cannot dial are skipped: a newer server
 * beside the others must not hide them. Services that are no list of strings
 * count as not told.
 *
 * @throws RpcError internal  neither of the two (a login page, a cut answer),
 *   or entries of which none is usable
 */
export function readListing(answer: RegistryAnswer): readonly Endpoint[] {
  const entries = entriesOf(answer);
  const usable = entries.flatMap(usableEndpoint);
  if (entries.length > 0 && usable.length === 0) {
    throw nonsense(
      `it lists ${entries.length} servers, with no address that is one`,
    );
  }
  return endpointList(usable);
}

function entriesOf({ headers, body }: RegistryAnswer): readonly unknown[] {
  const type = headers.get("content-type")?.split(";", 1)[0]?.trim();
  if (type?.toLowerCase() === "application/json") return jsonEntries(body);
  const servers = headers.get(serversHeader);
  if (servers === null) {
    throw nonsense(`it answered neither JSON nor ${serversHeader}`);
  }
  return servers
    .split(",")
    .map((address) => ({ address: address.trim() }))
    .filter(({ address }) => address !== "");
}

function jsonEntries(body: string): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    throw nonsense("it answered broken JSON", cause);
  }
  const servers = (value as { servers?: unknown } | null)?.servers;
  if (!Array.isArray(servers))
    throw nonsense("its JSON has no list of servers");
  return servers;
}

/** The entry as a list of one, or of none. */
function usableEndpoint(entry: unknown): readonly Endpoint[] {
  const { address, services } = (entry ?? {}) as Record<string, unknown>;
  if (typeof address !== "string") return [];
  const isTold =
    Array.isArray(services) &&
    services.every((name) => typeof name === "string");
  try {
    return endpointList([{ address, services: isTold ? services : undefined }]);
  } catch {
    return [];
  }
}

function nonsense(message: string, cause?: unknown): RpcError {
  return new RpcError("internal", message, { cause });
}
