/** How long a registry must go on listing nobody. */
const doubtMs = 30_000;
/** How many times in a row at least. */
const doubtAnswers = 2;

/**
 * Whether to believe a registry that lists nobody, to a client that knows
 * servers.
 *
 * More often than all servers having gone, it means that the registry has
 * just started and has not heard from them. So the answer is believed once it
 * has come twice in a row and for 30 s, twice the lease of a server: by then
 * whoever lives has registered again. A request that fails says nothing
 * either way. Instants are ms on the caller's clock.
 */
export class EmptyDoubt {
  #since: number | undefined;
  #answers = 0;

  /** Counts an empty answer that came at `now`; true when it is to be believed. */
  isBelievedAt(now: number): boolean {
    this.#since ??= now;
    this.#answers++;
    return this.#answers >= doubtAnswers && now - this.#since >= doubtMs;
  }

  /** An answer came that lists servers, or the list was set by hand. */
  clear(): void {
    this.#since = undefined;
    this.#answers = 0;
  }
}
