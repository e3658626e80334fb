import type { Clock, Timer } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import type { RegistryAnswer } from "../registry/request.ts";
import type { Endpoint } from "./discovery.ts";
import { FollowedEndpoints } from "./followed-endpoints.ts";
import { readChanges } from "./listing.ts";

export interface RegistryWatchOptions {
  readonly clock: Clock;
  /** Sends a GET with this query, and gives its whole 2xx answer. */
  readonly ask: (query: string, timeoutMs: number) => Promise<RegistryAnswer>;
  /** Told of the whole list after each answer, also where nothing changed; false ends the watch. */
  readonly onList: (endpoints: readonly Endpoint[]) => boolean;
  /** Told once, unless it was stopped. */
  readonly onEnd: (reason: WatchEnd) => void;
}

/** It failed; the registry could not tell the changes; or nobody wanted them. */
export type WatchEnd = RpcError | "gap" | "unwanted";

/** For how long the registry is to wait for a change. */
const waitMs = 25_000;
/** What an answer may take beyond that. */
const patienceMs = 5_000;
/** From one request to the next at least: a registry that answers at once is not asked without end. */
const gapMs = 100;

/**
 * Follows the list of one registry by its long polls, from a list that was
 * read of it, one request at a time. Each answer is what changed since the one
 * before. Ends with the first one that is not: who began it polls, and begins
 * another.
 */
export class RegistryWatch {
  readonly #options: RegistryWatchOptions;
  readonly #endpoints = new FollowedEndpoints();
  #revision: string;
  #pause: Timer | undefined;
  #isStopped = false;

  constructor(
    endpoints: readonly Endpoint[],
    revision: string,
    options: RegistryWatchOptions,
  ) {
    this.#options = options;
    for (const endpoint of endpoints) {
      this.#endpoints.set(endpoint.address, endpoint);
    }
    this.#revision = revision;
    void this.#follow();
  }

  /** What is on its way counts no more, and nobody is told. */
  stop(): void {
    this.#isStopped = true;
    this.#pause?.cancel();
  }

  /** Asks once, and again after it. Never rejects. */
  async #follow(): Promise<void> {
    const { clock, onEnd } = this.#options;
    const askedAt = clock.now();
    const end = await this.#ask().catch(RpcError.from);
    if (this.#isStopped) return;
    if (end !== undefined) {
      onEnd(end);
      return;
    }
    const pauseMs = askedAt + gapMs - clock.now();
    this.#pause = clock
      .after(Math.max(0, pauseMs), () => void this.#follow())
      .unref();
  }

  /** Gives why it was the last time. */
  async #ask(): Promise<WatchEnd | undefined> {
    const { ask, onList } = this.#options;
    const query = new URLSearchParams({
      watch: this.#revision,
      timeout: String(waitMs / 1000),
    });
    const said = readChanges(await ask(String(query), waitMs + patienceMs));
    if (said === undefined) return "gap";
    this.#revision = said.revision;
    for (const [address, endpoint] of said.changes) {
      if (endpoint === undefined) this.#endpoints.delete(address);
      else this.#endpoints.set(address, endpoint);
    }
    const isWanted = onList(this.#endpoints.list());
    return isWanted ? undefined : "unwanted";
  }
}
