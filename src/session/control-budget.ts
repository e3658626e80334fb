import type { Clock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";

/** What one kind of frame may take. */
interface Terms {
  /** Frames that are free at first, after each strike, and after a rest. */
  burst: number;
  /** Frames that come back with time, up to `burst`. */
  perSecond: number;
  /** Frames that come with each unit of work. */
  perWork: number;
  /** What the peer's people read of it. */
  text: string;
}

const controlTerms: Terms = {
  burst: 1_000,
  perSecond: 100,
  perWork: 4,
  text: "more cancels, credits and other control frames than its calls and items explain: send at most 4 for each of these",
};

const pingTerms: Terms = {
  burst: 10,
  perSecond: 1,
  perWork: 0,
  text: "too many pings: send at most one a second",
};

/** Frames of one refill: a peer that was useful for long may not flood for long. */
const maxFrames = 1_000_000;

/** So many strikes within so many ms are the end. */
const maxStrikes = 3;
const strikesWithinMs = 10_000;

class Bucket {
  readonly #terms: Terms;
  readonly #clock: Clock;
  readonly #workCount: () => number;
  #leftFrames: number;
  #refilledAt: number;
  #workSeen = 0;
  /** When the last strikes were, oldest first. */
  readonly #strikes: number[] = [];

  constructor(terms: Terms, clock: Clock, workCount: () => number) {
    this.#terms = terms;
    this.#clock = clock;
    this.#workCount = workCount;
    this.#leftFrames = terms.burst;
    this.#refilledAt = clock.now();
  }

  spend(): void {
    if (--this.#leftFrames < 0) this.#refill();
  }

  /** Makes room for the frame in hand, too. */
  #refill(): void {
    const { burst, perSecond, perWork } = this.#terms;
    const now = this.#clock.now();
    const work = this.#workCount();
    const byTime = ((now - this.#refilledAt) / 1_000) * perSecond;
    const byWork = (work - this.#workSeen) * perWork;
    this.#refilledAt = now;
    this.#workSeen = work;
    // Whole, since a count that is not takes three times as long to count down.
    const frames = Math.floor(Math.min(byTime, burst) + byWork);
    if (frames < 1) this.#strike(now);
    this.#leftFrames = (frames < 1 ? burst : Math.min(frames, maxFrames)) - 1;
  }

  #strike(now: number): void {
    const strikes = this.#strikes;
    strikes.push(now);
    if (strikes.length < maxStrikes) return;
    const oldestAt = strikes.shift() as number;
    if (now - oldestAt > strikesWithinMs) return;
    throw new RpcError(
      "resource_exhausted",
      `the connection is cut: ${this.#terms.text}`,
    );
  }
}

/**
 * What one peer may have this end do for nothing.
 *
 * A cancel, credit, end, goaway or pong, a piece without bytes, a skipped
 * frame, an answer that nobody waits for and an item of a seq that was never
 * requested cost this end a read, a look-up and at times an answer, and bring
 * nothing. A peer that sends them
 * without end keeps a core busy with 16 bytes each, and no other limit sees it:
 * nothing is kept, nothing runs. (The floods of pings, resets and settings of
 * HTTP/2: CVE-2019-9512, 9514, 9515.)
 *
 * So each takes one of 1,000 free frames. Those come back by 100 a second, up
 * to 1,000, and by 4 for each unit of work, up to 1,000,000. When none is left
 * it is a strike, and there are 1,000 more; the third strike within 10 s ends
 * the connection. Pings have a budget of their own: 10, by 1 a second, none by
 * work.
 *
 * A flood gets 3,000 frames through (30 pings) and, where the peer has worked
 * before, what that was worth and is not used, which is below 2,000,000. One
 * of less than 300 frames or up to 2 pings a second is let be: what it costs is
 * nothing to speak of.
 *
 * Honest peers stay below it whatever they do, on a clock that stands, too: a
 * call has at most one cancel and one end from each side and one answer, which
 * may come late, and an item at most
 * a credit for its stream and one for the connection. So two peers that take
 * back each of a million calls, one by one or all at the end, or that stream a
 * million items of one byte with a credit for each, have no strike. What the
 * handler of a call costs that is taken back at once is not stopped here, but
 * by limits.maxRunningHandlers. Items of a stream that is over bring nothing
 * either, but an honest peer has a whole window of them under way when its
 * reader leaves: they cost nothing here, and are no work.
 *
 * Work, `workCount()`, is requests, responses and items since the start, in
 * both directions: what credits answer was sent by this end. It is asked, and
 * the clock read, only when none is left, so a frame costs a decrement, some
 * 1 ns.
 */
export class ControlBudget {
  readonly #control: Bucket;
  readonly #pings: Bucket;

  constructor(clock: Clock, workCount: () => number) {
    this.#control = new Bucket(controlTerms, clock, workCount);
    this.#pings = new Bucket(pingTerms, clock, workCount);
  }

  /**
   * A control frame came that is no ping.
   *
   * @throws RpcError resource_exhausted  cut the connection
   */
  spend(): void {
    this.#control.spend();
  }

  /**
   * A ping came.
   *
   * @throws RpcError resource_exhausted  cut the connection
   */
  spendPing(): void {
    this.#pings.spend();
  }
}
