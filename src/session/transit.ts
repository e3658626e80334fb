/** sentAtMs is a u32: it starts again from 0 after 49.7 days. */
const wrapMs = 2 ** 32;

/** How long a smallest difference counts at the least; at the most, twice that. */
const windowMs = 60_000;

/** The sender cuts its instants down to whole ms, so that a difference is up to so much too large. */
const truncationMs = 1;

/**
 * How long the requests of one peer waited on their way: in its queue, in the
 * kernels' buffers, and at our end before they were read.
 *
 * The two clocks have nothing to do with each other, but they run alike. So
 * the difference between our instant of reading and the sender's of writing is
 * a constant, plus what the request waited. The smallest difference of the
 * last minute stands for the constant (a request that did not wait), and what
 * is above it is the wait. What all requests of that time have waited in
 * common, such as the way through the network, is not seen, nor is anything
 * seen of the first request, or of one after two minutes without any: they
 * have waited 0. Too little is the safe side: a call lives longer than it
 * should, instead of failing without a reason.
 *
 * - A minute, since clocks drift: by up to 100 millionths between machines,
 *   which is 12 ms in the two minutes that a difference may count, and would
 *   be 9 s in a day. A queue that is never empty for two minutes therefore
 *   becomes part of the constant.
 * - The minute is two buckets that take turns, so the minimum is over one to
 *   two minutes, and costs the same whatever comes.
 * - A difference is taken modulo 2^32 ms, on the side where it is nearest to
 *   the base, which is two minutes old at most.
 * - A peer that lies about its clock changes the time of its own calls only.
 *
 * Pure, O(1), no allocation, no timer: some 3 ns for each request.
 * Source: PROTOCOL.md, "Deadlines".
 */
export class Transit {
  /** The smallest difference of the bucket that is being filled, of the one before, and of both. */
  #currentMs = Infinity;
  #previousMs = Infinity;
  #baseMs = Infinity;
  #rotatesAt = -Infinity;

  /**
   * What a request has waited, in ms from 0.
   *
   * @param sentAtMs the sender's ms since its handshake, modulo 2^32
   * @param now      when it was read, in ms on our clock; never less than before
   */
  waitedMs(sentAtMs: number, now: number): number {
    if (now >= this.#rotatesAt) this.#rotate(now);
    let differenceMs = now - sentAtMs;
    let aboveMs = differenceMs - this.#baseMs;
    const isFar = aboveMs > wrapMs / 2 || aboveMs < -wrapMs / 2;
    if (isFar && this.#baseMs < Infinity) {
      const movedMs = Math.round(aboveMs / wrapMs) * wrapMs;
      differenceMs -= movedMs;
      aboveMs -= movedMs;
    }
    if (differenceMs < this.#currentMs) {
      this.#currentMs = differenceMs;
      if (differenceMs < this.#baseMs) this.#baseMs = differenceMs;
    }
    return aboveMs > truncationMs ? aboveMs - truncationMs : 0;
  }

  #rotate(now: number): void {
    const isRecent = now < this.#rotatesAt + windowMs;
    this.#previousMs = isRecent ? this.#currentMs : Infinity;
    this.#currentMs = Infinity;
    this.#baseMs = this.#previousMs;
    // In step with the last turn, so that nothing counts for longer than two windows.
    this.#rotatesAt = isRecent ? this.#rotatesAt + windowMs : now + windowMs;
  }
}
