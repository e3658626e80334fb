import { Backoff, reconnectBackoff } from "../base/backoff.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { jitter, type Random } from "../base/random.ts";
import { RpcError } from "../errors.ts";
import { type OnEvent, quiet } from "../events.ts";
import { type Fetch, requestRegistry } from "../registry/request.ts";
import { parseRegistryUrls } from "../registry/url.ts";
import {
  closedError,
  type Discovery,
  type Endpoint,
  endpointList,
} from "./discovery.ts";
import { EmptyDoubt } from "./empty-doubt.ts";
import { readListing } from "./listing.ts";

export interface RegistryDiscoveryOptions {
  /** The age at which a list is stale, ± 20 %. Default 10 s. */
  refreshAfterMs?: number;
  /** Of one request to one registry. Default 3 s: the second registry answers within a call's 5 s. */
  timeoutMs?: number;
  clock?: Clock;
  random?: Random;
  /** Told of `discovery-failed`, once per request that gave no usable answer. */
  onEvent?: OnEvent;
  fetch?: Fetch;
}

/** How long at most nobody asks again while no server is known: one may register at any time. */
const maxUnknownMs = 1_000;

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
 * What a registry lists may have gone, and nothing here dials it.
 */
export class RegistryDiscovery implements Discovery {
  readonly #urls: readonly string[];
  readonly #options: Required<RegistryDiscoveryOptions>;
  readonly #backoff: Backoff;
  readonly #doubt = new EmptyDoubt();
  readonly #giveUp = new AbortController();
  /** The list as `all` gives it: one promise for all calls until the next list. */
  #list: Promise<readonly Endpoint[]> = Promise.resolve([]);
  #serverCount = 0;
  #staleAt = -Infinity;
  /** Why the last request gave no list. */
  #failure: RpcError | undefined;
  /** Counts the lists set by hand, so that an older answer is known as one. */
  #updates = 0;
  #refreshing: Promise<void> | undefined;
  #isClosed = false;

  /** @throws RpcError invalid_argument  a bad URL, or none */
  constructor(
    urls: string | readonly string[],
    options: RegistryDiscoveryOptions = {},
  ) {
    this.#urls = parseRegistryUrls(urls);
    this.#options = {
      refreshAfterMs: options.refreshAfterMs ?? 10_000,
      timeoutMs: options.timeoutMs ?? 3_000,
      clock: options.clock ?? systemClock,
      random: options.random ?? Math.random,
      onEvent: options.onEvent ? quiet(options.onEvent) : () => {},
      fetch: options.fetch ?? globalThis.fetch,
    };
    const { refreshAfterMs: maxMs, random } = this.#options;
    this.#backoff = new Backoff({ ...reconnectBackoff, maxMs }, random);
  }

  all(): Promise<readonly Endpoint[]> {
    if (this.#isClosed) return Promise.reject(closedError());
    if (this.#serverCount === 0) return this.#allOfNone();
    if (this.#refreshing === undefined && this.#isStale()) {
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
    this.#take(endpointList(endpoints));
    this.#updates++;
  }

  close(): void {
    this.#isClosed = true;
    this.#giveUp.abort();
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
      if (this.#serverCount === 0) throw thrown;
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
        const endpoints = await this.#ask(url);
        if (this.#updates === updates) this.#accept(url, endpoints);
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

  async #ask(url: string): Promise<readonly Endpoint[]> {
    const { fetch, clock, timeoutMs } = this.#options;
    const answer = await requestRegistry(
      url,
      { headers: { Accept: "application/json" } },
      { fetch, clock, timeoutMs, maxAnswerBytes, signal: this.#giveUp.signal },
    );
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

  #accept(url: string, endpoints: readonly Endpoint[]): void {
    const isDoubtful = endpoints.length === 0 && this.#serverCount > 0;
    const now = this.#options.clock.now();
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
    this.#serverCount = endpoints.length;
    this.#failure = undefined;
    this.#doubt.clear();
    if (endpoints.length > 0) this.#stayFresh();
    else this.#waitForRetry();
  }

  /** The last request did not help: the next one is made after the backoff. */
  #waitForRetry(): void {
    const delayMs = this.#backoff.nextMs();
    const longestMs = this.#serverCount === 0 ? maxUnknownMs : Infinity;
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
