import { RpcError } from "../errors.ts";
import { serversHeader } from "../registry/headers.ts";
import type { RegistryAnswer } from "../registry/request.ts";
import { canonicalEndpoint, type Endpoint, endpointList } from "./discovery.ts";

/** Of a list, as a registry or a file gives it: a registry keeps no more than 3 MiB. */
export const maxListBytes = 4 * 1024 * 1024;

/** Servers in a list: no registry of ours has room for the entries of so many. */
export const maxListed = 65_536;

/** Of a revision: a registry's is 60 characters long. */
const maxRevisionLength = 256;

/** No registry fills for longer. */
const maxFillingMs = 60_000;

/** What a registry said of its whole list. */
export interface RegistryList {
  readonly endpoints: readonly Endpoint[];
  /** What a watch goes on from; undefined: this registry cannot be watched. */
  readonly revision: string | undefined;
  /** For so long servers that live may be missing; 0: none is. */
  readonly fillingForMs: number;
}

/** What became of some servers: the endpoint as it is now, or undefined when it has gone. */
export interface RegistryChanges {
  readonly changes: ReadonlyMap<string, Endpoint | undefined>;
  readonly revision: string;
}

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
export function readListing(answer: RegistryAnswer): RegistryList {
  return listOf(entriesOf(answer));
}

/**
 * Reads `{"servers":[{"address","services"?,"weight"?,"load"?,"zone"?}]}`, as
 * readListing does.
 *
 * @throws RpcError internal  no such JSON, or entries of which none is usable
 */
export function readJsonListing(text: string): RegistryList {
  return listOf(jsonEntries(text));
}

function listOf({ entries, revision, fillingForMs }: Entries): RegistryList {
  if (entries.length > maxListed) {
    throw nonsense(`it lists ${entries.length} servers`);
  }
  const usable = entries.flatMap(usableEndpoint);
  if (entries.length > 0 && usable.length === 0) {
    throw nonsense(
      `it lists ${entries.length} servers, with no address that is one`,
    );
  }
  return { endpoints: endpointList(usable), revision, fillingForMs };
}

/**
 * Reads an answer to a watch; undefined where it is none but the whole list,
 * since the registry could not tell the changes. Changes of servers that this
 * version cannot dial are skipped.
 *
 * @throws RpcError internal  neither of the two
 */
export function readChanges(
  answer: RegistryAnswer,
): RegistryChanges | undefined {
  const said = isJson(answer) ? parseJson(answer.body) : {};
  const { changes: entries, revision } = said;
  if (!Array.isArray(entries) || !isRevision(revision)) {
    readListing(answer);
    return undefined;
  }
  if (entries.length > maxListed) {
    throw nonsense(`it tells of ${entries.length} changes`);
  }
  const changes = new Map<string, Endpoint | undefined>();
  for (const entry of entries) {
    const [endpoint] = usableEndpoint(entry);
    if (endpoint === undefined) continue;
    const isRemoved = (entry as { removed?: unknown }).removed === true;
    changes.set(endpoint.address, isRemoved ? undefined : endpoint);
  }
  return { changes, revision };
}

interface Entries {
  entries: readonly unknown[];
  revision: string | undefined;
  fillingForMs: number;
}

function isJson({ headers }: RegistryAnswer): boolean {
  const type = headers.get("content-type")?.split(";", 1)[0]?.trim();
  return type?.toLowerCase() === "application/json";
}

function entriesOf(answer: RegistryAnswer): Entries {
  if (isJson(answer)) return jsonEntries(answer.body);
  const servers = answer.headers.get(serversHeader);
  if (servers === null) {
    throw nonsense(`it answered neither JSON nor ${serversHeader}`);
  }
  const entries = servers
    .split(",")
    .map((address) => ({ address: address.trim() }))
    .filter(({ address }) => address !== "");
  return { entries, revision: undefined, fillingForMs: 0 };
}

function jsonEntries(body: string): Entries {
  const { servers, revision, fillingForMs } = parseJson(body);
  if (!Array.isArray(servers))
    throw nonsense("its JSON has no list of servers");
  return {
    entries: servers,
    revision: isRevision(revision) ? revision : undefined,
    fillingForMs:
      typeof fillingForMs === "number"
        ? Math.min(fillingForMs, maxFillingMs)
        : 0,
  };
}

/** Whether it can be sent back: what is longer is taken for none, and not watched. */
function isRevision(value: unknown): value is string {
  return typeof value === "string" && value.length <= maxRevisionLength;
}

function parseJson(body: string): Record<string, unknown> {
  try {
    return (JSON.parse(body) ?? {}) as Record<string, unknown>;
  } catch (cause) {
    throw nonsense("it answered broken JSON", cause);
  }
}

/** The entry as a list of one, or of none. */
function usableEndpoint(entry: unknown): readonly Endpoint[] {
  const { address, services, weight, load, zone } = (entry ?? {}) as Record<
    string,
    unknown
  >;
  if (typeof address !== "string") return [];
  const isTold =
    Array.isArray(services) &&
    services.every((name) => typeof name === "string");
  try {
    return [
      canonicalEndpoint({
        address,
        services: isTold ? services : undefined,
        ...(typeof weight === "number" && { weight }),
        ...(typeof load === "number" && { load }),
        ...(typeof zone === "string" && { zone }),
      }),
    ];
  } catch {
    return [];
  }
}

function nonsense(message: string, cause?: unknown): RpcError {
  return new RpcError("internal", message, { cause });
}
