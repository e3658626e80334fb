import { type Clock, systemClock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import { EtcdEndpoints } from "../registry/etcd-endpoints.ts";
import {
  EtcdGateway,
  type KeyEvent,
  type KeyValue,
} from "../registry/etcd-gateway.ts";
import { EtcdKeys, parseEtcdUrl, readEntry } from "../registry/etcd-keys.ts";
import type { Fetch } from "../registry/request.ts";
import {
  canonicalEndpoint,
  type Discovery,
  type Endpoint,
  endpointList,
} from "./discovery.ts";
import { EtcdWatch, type EtcdState } from "./etcd-watch.ts";
import { maxListed } from "./listing.ts";
import { PolledList, type PollOptions } from "./polled-list.ts";
import type { WatchEnd } from "./registry-watch.ts";
import { WatchPace } from "./watch-pace.ts";

export interface EtcdDiscoveryOptions extends PollOptions {
  /** Of one request, whoever of etcd answers it. Default 3 s. */
  timeoutMs?: number;
  /** Whether etcd is watched, so that a change is known at once. Default true. */
  watch?: boolean;
  fetch?: Fetch;
}

/** What a list of 3 MiB is in base64, with its keys, and as much again. */
const maxAnswerBytes = 16 * 1024 * 1024;

/** Whether `text` is meant as an etcd that registries keep their list in. */
export function isEtcdTarget(text: string): boolean {
  return /^\s*etcd:/i.test(text);
}

/**
 * Reads who serves from the etcd that registries keep their list in,
 * `etcd://host:2379,host:2379/prefix`, without a registry: only reads, so the
 * servers need one to register.
 *
 * One member of etcd is asked until it fails, does not answer within 1 s or
 * answers nonsense, then the next. The list is read as a whole, then followed
 * by etcd's watch while servers are known and somebody asks for them; it keeps
 * the process alive until `close`. Changes are gathered for 100 ms. Polls rest
 * meanwhile. A watch that fails goes on at the next member where it was; when
 * none can, or etcd has forgotten what came after, the list is read anew, and
 * a watch begins after one of the polls, later each time. The rest is as
 * {@link PolledList} says.
 *
 * What etcd lists is what its registries believe: a server that died is listed
 * until the one that keeps it ends its lease.
 */
export class EtcdDiscovery implements Discovery {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #isWatching: boolean;
  readonly #memberCount: number;
  readonly #keys: EtcdKeys;
  readonly #endpoints: EtcdEndpoints;
  readonly #gateway: EtcdGateway;
  readonly #list: PolledList;
  readonly #pace: WatchPace;
  #watch: EtcdWatch | undefined;

  /** @throws RpcError invalid_argument  no such URL */
  constructor(target: string, options: EtcdDiscoveryOptions = {}) {
    this.#name = target.trim();
    const { endpoints, prefix } = parseEtcdUrl(this.#name);
    const { fetch, refreshAfterMs = 10_000, random } = options;
    this.#clock = options.clock ?? systemClock;
    this.#timeoutMs = options.timeoutMs ?? 3_000;
    this.#isWatching = options.watch ?? true;
    this.#memberCount = endpoints.length;
    this.#keys = new EtcdKeys(prefix);
    this.#endpoints = new EtcdEndpoints({
      endpoints,
      clock: this.#clock,
      maxAnswerBytes,
      ...(fetch && { fetch }),
    });
    this.#gateway = new EtcdGateway(this.#endpoints);
    this.#pace = new WatchPace(this.#clock, refreshAfterMs, random);
    this.#list = new PolledList(
      {
        names: [this.#name],
        ask: (isCurrent, signal) => this.#ask(isCurrent, signal),
      },
      options,
    );
  }

  all(): Promise<readonly Endpoint[]> {
    this.#pace.want();
    return this.#list.all();
  }

  refresh(): Promise<void> {
    return this.#list.refresh();
  }

  update(endpoints: readonly Endpoint[]): void {
    this.#list.update(endpoints);
    this.#unwatch();
  }

  close(): void {
    this.#list.close();
    this.#unwatch();
    this.#endpoints.close();
  }

  async #ask(isCurrent: () => boolean, signal: AbortSignal): Promise<void> {
    let state: EtcdState;
    try {
      state = await this.#read();
    } catch (cause) {
      const { message } = RpcError.from(cause);
      const error = this.#failure(message, cause);
      if (!signal.aborted) this.#list.report(this.#name, error);
      throw error;
    }
    if (!isCurrent()) return;
    const endpoints = endpointList([...state.endpoints.values()]);
    this.#list.accept(this.#name, endpoints);
    this.#follow(state);
  }

  async #read(): Promise<EtcdState> {
    const until = this.#clock.now() + this.#timeoutMs;
    const prefix = this.#keys.servers;
    const { revision, keyValues } = await this.#gateway.range(prefix, until);
    if (keyValues.length > maxListed) {
      throw new Error(`it lists ${keyValues.length} servers`);
    }
    const endpoints = new Map<string, Endpoint>();
    for (const keyValue of keyValues) {
      const endpoint = this.#endpointOf(keyValue);
      if (endpoint !== undefined) endpoints.set(keyValue.key, endpoint);
    }
    if (keyValues.length > 0 && endpoints.size === 0) {
      throw new Error(
        `of its ${keyValues.length} keys under ${prefix} no registry wrote one`,
      );
    }
    return { endpoints, revision };
  }

  /** What a registry has written for a server; undefined: somebody else did, or this version cannot dial it. */
  #endpointOf({ key, value }: KeyValue): Endpoint | undefined {
    const address = this.#keys.addressOf(key);
    if (address === undefined) return undefined;
    const entry = readEntry(address, value);
    if (entry === undefined) return undefined;
    try {
      return canonicalEndpoint(entry.registration);
    } catch {
      return undefined;
    }
  }

  /** Watches what comes after `state`, instead of what was watched before. */
  #follow(state: EtcdState): void {
    this.#unwatch();
    if (!this.#isWatching || this.#list.known.length === 0) return;
    if (this.#clock.now() < this.#pace.mayBeginAt) {
      // A watch begins with a list.
      this.#list.staleBy(this.#pace.mayBeginAt);
      return;
    }
    try {
      this.#watch = new EtcdWatch(state, {
        clock: this.#clock,
        memberCount: this.#memberCount,
        watch: (revision, onEvents, signal) =>
          this.#gateway.watch(this.#keys.servers, revision, onEvents, signal),
        read: (event: KeyEvent) =>
          event.kind === "put" ? this.#endpointOf(event) : undefined,
        onList: (endpoints) => this.#take(endpoints),
        onEnd: (reason) => this.#end(reason),
      });
      this.#rest();
    } catch (thrown) {
      this.#end(RpcError.from(thrown));
    }
  }

  /** Takes what the watch brought; false: it is no longer worth its while. */
  #take(endpoints: readonly Endpoint[]): boolean {
    this.#pace.bring();
    this.#list.accept(this.#name, endpoints);
    this.#rest();
    return this.#list.known.length > 0 && this.#pace.isWanted;
  }

  /** A list that is followed is not stale; one of nobody is not followed. */
  #rest(): void {
    if (this.#list.known.length > 0) this.#list.restUntil(Infinity);
  }

  #end(reason: WatchEnd): void {
    this.#watch = undefined;
    if (this.#list.known.length > 0) this.#list.restUntil(this.#clock.now());
    if (reason === "unwanted") return;
    this.#pace.end();
    if (reason === "gap") return;
    const failed = `the watch failed: ${reason.message}`;
    this.#list.report(this.#name, this.#failure(failed, reason));
  }

  #unwatch(): void {
    this.#watch?.stop();
    this.#watch = undefined;
  }

  #failure(message: string, cause: unknown): RpcError {
    const said = `${this.#name}: ${message}`;
    return new RpcError("unavailable", said, { sent: false, cause });
  }
}
