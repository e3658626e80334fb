import { Alarm } from "../base/alarm.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import { ChangeLog, type Delta } from "./change-log.ts";
import { plainDescription } from "./description.ts";
import type { Change, Registration } from "./lease-table.ts";

/** What a watcher has seen, and what it wants to know. */
export interface WatchRequest {
  readonly revision: string;
  /** Only what matters to calls of it; null: everything. */
  readonly service: string | null;
  readonly timeoutMs: number;
  /** Aborts when the watcher has gone. */
  readonly signal: AbortSignal;
}

interface Waiter {
  readonly request: WatchRequest;
  readonly until: number;
  /** Tells it the JSON of an answer. */
  readonly resolve: (json: string) => void;
}

/** Changes are gathered for so long before they go out. */
const gatherMs = 100;
/** Loads change all the time, and wait for each other longer: as long as heartbeats do. */
const gatherLoadsMs = 5_000;

/** Connections that wait for ever. */
const defaultMaxWatchers = 10_000;

/**
 * Those who wait for the list to change.
 *
 * However many they are, a change wakes them once, 100 ms after the first that
 * it is gathered with, and an answer is made once for all who have seen the
 * same. Where nothing but loads has changed it is 5 s. Their timeouts share one
 * timer.
 */
export class Watchers {
  readonly #clock: Clock;
  readonly #maxWatchers: number;
  readonly #log: ChangeLog;
  readonly #waiters = new Set<Waiter>();
  readonly #timeouts: Alarm;
  #gathering: Timer | undefined;
  /** When the changes that are gathered go out; Infinity: there are none. */
  #flushAt = Infinity;
  #isClosed = false;

  constructor(clock: Clock, epoch: string, maxWatchers = defaultMaxWatchers) {
    this.#clock = clock;
    this.#maxWatchers = maxWatchers;
    this.#log = new ChangeLog(epoch);
    this.#timeouts = new Alarm(clock, { ring: (now) => this.#expire(now) });
  }

  /** Of the changes told so far. A list that is asked for after it was read is as new or newer. */
  get revision(): string {
    return this.#log.revision;
  }

  /** How many wait. */
  get size(): number {
    return this.#waiters.size;
  }

  /** Notes a change, and sees to it that it goes out. */
  add(change: Change): void {
    this.#log.append(change);
    const isLoad = change.kind === "loaded";
    // Who comes meanwhile is told of loads with the next ones, too.
    if (this.#waiters.size === 0 && !isLoad && this.#flushAt === Infinity) {
      return;
    }
    this.#flushIn(isLoad ? gatherLoadsMs : gatherMs);
  }

  /**
   * Waits for what became of `revision`, at most `timeoutMs`. Gives JSON,
   * `{"revision","changes":[{"address","services",…}|{"address","removed":true}]}`,
   * without changes when there were none, or undefined where only the whole
   * list can tell.
   *
   * @throws RpcError resource_exhausted  too many wait
   */
  async wait(request: WatchRequest): Promise<string | undefined> {
    const { revision, timeoutMs, signal } = request;
    const deltas = this.#log.since(revision);
    if (deltas === undefined) return undefined;
    const isSettled = this.#flushAt === Infinity;
    if ((isSettled && deltas.length > 0) || this.#isClosed) {
      return this.#answer(request, deltas);
    }
    if (this.#waiters.size >= this.#maxWatchers) {
      throw new RpcError(
        "resource_exhausted",
        `${this.#waiters.size} wait for changes: ask without "watch"`,
      );
    }
    const { promise, resolve } = Promise.withResolvers<string>();
    const until = this.#clock.now() + timeoutMs;
    const waiter = { request, until, resolve };
    const give = () => this.#resolve(waiter, this.#answer(request, []));
    this.#waiters.add(waiter);
    this.#timeouts.by(until);
    // It came just behind a change: that is not to wait for loads.
    if (this.#log.hasNewsSince(revision)) this.#flushIn(gatherMs);
    signal.addEventListener("abort", give, { once: true });
    if (signal.aborted) give();
    return promise;
  }

  /** Sends everybody home, without changes. */
  close(): void {
    this.#isClosed = true;
    this.#gathering?.cancel();
    this.#timeouts.stop();
    for (const waiter of this.#waiters) {
      this.#resolve(waiter, this.#answer(waiter.request, []));
    }
  }

  /** What is gathered goes out then, or sooner. */
  #flushIn(delayMs: number): void {
    const flushAt = this.#clock.now() + delayMs;
    if (this.#isClosed || flushAt >= this.#flushAt) return;
    this.#gathering?.cancel();
    this.#flushAt = flushAt;
    this.#gathering = this.#clock.after(delayMs, () => this.#flush()).unref();
  }

  #flush(): void {
    this.#flushAt = Infinity;
    const answers = new Map<string, string>();
    for (const waiter of this.#waiters) {
      const { revision, service } = waiter.request;
      const deltas = this.#log.since(revision) ?? [];
      const key = service === null ? revision : `${revision} ${service}`;
      let answer = answers.get(key);
      if (answer === undefined) {
        answer = this.#answer(waiter.request, deltas);
        answers.set(key, answer);
      }
      this.#resolve(waiter, answer);
    }
  }

  /** Gives the instant of the next timeout. */
  #expire(now: number): number {
    let next = Infinity;
    for (const waiter of this.#waiters) {
      if (waiter.until <= now) {
        this.#resolve(waiter, this.#answer(waiter.request, []));
      } else next = Math.min(next, waiter.until);
    }
    return next;
  }

  #resolve(waiter: Waiter, json: string): void {
    this.#waiters.delete(waiter);
    waiter.resolve(json);
  }

  /** Without deltas the watcher has seen no more than before. */
  #answer(
    { revision, service }: WatchRequest,
    deltas: readonly Delta[],
  ): string {
    const isNews = deltas.length > 0;
    return JSON.stringify({
      revision: isNews ? this.#log.revision : revision,
      changes: deltas.map((delta) => changeEntry(delta, service)),
    });
  }
}

/** For who asks about one service, a server that has it no more is as good as gone. */
function changeEntry(
  { address, registration }: Delta,
  service: string | null,
): object {
  return registration === undefined || !hasService(registration, service)
    ? { address, removed: true }
    : {
        address,
        ...plainDescription(registration),
        services: registration.services ?? null,
      };
}

/** Whether a server can answer calls to `service`: one that has not told may have it. */
export function hasService(
  { services }: Registration,
  service: string | null,
): boolean {
  return (
    service === null || services === undefined || services.includes(service)
  );
}
