import { Backoff, reconnectBackoff } from "../base/backoff.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { jitter, type Random } from "../base/random.ts";
import { RpcError } from "../errors.ts";
import { type OnEvent, quiet } from "../events.ts";
import {
  type Fetch,
  type RegistryAnswer,
  requestRegistry,
} from "../registry/request.ts";
import { checkSecret } from "../registry/tokens.ts";
import { parseRegistryUrls } from "../registry/url.ts";
import {
  closedError,
  type Discovery,
  type Endpoint,
  endpointList,
} from "./discovery.ts";
import { EmptyDoubt } from "./empty-doubt.ts";
import { type RegistryList, readListing } from "./listing.ts";
import { KeptEndpoints } from "./kept-endpoints.ts";
import { RegistryWatch, type WatchEnd } from "./registry-watch.ts";

export interface RegistryDiscoveryOptions {
  /** The age at which a list is stale, ± 20 %. Default 10 s. */
  refreshAfterMs?: number;
  /** Of one request to one registry. Default 3 s: the second registry answers within a call's 5 s. */
  timeoutMs?: number;
  /** Where the registry asks for a token to list its servers. Sent as it is: plain http:// shows it to the network. */
  token?: string;
  /** Whether registries that can are watched, so that a change is known at once. Default true. */
  watch?: boolean;
  clock?: Clock;
  random?: Random;
  /** Told of `discovery-failed`, once per request that gave no usable answer. */
  onEvent?: OnEvent;
  fetch?: Fetch;
}

/** How long at most nobody asks again while no server is known: one may register at any time. */
const maxUnknownMs = 1_000;

/** After so long without anybody who wants the list, it is no longer watched. */
const maxIdleMs = 60_000;

/** Of a list: a registry keeps no more than 3 MiB. */
const maxAnswerBytes = 4 * 1024 * 1024;

/**
 * Asks registries who serves.
 *
 * They are asked in the order given, each time from the first: the next one
 * only when those before it failed. However many callers there are, one
 * request is under way at a time. A list is refreshed when it is asked for and
 * stale; nothing runs while nobody asks. The last good list is kept while no
 * registry gives another: away, slow, 500, 404, a redirect, nonsense, an
 * endless body; and while an empty one is doubted ({@link EmptyDoubt}).
 * Failures are repeated after 250 ms × 1.6 and so on, at most `refreshAfterMs`.
 * While it knows no server `all` waits for an answer, and gives the last one,
 * be it an empty list or a failure, at once for as long as that backoff says,
 * here at most 1 s: however many calls come, a registry is not asked more.
 *
 * A registry that can be watched is, while servers are known and somebody asks
 * for them, by a request that waits for the next change; it keeps the process
 * alive until `close`. Polls then stop, unless servers tell their load, which
 * no watch brings, or it is not the first registry, which may come back. They
 * go on when the watch fails; it begins anew after one of them, later each
 * time.
 *
 * What a registry lists may have gone, and nothing here dials it.
 */
export class RegistryDiscovery implements Discovery {
  readonly #urls: readonly string[];
  readonly #options: Required<Omit<RegistryDiscoveryOptions, "token">>;
  readonly #token: string | undefined;
  readonly #backoff: Backoff;
  readonly #watchBackoff: Backoff;
  readonly #doubt = new EmptyDoubt();
  readonly #kept = new KeptEndpoints();
  readonly #giveUp = new AbortController();
  /** The list as `all` gives it: one promise for all calls until the next list. */
  #list: Promise<readonly Endpoint[]> = Promise.resolve([]);
  #known: readonly Endpoint[] = [];
  #staleAt = -Infinity;
  /** Why the last request gave no list. */
  #failure: RpcError | undefined;
  /** Counts the lists set by hand, so that an older answer is known as one. */
  #updates = 0;
  #refreshing: Promise<void> | undefined;
  /** The registry that is watched. */
  #watched: { readonly url: string; readonly watch: RegistryWatch } | undefined;
  /** Of the requests of watches. */
  #watchGiveUp = new AbortController();
  #mayWatchAt = -Infinity;
  /** When somebody last wanted the list. */
  #askedAt = -Infinity;
  #isClosed = false;

