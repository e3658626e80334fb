import { RpcError } from "../errors.ts";
import { type Description, plainDescription } from "../registry/description.ts";
import type { Settled } from "../xclient/broadcast.ts";

export interface MergedLists {
  /** Methods by service, both sorted. */
  services: Map<string, string[]>;
  /** Names of services of each server that gave its list, sorted. */
  byServer: Map<string, string[]>;
  /** Servers that gave no list, and why. */
  failures: Map<string, RpcError>;
}

/** What several servers answered to `_geerpc.list`, as one list. */
export function mergeLists(
  outcomes: ReadonlyMap<string, Settled>,
): MergedLists {
  const methods = new Map<string, Set<string>>();
  const byServer = new Map<string, string[]>();
  const failures = new Map<string, RpcError>();
  for (const [server, outcome] of outcomes) {
    const list = "reply" in outcome ? readList(outcome.reply) : undefined;
    if (list === undefined) {
      failures.set(
        server,
        "error" in outcome
          ? outcome.error
          : new RpcError("internal", "the server answered no list of services"),
      );
      continue;
    }
    byServer.set(server, list.map(([service]) => service).sort());
    for (const [service, names] of list) {
      const known = methods.get(service) ?? new Set();
      for (const name of names) known.add(name);
      methods.set(service, known);
    }
  }
  const services = new Map(
    [...methods.keys()]
      .sort()
      .map((service) => [service, [...(methods.get(service) ?? [])].sort()]),
  );
  return { services, byServer, failures };
}

/**
 * Each server as a line of the list has it, in the order of `servers`:
 * `{"address","services","version","weight","zone","load","labels","error"}`,
 * without what is not known. The services are those that it answered, else
 * those that it is said to have.
 */
export function serverRows(
  servers: Iterable<string>,
  { byServer, failures }: MergedLists,
  described: ReadonlyMap<string, Description>,
): readonly object[] {
  return [...servers].map((address) => {
    const description = described.get(address);
    const said = description && plainDescription(description);
    const services = byServer.get(address) ?? description?.services;
    const error = failures.get(address)?.toJSON();
    return { address, ...said, services, error };
  });
}

/** `{"services":{"Arith":["sum"]}}`, or undefined for what is something else. */
function readList(reply: unknown): [string, string[]][] | undefined {
  const { services } = (reply ?? {}) as { services?: unknown };
  if (typeof services !== "object" || services === null) return undefined;
  const entries = Object.entries(services);
  return entries.every(([, names]) => isTexts(names)) ? entries : undefined;
}

function isTexts(value: unknown): value is string[] {
  return (
    Array.isArray(value) && value.every((item) => typeof item === "string")
  );
}
