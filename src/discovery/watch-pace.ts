import { Backoff, reconnectBackoff } from "../base/backoff.ts";
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";

/** After so long without anybody who wants the list, it is no longer watched. */
const maxIdleMs = 60_000;

/**
 * When a source is watched: while somebody wants its list, and once a watch
 * has ended not at once, but after 250 ms × 1.6 and so on, until one brings
 * something. Instants are ms on `clock`.
 */
export class WatchPace {
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  #wantedAt = -Infinity;
  #mayBeginAt = -Infinity;

  /** @param maxMs the longest pause */
  constructor(clock: Clock, maxMs: number, random: Random | undefined) {
    this.#clock = clock;
    this.#backoff = new Backoff({ ...reconnectBackoff, maxMs }, random);
  }

  /** When the next watch may begin. */
  get mayBeginAt(): number {
    return this.#mayBeginAt;
  }

  get isWanted(): boolean {
    return this.#clock.now() - this.#wantedAt < maxIdleMs;
  }

  /** Somebody asks for the list. */
  want(): void {
    this.#wantedAt = this.#clock.now();
  }

  /** The watch has brought something. */
  bring(): void {
    this.#backoff.reset();
  }

  /** The watch has ended, though it was wanted. */
  end(): void {
    this.#mayBeginAt = this.#clock.now() + this.#backoff.nextMs();
  }
}
