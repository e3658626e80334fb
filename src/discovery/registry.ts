import { type Clock, systemClock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import {
  type Fetch,
  type RegistryAnswer,
  requestRegistry,
} from "../registry/request.ts";
import { checkSecret } from "../registry/tokens.ts";
import { parseRegistryUrls } from "../registry/url.ts";
import type { Discovery, Endpoint } from "./discovery.ts";
import { KeptEndpoints } from "./kept-endpoints.ts";
import { maxListBytes, type RegistryList, readListing } from "./listing.ts";
import { PolledList, type PollOptions } from "./polled-list.ts";
import { RegistryWatch, type WatchEnd } from "./registry-watch.ts";
import { WatchPace } from "./watch-pace.ts";

export interface RegistryDiscoveryOptions extends PollOptions {
  /** Of one request to one registry. Default 3 s: the second registry answers within a call's 5 s. */
  timeoutMs?: number;
  /** Where the registry asks for a token to list its servers. Sent as it is: plain http:// shows it to the network. */
  token?: string;
  /** Whether registries that can are watched, so that a change is known at once. Default true. */
  watch?: boolean;
  fetch?: Fetch;
}

/**
 * Asks registries who serves.
 *
 * They are asked in the order given, each time from the first: the next one
 * only when those before it failed. However many callers there are, one
 * request is under way at a time, and as seldom as {@link PolledList} says:
 * the last good list is kept while no registry gives another, being away,
 * slow, 500, 404, a redirect, nonsense or an endless body. Nothing runs while
 * nobody asks.
 *
 * A registry that can be watched is, while servers are known and somebody asks
 * for them, by a request that waits for the next change; it keeps the process
 * alive until `close`. Polls then stop, unless it is not the first registry,
 * which may come back. They go on when the watch fails; it begins anew after
 * one of them, later each time.
 *
 * What a registry lists may have gone, and nothing here dials it.
 */
export class RegistryDiscovery implements Discovery {
  readonly #urls: readonly string[];
  readonly #clock: Clock;
  readonly #fetch: Fetch;
  readonly #timeoutMs: number;
  readonly #isWatching: boolean;
  readonly #token: string | undefined;
  readonly #list: PolledList;
  readonly #pace: WatchPace;
  readonly #kept = new KeptEndpoints();
  /** The registry that is watched. */
  #watched: { readonly url: string; readonly watch: RegistryWatch } | undefined;
  /** Of the requests of watches. */
  #watchGiveUp = new AbortController();

  /** @throws RpcError invalid_argument  a bad URL or token, or no URL */
  constructor(
    urls: string | readonly string[],
    options: RegistryDiscoveryOptions = {},
  ) {
    this.#urls = parseRegistryUrls(urls);
    if (options.token !== undefined) this.#token = checkSecret(options.token);
    this.#clock = options.clock ?? systemClock;
    this.#fetch = options.fetch ?? globalThis.fetch;
    this.#timeoutMs = options.timeoutMs ?? 3_000;
    this.#isWatching = options.watch ?? true;
    const { refreshAfterMs = 10_000, random } = options;
    this.#pace = new WatchPace(this.#clock, refreshAfterMs, random);
    this.#list = new PolledList(
      {
        names: this.#urls,
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
    this.#unwatch();
    this.#list.update(endpoints);
  }

  close(): void {
    this.#list.close();
    this.#unwatch();
  }

  async #ask(isCurrent: () => boolean, signal: AbortSignal): Promise<void> {
    const failures: RpcError[] = [];
    for (const url of this.#urls) {
      try {
        const list = await this.#read(url, signal);
        if (isCurrent()) {
          this.#kept.begin(list, this.#list.known, this.#clock.now());
          this.#accept(url, list.endpoints);
          this.#watch(url, list);
        }
        return;
      } catch (thrown) {
        if (signal.aborted) throw thrown;
        const error = RpcError.from(thrown);
        failures.push(error);
        this.#list.report(url, error);
      }
    }
    throw new RpcError(
      "unavailable",
      failures.map(({ message }) => message).join("; "),
      { sent: false, cause: failures[0] },
    );
  }

  async #read(url: string, signal: AbortSignal): Promise<RegistryList> {
    const answer = await this.#get(url, this.#timeoutMs, signal);
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
    const headers = { Accept: "application/json" };
    return requestRegistry(
      url,
      { headers },
      {
        fetch: this.#fetch,
        clock: this.#clock,
        token: this.#token,
        timeoutMs,
        maxAnswerBytes: maxListBytes,
        // A change wakes all clients: they need not dial all at once, too.
        isFollowed: signal === this.#watchGiveUp.signal,
        signal,
      },
    );
  }

  /** Watches `url`, whose list this is, instead of what was watched before. */
  #watch(url: string, { endpoints, revision }: RegistryList): void {
    if (this.#watched?.url === url) {
      this.#restPolls(url, endpoints);
      return;
    }
    this.#unwatch();
    if (!this.#isWatching || revision === undefined) return;
    if (this.#list.known.length === 0) return;
    const clock = this.#clock;
    if (clock.now() < this.#pace.mayBeginAt) {
      // A watch begins with a list.
      this.#list.staleBy(this.#pace.mayBeginAt);
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
    this.#pace.bring();
    this.#accept(url, endpoints);
    this.#restPolls(url, endpoints);
    return this.#list.known.length > 0 && this.#pace.isWanted;
  }

  /** A list that is followed is not stale, where all of it is, is believed, and nothing better may come. */
  #restPolls(url: string, endpoints: readonly Endpoint[]): void {
    if (url !== this.#urls[0] || endpoints.length === 0) return;
    this.#list.restUntil(this.#kept.until);
  }

  #endWatch(url: string, reason: WatchEnd): void {
    this.#watched = undefined;
    if (this.#list.known.length > 0) this.#list.restUntil(this.#clock.now());
    if (reason === "unwanted") return;
    this.#pace.end();
    if (reason === "gap") return;
    const failed = `the watch of ${url} failed: ${reason.message}`;
    const cause = { sent: false, cause: reason };
    this.#list.report(url, new RpcError("unavailable", failed, cause));
  }

  #unwatch(): void {
    if (this.#watched === undefined) return;
    this.#watched.watch.stop();
    this.#watched = undefined;
    this.#watchGiveUp.abort();
    this.#watchGiveUp = new AbortController();
  }

  #accept(url: string, listed: readonly Endpoint[]): void {
    this.#list.accept(url, this.#kept.with(listed, this.#clock.now()));
  }
}
