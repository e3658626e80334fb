import { RpcError } from "../errors.ts";
import type { EtcdEndpoints } from "./etcd-endpoints.ts";

/** A key as it is now, or was when it changed; the value of one that was deleted is empty. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
  /** Of its last change. */
  readonly modRevision: number;
}

export interface KeyEvent extends KeyValue {
  readonly kind: "put" | "delete";
}

/** What a transaction does where nothing has changed the key that it depends on. */
export type KeyOperation =
  | { readonly put: string; readonly value: string }
  | { readonly delete: string };

interface RawKeyValue {
  key: string;
  value?: string;
  mod_revision: string;
}

interface WatchMessage {
  error?: { grpc_code?: number; message?: string };
  result?: {
    header: { revision?: string };
    created?: boolean;
    canceled?: boolean;
    compact_revision?: string;
    cancel_reason?: string;
    events?: { type?: "DELETE"; kv: RawKeyValue }[];
  };
}

/**
 * etcd's JSON gateway (v3): the requests that the store needs. `until` is the
 * instant on the endpoints' clock at which a request fails. Keys and values are
 * text. Revisions stay below 2^53. Errors: as of EtcdEndpoints.
 * Source: etcd.io/docs/v3.4/dev-guide/api_grpc_gateway.
 */
export class EtcdGateway {
  readonly #endpoints: EtcdEndpoints;

  constructor(endpoints: EtcdEndpoints) {
    this.#endpoints = endpoints;
  }

  /** All keys that begin with `prefix`, sorted, and the revision that this is true of. */
  async range(
    prefix: string,
    until: number,
  ): Promise<{ revision: number; keyValues: readonly KeyValue[] }> {
    const { header, kvs = [] } = await this.#endpoints.post<{
      header: { revision: string };
      kvs?: RawKeyValue[];
    }>("/v3/kv/range", rangeOf(prefix), until);
    const keyValues = kvs.map(readKeyValue);
    return { revision: Number(header.revision), keyValues };
  }

  async put(
    key: string,
    value: string,
    leaseId: string,
    until: number,
  ): Promise<void> {
    const put = { key: encode(key), value: encode(value), lease: leaseId };
    await this.#endpoints.post("/v3/kv/put", put, until);
  }

  /**
   * Does `operations` as one if `key` was last changed at `modRevision` (0: is
   * not there). Gives the revision at which that was done, or undefined.
   */
  async putIf(
    key: string,
    modRevision: number,
    operations: readonly KeyOperation[],
    until: number,
  ): Promise<number | undefined> {
    const answer = await this.#endpoints.post<{
      header: { revision: string };
      succeeded?: boolean;
    }>(
      "/v3/kv/txn",
      {
        compare: [
          {
            key: encode(key),
            target: "MOD",
            result: "EQUAL",
            mod_revision: String(modRevision),
          },
        ],
        success: operations.map(requestOf),
      },
      until,
    );
    return answer.succeeded ? Number(answer.header.revision) : undefined;
  }

  /** Gives the id of a new lease of so many seconds. */
  async grant(ttlSeconds: number, until: number): Promise<string> {
    const request = { TTL: String(ttlSeconds) };
    const { ID } = await this.#endpoints.post<{ ID: string }>(
      "/v3/lease/grant",
      request,
      until,
    );
    return ID;
  }

  /** Renews a lease; false when it has ended. */
  async keepAlive(leaseId: string, until: number): Promise<boolean> {
    const { result } = await this.#endpoints.post<{
      result?: { TTL?: string };
    }>("/v3/lease/keepalive", { ID: leaseId }, until);
    return Number(result?.TTL ?? 0) > 0;
  }

  /** Ends a lease; its keys go. */
  async revoke(leaseId: string, until: number): Promise<void> {
    await this.#endpoints.post("/v3/lease/revoke", { ID: leaseId }, until);
  }

  /**
   * Tells the changes of all keys that begin with `prefix` since `revision`
   * (that one is known), each once and in order, those of one revision
   * together, until it fails.
   *
   * @throws RpcError out_of_range  a gap: etcd has forgotten what came after
   *   `revision`, or has never seen it. Nothing was told
   * @throws RpcError cancelled     `signal`
   */
  async watch(
    prefix: string,
    revision: number,
    onEvents: (events: readonly KeyEvent[]) => void,
    signal: AbortSignal,
  ): Promise<never> {
    const request = {
      create_request: { ...rangeOf(prefix), start_revision: revision + 1 },
    };
    const lines = this.#endpoints.lines("/v3/watch", request, signal);
    for await (const line of lines) {
      const events = readWatch(JSON.parse(line) as WatchMessage, revision);
      if (events.length > 0) onEvents(events);
    }
    throw new RpcError("unavailable", "the watch ended");
  }
}

function encode(text: string): string {
  return Buffer.from(text).toString("base64");
}

function decode(base64: string): string {
  return Buffer.from(base64, "base64").toString();
}

/** The keys that begin with `prefix`: up to the one after its last byte. */
function rangeOf(prefix: string): { key: string; range_end: string } {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end.at(-1) as number) + 1;
  return { key: encode(prefix), range_end: end.toString("base64") };
}

function requestOf(operation: KeyOperation): object {
  if ("delete" in operation) {
    return { request_delete_range: { key: encode(operation.delete) } };
  }
  const { put, value } = operation;
  return { request_put: { key: encode(put), value: encode(value) } };
}

function readKeyValue({ key, value = "", mod_revision }: RawKeyValue) {
  const modRevision = Number(mod_revision);
  return { key: decode(key), value: decode(value), modRevision };
}

function readWatch(
  { error, result }: WatchMessage,
  revision: number,
): readonly KeyEvent[] {
  if (error !== undefined || result === undefined) {
    throw new RpcError("unavailable", error?.message ?? "no watch message");
  }
  const isBehind =
    result.created && Number(result.header.revision ?? 0) < revision;
  if (isBehind || result.compact_revision !== undefined) {
    throw new RpcError("out_of_range", `nothing is known of ${revision}`);
  }
  if (result.canceled) {
    throw new RpcError("unavailable", result.cancel_reason ?? "cancelled");
  }
  return (result.events ?? []).map(({ type, kv }) => ({
    kind: type === "DELETE" ? "delete" : "put",
    ...readKeyValue(kv),
  }));
}
