import { EtcdKeys, formatEntry } from "../../src/registry/etcd-keys.ts";
import { readDescription } from "../../src/registry/description.ts";
import type { Fetch } from "../../src/registry/request.ts";

export const prefix = "/fleet";

interface Stream {
  readonly host: string;
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
}

/**
 * etcd's JSON gateway without a network: keys, revisions, ranges and watches.
 * `asked` tells what each member was asked, a watch with its start. What
 * `answers` has for `range` or `watch` is answered instead.
 */
export class FakeEtcd {
  readonly asked: string[] = [];
  readonly down = new Set<string>();
  /** Take requests, and answer none. */
  readonly silent = new Set<string>();
  answers: { range?: () => Response; watch?: () => Response } = {};
  /** Requests that were not given up and not answered to their end. */
  readonly open = new Set<AbortSignal>();
  readonly #values = new Map<string, { value: string; revision: number }>();
  readonly #log: { revision: number; event: object }[] = [];
  readonly #streams = new Set<Stream>();
  #revision = 1;

  /** Lists a server as a registry does. */
  register(address: string, said: object = {}): void {
    const registration = { address, ...readDescription(JSON.stringify(said)) };
    const entry = { registration, ttlMs: 15_000, owner: undefined };
    const key = new EtcdKeys(prefix).server(address);
    this.put(key, formatEntry({ ...entry, keeper: "one" }));
  }

  deregister(address: string): void {
    const key = new EtcdKeys(prefix).server(address);
    this.#values.delete(key);
    this.#tell({ type: "DELETE", kv: { key: base64(key) } });
  }

  put(key: string, value: string): void {
    this.#values.set(key, { value, revision: this.#revision + 1 });
    this.#tell({ kv: { key: base64(key), value: base64(value) } });
  }

  /** Forgets all changes up to now. */
  compact(): void {
    this.#log.length = 0;
  }

  /** Breaks every connection to a member, and refuses others. */
  cut(host: string): void {
    this.down.add(host);
    for (const stream of this.#streams) {
      if (stream.host !== host) continue;
      this.#streams.delete(stream);
      stream.controller.error(new Error("reset"));
    }
  }

  /** Sends a line of its own to all who watch. */
  send(message: unknown): void {
    const line = Buffer.from(`${JSON.stringify(message)}\n`);
    for (const { controller } of this.#streams) controller.enqueue(line);
  }

  readonly fetch: Fetch = async (url, init) => {
    const { host, pathname } = new URL(url);
    const signal = init.signal as AbortSignal;
    const request = JSON.parse(init.body as string) as {
      create_request?: { start_revision: number };
    };
    const start = request.create_request?.start_revision;
    const kind = pathname === "/v3/kv/range" ? "range" : "watch";
    this.asked.push(`${host} ${kind}${start === undefined ? "" : ` ${start}`}`);
    if (this.down.has(host)) throw new TypeError("Unable to connect");
    this.open.add(signal);
    signal.addEventListener("abort", () => this.open.delete(signal));
    if (this.silent.has(host)) return new Promise<Response>(() => {});
    const answer = this.answers[kind]?.();
    if (answer !== undefined) return answer;
    return start === undefined
      ? this.#range()
      : this.#watch(host, start, signal);
  };

  #range(): Response {
    const kvs = [...this.#values].map(([key, { value, revision }]) => ({
      key: base64(key),
      value: base64(value),
      mod_revision: String(revision),
    }));
    return Response.json({ header: { revision: String(this.#revision) }, kvs });
  }

  #watch(host: string, start: number, signal: AbortSignal): Response {
    const header = { revision: String(this.#revision) };
    const missed = this.#log.filter(({ revision }) => revision >= start);
    const isGap = missed.length < this.#revision + 1 - start;
    const messages: object[] = [{ result: { header, created: true } }];
    if (isGap) {
      const compact_revision = String(this.#revision);
      messages.push({ result: { header, canceled: true, compact_revision } });
    } else {
      messages.push(
        ...missed.map(({ event }) => ({ result: { header, events: [event] } })),
      );
    }
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        for (const message of messages) {
          controller.enqueue(Buffer.from(`${JSON.stringify(message)}\n`));
        }
        const stream = { host, controller };
        this.#streams.add(stream);
        signal.addEventListener("abort", () => this.#streams.delete(stream));
      },
    });
    return new Response(body);
  }

  #tell(event: { type?: string; kv: object }): void {
    const revision = ++this.#revision;
    const kv = { ...event.kv, mod_revision: String(revision) };
    const told = { ...event, kv };
    this.#log.push({ revision, event: told });
    const header = { revision: String(revision) };
    this.send({ result: { header, events: [told] } });
  }
}

export function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
