import { Backoff, reconnectBackoff } from "../base/backoff.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { jitter, type Random } from "../base/random.ts";
import { RpcError } from "../errors.ts";
import { type OnEvent, quiet } from "../events.ts";
import {
  closedError,
  type Discovery,
  type Endpoint,
  endpointList,
} from "./discovery.ts";
import { EmptyDoubt } from "./empty-doubt.ts";
import { ListFile, type StoredList } from "./list-file.ts";

export interface PollOptions {
  /** The age at which a list is stale, ± 20 %. Default 10 s. */
  refreshAfterMs?: number;
  /**
   * A file in which the last good list outlives the process, for a start while
   * nobody can be asked: see ListFile. One per process and target; none by
   * default.
   */
  keepIn?: string;
  clock?: Clock;
  random?: Random;
  /**
   * Told of `discovery-failed`: once per request that gave no usable answer,
   * and once where a kept list stands in, `registry` being the file's path
   * and the error's details `{ ageMs, servers }`; and of `list-restored` once
   * a source that failed gives a list.
   */
  onEvent?: OnEvent;
}

/** Where a list comes from. */
export interface ListSource {
  /** What is asked, as the user wrote it. */
  readonly names: readonly string[];
  /**
   * Asks once, and hands what it finds to `accept` while `isCurrent` is true.
   * Rejects as Discovery.refresh, soon after `signal` aborts, too.
   */
  ask(isCurrent: () => boolean, signal: AbortSignal): Promise<void>;
}

/** How long at most nobody asks again while no server is known: one may appear at any time. */
const maxUnknownMs = 1_000;

/**
 * A list of servers that is asked for when it is wanted and stale, one request
 * at a time, and outlives whoever is asked.
 *
 * The last good list is kept while there is no other, and while an empty one
 * is doubted ({@link EmptyDoubt}). Failures are repeated after 250 ms × 1.6
 * and so on, at most `refreshAfterMs`; while no server is known, at most 1 s,
 * and until then `all` gives the last answer, be it an empty list or a failure,
 * at once. What a file has kept counts as known from the first request on, but
 * nobody is given it before that is over.
 */
export class PolledList implements Discovery {
  readonly #source: ListSource;
  readonly #refreshAfterMs: number;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onEvent: OnEvent;
  readonly #file: ListFile | undefined;
  readonly #backoff: Backoff;
  readonly #doubt = new EmptyDoubt();
  readonly #giveUp = new AbortController();
  /** When each source that gives no list failed first. */
  readonly #failingSince = new Map<string, number>();
  /** The list as `all` gives it: one promise for all calls until the next list. */
  #list: Promise<readonly Endpoint[]> = Promise.resolve([]);
  #known: readonly Endpoint[] = [];
  /** Neither was a request over yet, nor the list set by hand. */
  #isBeginning = true;
  #restored: StoredList | undefined;
  #staleAt = -Infinity;
  /** Why the last request gave no list. */
  #failure: RpcError | undefined;
  /** Counts the lists set by hand, so that an older answer is known as one. */
  #updates = 0;
  #refreshing: Promise<void> | undefined;

  constructor(source: ListSource, options: PollOptions) {
    this.#source = source;
    this.#refreshAfterMs = options.refreshAfterMs ?? 10_000;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#onEvent = options.onEvent ? quiet(options.onEvent) : () => {};
    if (options.keepIn !== undefined) {
      this.#file = new ListFile(options.keepIn, source.names, this.#clock);
    }
    this.#backoff = new Backoff(
      { ...reconnectBackoff, maxMs: this.#refreshAfterMs },
      this.#random,
    );
  }

  /** The list last taken; also that of a file while nobody is given it yet. */
  get known(): readonly Endpoint[] {
    return this.#known;
  }