  /** @throws RpcError invalid_argument  a bad URL or token, or no URL */
  constructor(
    urls: string | readonly string[],
    options: RegistryDiscoveryOptions = {},
  ) {
    this.#urls = parseRegistryUrls(urls);
    if (options.token !== undefined) this.#token = checkSecret(options.token);
    this.#options = {
      refreshAfterMs: options.refreshAfterMs ?? 10_000,
      timeoutMs: options.timeoutMs ?? 3_000,
      watch: options.watch ?? true,
      clock: options.clock ?? systemClock,
      random: options.random ?? Math.random,
      onEvent: options.onEvent ? quiet(options.onEvent) : () => {},
      fetch: options.fetch ?? globalThis.fetch,
    };
    const { refreshAfterMs: maxMs, random } = this.#options;
    this.#backoff = new Backoff({ ...reconnectBackoff, maxMs }, random);
    this.#watchBackoff = new Backoff({ ...reconnectBackoff, maxMs }, random);
  }

  all(): Promise<readonly Endpoint[]> {
    if (this.#isClosed) return Promise.reject(closedError());
    this.#askedAt = this.#options.clock.now();
    if (this.#known.length === 0) return this.#allOfNone();
    if (this.#refreshing === undefined && this.#askedAt >= this.#staleAt) {
      // Told through onEvent; callers go on with what they have.
      this.refresh().catch(() => {});
    }
    return this.#list;
  }

  refresh(): Promise<void> {
    if (this.#isClosed) return Promise.reject(closedError());
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  update(endpoints: readonly Endpoint[]): void {
    this.#unwatch();
    this.#take(endpointList(endpoints));
    this.#updates++;
  }

  close(): void {
    this.#isClosed = true;
    this.#giveUp.abort();
    this.#unwatch();
  }

  /** What `all` gives while no server is known. */
  #allOfNone(): Promise<readonly Endpoint[]> {
    if (this.#refreshing !== undefined || this.#isStale()) {
      return this.#filled();
    }
    return this.#failure === undefined
      ? this.#list
      : Promise.reject(this.#failure);
  }

  /** The list once somebody has filled it: an answer, or meanwhile a hand. */
  async #filled(): Promise<readonly Endpoint[]> {
    try {
      await this.refresh();
    } catch (thrown) {
      if (this.#known.length === 0) throw thrown;
    }
    return this.#list;
  }

  #isStale(): boolean {
    return this.#options.clock.now() >= this.#staleAt;
  }

  async #refresh(): Promise<void> {
    const updates = this.#updates;
    const failures: RpcError[] = [];
    for (const url of this.#urls) {
      try {
        const list = await this.#read(url);
        if (this.#updates === updates && !this.#isClosed) {
          this.#kept.begin(list, this.#known, this.#options.clock.now());
          this.#accept(url, list.endpoints);
          this.#watch(url, list);
        }
        return;
      } catch (thrown) {
        if (this.#isClosed) throw closedError();
        const error = RpcError.from(thrown);
        failures.push(error);
        this.#report(url, error);
      }
    }
    const failure = new RpcError(
      "unavailable",
      failures.map(({ message }) => message).join("; "),
      { sent: false, cause: failures[0] },
    );
    if (this.#updates === updates) {
      this.#failure = failure;
      this.#waitForRetry();
    }
    throw failure;
  }

  async #read(url: string): Promise<RegistryList> {
    const { timeoutMs } = this.#options;
    const { signal } = this.#giveUp;
    const answer = await this.#get(url, timeoutMs, signal);
    try {
      return readListing(answer);
    } catch (cause) {
      const { message } = RpcError.from(cause);
      throw new RpcError("unavailable", `registry ${url}: ${message}`, {
        sent: false,
        cause,
      });
    }
  }

  #get(
    url: string,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<RegistryAnswer> {
    const { fetch, clock } = this.#options;
    const token = this.#token;
    const headers = { Accept: "application/json" };
    // A change wakes all clients: they need not dial all at once, too.
    const isFollowed = signal === this.#watchGiveUp.signal;
    const limits = { timeoutMs, maxAnswerBytes, isFollowed };
    const options = { fetch, clock, token, signal, ...limits };
    return requestRegistry(url, { headers }, options);
  }

  /** Watches `url`, whose list this is, instead of what was watched before. */
  #watch(url: string, { endpoints, revision }: RegistryList): void {
    if (this.#watched?.url === url) {
      this.#restPolls(url, endpoints);
      return;
    }
    this.#unwatch();
    const { clock, watch: isOn } = this.#options;
    if (!isOn || revision === undefined || this.#known.length === 0) return;
    if (clock.now() < this.#mayWatchAt) {
      // A watch begins with a list.
      this.#staleAt = Math.min(this.#staleAt, this.#mayWatchAt);
      return;
    }
    const { signal } = this.#watchGiveUp;
    const watch = new RegistryWatch(endpoints, revision, {
      clock,
      ask: (query, timeoutMs) =>
        this.#get(
          `${url}${url.includes("?") ? "&" : "?"}${query}`,
          timeoutMs,
          signal,
        ),
      onList: (list) => this.#follow(url, list),
      onEnd: (reason) => this.#endWatch(url, reason),
    });
    this.#watched = { url, watch };
    this.#restPolls(url, endpoints);
  }

  /** Takes what a watch brought; false: it is no longer worth its while. */
  #follow(url: string, endpoints: readonly Endpoint[]): boolean {
    this.#watchBackoff.reset();
    this.#accept(url, endpoints);
    this.#restPolls(url, endpoints);
    const idleMs = this.#options.clock.now() - this.#askedAt;
    return this.#known.length > 0 && idleMs < maxIdleMs;
  }

  /** A list that is followed is not stale, where all of it is, is believed, and nothing better may come. */
  #restPolls(url: string, endpoints: readonly Endpoint[]): void {
    if (url !== this.#urls[0] || endpoints.length === 0) return;
    if (endpoints.some(({ load }) => load !== undefined)) return;
    this.#staleAt = this.#kept.until;
  }

  #endWatch(url: string, reason: WatchEnd): void {
    this.#watched = undefined;
    const now = this.#options.clock.now();
    if (this.#known.length > 0) this.#staleAt = now;
    if (reason === "unwanted") return;
    this.#mayWatchAt = now + this.#watchBackoff.nextMs();
    if (reason === "gap") return;
    const failed = `the watch of ${url} failed: ${reason.message}`;
    const cause = { sent: false, cause: reason };
    this.#report(url, new RpcError("unavailable", failed, cause));
  }

  #unwatch(): void {
    if (this.#watched === undefined) return;
    this.#watched.watch.stop();
    this.#watched = undefined;
    this.#watchGiveUp.abort();
    this.#watchGiveUp = new AbortController();
  }

  #accept(url: string, listed: readonly Endpoint[]): void {
    const now = this.#options.clock.now();
    const endpoints = this.#kept.with(listed, now);
    const isDoubtful = endpoints.length === 0 && this.#known.length > 0;
    if (!isDoubtful || this.#doubt.isBelievedAt(now)) {
      this.#take(endpoints);
      return;
    }
    this.#stayFresh();
    const message = `registry ${url}: it lists nobody, which is not believed yet`;
    this.#report(url, new RpcError("unavailable", message, { sent: false }));
  }

  #take(endpoints: readonly Endpoint[]): void {
    this.#list = Promise.resolve(endpoints);
    this.#known = endpoints;
    this.#failure = undefined;
    this.#doubt.clear();
    if (endpoints.length > 0) this.#stayFresh();
    else this.#waitForRetry();
  }

  /** The last request did not help: the next one is made after the backoff. */
  #waitForRetry(): void {
    const delayMs = this.#backoff.nextMs();
    const longestMs = this.#known.length === 0 ? maxUnknownMs : Infinity;
    this.#staleAt = this.#options.clock.now() + Math.min(delayMs, longestMs);
  }

  #stayFresh(): void {
    const { clock, refreshAfterMs, random } = this.#options;
    this.#backoff.reset();
    this.#staleAt = clock.now() + jitter(refreshAfterMs, 0.2, random);
  }

  #report(registry: string, error: RpcError): void {
    this.#options.onEvent({ kind: "discovery-failed", registry, error });
  }
}
