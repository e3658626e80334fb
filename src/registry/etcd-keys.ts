import { RpcError } from "../errors.ts";
import { formatHostPort, parseHostPort } from "../transport/address.ts";
import { plainDescription, readDescription } from "./description.ts";
import type { Registration } from "./lease-table.ts";

/** Which etcd, and which part of it. */
export interface EtcdTarget {
  /** `http://host:port`, in the order in which they are asked. */
  readonly endpoints: readonly string[];
  /** What the registry's keys begin with; no `/` at its end. */
  readonly prefix: string;
}

/** A registration as etcd keeps it. */
export interface EtcdEntry {
  readonly registration: Registration;
  /** 0 is for ever. */
  readonly ttlMs: number;
  /** Who may change it; undefined: everybody. */
  readonly owner: string | undefined;
  /** The registry that its heartbeats go to, which ends its lease. */
  readonly keeper: string;
}

/**
 * Where things are in etcd:
 *
 * | key | value |
 * |---|---|
 * | `<prefix>/servers/<address>` | what the server says of itself, as its registration's body has it, with `ttlMs`, `owner` and `keeper` |
 * | `<prefix>/registries/<id>` | empty; there as long as that registry is, by its lease |
 * | `<prefix>/gone` | why the servers of this revision were deleted: `expired` or `deregistered` |
 */
export class EtcdKeys {
  readonly all: string;
  readonly gone: string;
  /** What the key of each server begins with. */
  readonly servers: string;
  readonly #registries: string;

  constructor(prefix: string) {
    this.all = `${prefix}/`;
    this.gone = `${prefix}/gone`;
    this.servers = `${prefix}/servers/`;
    this.#registries = `${prefix}/registries/`;
  }

  server(address: string): string {
    return this.servers + address;
  }

  registry(id: string): string {
    return this.#registries + id;
  }

  addressOf(key: string): string | undefined {
    return after(this.servers, key);
  }

  registryOf(key: string): string | undefined {
    return after(this.#registries, key);
  }
}

export function formatEntry(entry: EtcdEntry): string {
  const { registration, ttlMs, owner, keeper } = entry;
  const said = plainDescription(registration);
  return JSON.stringify({ ...said, ttlMs, owner, keeper });
}

/** Gives undefined for what no registry has written. */
export function readEntry(
  address: string,
  value: string,
): EtcdEntry | undefined {
  try {
    const registration = { address, ...readDescription(value) };
    const { ttlMs, owner, keeper } = JSON.parse(value) as EtcdEntry;
    const isOurs =
      Number.isFinite(ttlMs) &&
      ttlMs >= 0 &&
      typeof keeper === "string" &&
      (owner === undefined || typeof owner === "string");
    return isOurs ? { registration, ttlMs, owner, keeper } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Reads `etcd://host:port,host:port/prefix`. A port that is not written is
 * 2379, and the prefix `/geerpc`.
 *
 * @throws RpcError invalid_argument  says what to write instead
 */
export function parseEtcdUrl(text: string): EtcdTarget {
  const [, hosts = "", path = ""] =
    /^etcd:\/\/([^/?#@\s]+)((?:\/[^/?#\s]+)*)\/?$/i.exec(text) ?? [];
  const endpoints = hosts
    .split(",")
    .filter((host) => host !== "")
    .map((host) => {
      const hasPort = /:\d+$/.test(host) && !/^[^[].*:.*:/.test(host);
      const parsed = parseHostPort(hasPort ? host : `${host}:2379`, text);
      if (parsed.host !== "")
        return `http://${formatHostPort(parsed.host, parsed.port)}`;
      throw illFormed(text);
    });
  if (endpoints.length === 0) throw illFormed(text);
  return { endpoints: [...new Set(endpoints)], prefix: path || "/geerpc" };
}

function after(prefix: string, key: string): string | undefined {
  return key.startsWith(prefix) ? key.slice(prefix.length) : undefined;
}

function illFormed(text: string): RpcError {
  return new RpcError(
    "invalid_argument",
    `"${text}" is no etcd: write etcd://host:2379,host:2379/prefix`,
  );
}