  all(): Promise<readonly Endpoint[]> {
    if (this.#isClosed) return Promise.reject(closedError());
    if (this.#known.length === 0 || this.#isBeginning) return this.#allOfNone();
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
    this.#isBeginning = false;
    this.#updates++;
  }

  close(): void {
    this.#giveUp.abort();
  }

  /** Takes what `source` lists, unless that is nobody and not to be believed yet, which is told. */
  accept(source: string, endpoints: readonly Endpoint[]): void {
    const isDoubtful = endpoints.length === 0 && this.#known.length > 0;
    if (!isDoubtful || this.#doubt.isBelievedAt(this.#clock.now())) {
      this.#take(endpoints);
      this.#keep(endpoints);
      this.#endFailure(source, endpoints.length);
      return;
    }
    this.#stayFresh();
    const message = `${source} lists nobody, which is not believed yet`;
    this.report(source, new RpcError("unavailable", message, { sent: false }));
  }

  /** The list is stale from the instant `at` on, instead of what was planned. */
  restUntil(at: number): void {
    this.#staleAt = at;
  }

  /** The list is stale from the instant `at` on, or from an earlier one that was planned. */
  staleBy(at: number): void {
    this.#staleAt = Math.min(this.#staleAt, at);
  }

  /** Tells that `source` gave no usable answer; once it does, that is told, too. */
  report(source: string, error: RpcError): void {
    if (!this.#failingSince.has(source)) {
      this.#failingSince.set(source, this.#clock.now());
    }
    this.#tellFailed(source, error);
  }

  get #isClosed(): boolean {
    return this.#giveUp.signal.aborted;
  }

  #isStale(): boolean {
    return this.#clock.now() >= this.#staleAt;
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

  /** The list once somebody has filled it: an answer, a file, or meanwhile a hand. */
  async #filled(): Promise<readonly Endpoint[]> {
    try {
      await this.refresh();
    } catch (thrown) {
      if (this.#known.length === 0 || this.#isClosed) throw thrown;
    }
    return this.#list;
  }

  async #refresh(): Promise<void> {
    const updates = this.#updates;
    const { signal } = this.#giveUp;
    const isCurrent = () => this.#updates === updates && !signal.aborted;
    this.#restore();
    try {
      await this.#source.ask(isCurrent, signal);
    } catch (thrown) {
      if (signal.aborted) throw closedError();
      const failure = RpcError.from(thrown);
      if (isCurrent()) {
        this.#failure = failure;
        this.#waitForRetry();
      }
      throw failure;
    } finally {
      this.#begun();
    }
  }

  /** Before the first answer: what the file has kept is known. */
  #restore(): void {
    if (!this.#isBeginning) return;
    try {
      this.#restored = this.#file?.read();
    } catch (thrown) {
      this.#tellFailed(this.#file?.path ?? "", RpcError.from(thrown));
    }
    if (this.#restored === undefined) return;
    this.#known = this.#restored.endpoints;
    this.#list = Promise.resolve(this.#known);
  }

  /** The first answer is here, or its failure; a kept list that stands in is told. */
  #begun(): void {
    const wasBeginning = this.#isBeginning;
    this.#isBeginning = false;
    if (!wasBeginning || this.#isClosed || this.#file === undefined) return;
    if (this.#restored?.endpoints !== this.#known) return;
    const { ageMs } = this.#restored;
    const servers = this.#known.length;
    const message = `${this.#source.names.join(", ")} gave no list: going on with the one kept in ${this.#file.path}, ${Math.round(ageMs / 1000)} s old`;
    this.#tellFailed(
      this.#file.path,
      new RpcError("unavailable", message, {
        sent: false,
        details: { ageMs, servers },
      }),
    );
  }

  #tellFailed(registry: string, error: RpcError): void {
    this.#onEvent({ kind: "discovery-failed", registry, error });
  }

  /** Tells that `registry` gives a list, where it was told that it did not. */
  #endFailure(registry: string, servers: number): void {
    const since = this.#failingSince.get(registry);
    if (since === undefined) return;
    this.#failingSince.delete(registry);
    const afterMs = this.#clock.now() - since;
    this.#onEvent({ kind: "list-restored", registry, servers, afterMs });
  }

  #take(endpoints: readonly Endpoint[]): void {
    this.#list = Promise.resolve(endpoints);
    this.#known = endpoints;
    this.#failure = undefined;
    this.#doubt.clear();
    if (endpoints.length > 0) this.#stayFresh();
    else this.#waitForRetry();
  }

  #keep(endpoints: readonly Endpoint[]): void {
    try {
      this.#file?.keep(endpoints);
    } catch (thrown) {
      this.#tellFailed(this.#file?.path ?? "", RpcError.from(thrown));
    }
  }

  /** The last request did not help: the next one is made after the backoff. */
  #waitForRetry(): void {
    const delayMs = this.#backoff.nextMs();
    const longestMs = this.#known.length === 0 ? maxUnknownMs : Infinity;
    this.#staleAt = this.#clock.now() + Math.min(delayMs, longestMs);
  }

  #stayFresh(): void {
    this.#backoff.reset();
    this.#staleAt =
      this.#clock.now() + jitter(this.#refreshAfterMs, 0.2, this.#random);
  }
}
