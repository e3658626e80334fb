import { RpcError } from "../errors.ts";
import { cutText } from "../events.ts";
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

/** What an answer has in common with others; what it says is checked where it is read. */
interface RawAnswer {
  header: { revision?: unknown };
}

interface RawKeyValue {
  key: string;
  value?: string;
  mod_revision: unknown;
}

interface WatchMessage {
  error?: { grpc_code?: number; message?: string };
  result?: {
    header: { revision?: unknown };
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
 * text. Revisions are whole numbers from 1 and stay below 2^53. Errors: as of
 * EtcdEndpoints; an answer that is none is its endpoint's failure.
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
    const request = rangeOf(prefix);
    return this.#endpoints.post("/v3/kv/range", request, until, (answer) => {
      const { header, kvs = [] } = answer as RawAnswer & {
        kvs?: RawKeyValue[];
      };
      const keyValues = kvs.map(readKeyValue);
      return { revision: readRevision(header.revision), keyValues };
    });
  }

  async put(
    key: string,
    value: string,
    leaseId: string,
    until: number,
  ): Promise<void> {
    const put = { key: encode(key), value: encode(value), lease: leaseId };
    await this.#endpoints.post("/v3/kv/put", put, until, () => {});
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
    const compare = {
      key: encode(key),
      target: "MOD",
      result: "EQUAL",
      mod_revision: String(modRevision),
    };
    const request = { compare: [compare], success: operations.map(requestOf) };
    return this.#endpoints.post("/v3/kv/txn", request, until, (answer) => {
      const { header, succeeded } = answer as RawAnswer & {
        succeeded?: boolean;
      };
      const revision = readRevision(header.revision);
      return succeeded === true ? revision : undefined;
    });
  }

  /** Gives the id of a new lease of so many seconds. */
  async grant(ttlSeconds: number, until: number): Promise<string> {
    const request = { TTL: String(ttlSeconds) };
    return this.#endpoints.post("/v3/lease/grant", request, until, (answer) => {
      const { ID } = answer as { ID?: unknown };
      if (typeof ID === "string") return ID;
      throw new RpcError("unavailable", "it granted a lease without an id");
    });
  }

  /** Renews a lease; false when it has ended. */
  async keepAlive(leaseId: string, until: number): Promise<boolean> {
    const request = { ID: leaseId };
    const path = "/v3/lease/keepalive";
    return this.#endpoints.post(path, request, until, (answer) => {
      const { result } = answer as { result?: { TTL?: unknown } };
      return Number(result?.TTL ?? 0) > 0;
    });
  }

  /** Ends a lease; its keys go. */
  async revoke(leaseId: string, until: number): Promise<void> {
    const request = { ID: leaseId };
    await this.#endpoints.post("/v3/lease/revoke", request, until, () => {});
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
    let seen = revision;
    const messages = this.#endpoints.lines(
      "/v3/watch",
      request,
      signal,
      (line) => {
        const events = readWatch(line as WatchMessage, revision);
        if (events.some(({ modRevision }) => modRevision <= seen)) {
          throw new RpcError("unavailable", `it goes back behind ${seen}`);
        }
        seen = events.at(-1)?.modRevision ?? seen;
        return events;
      },
    );
    for await (const events of messages) {
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
  const modRevision = readRevision(mod_revision);
  return { key: decode(key), value: decode(value), modRevision };
}

function readRevision(value: unknown): number {
  const revision = Number(value);
  if (Number.isSafeInteger(revision) && revision > 0) return revision;
  const text = cutText(String(value));
  throw new RpcError("unavailable", `"${text}" is no revision`);
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
