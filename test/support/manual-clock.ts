import type { Clock, Timer } from "../../src/base/clock.ts";

interface ManualTimer {
  at: number;
  run: () => void;
}

/**
 * A clock that stands still until it is told to move.
 *
 * `advance` runs what is due in the order of its instants, and of its making
 * where those are equal; `now()` is each one's instant while it runs. Before
 * the first and after each, everything that can go on without time or the
 * network does. A timer that throws makes `advance` reject.
 */
export class ManualClock implements Clock {
  #now: number;
  readonly #timers = new Set<ManualTimer>();

  constructor(startMs = 1_000) {
    this.#now = startMs;
  }

  /** How many timers are still to run: 0 when nothing was left behind. */
  get timers(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now;
  }

  after(delayMs: number, run: () => void): Timer {
    const timer = { at: this.#now + Math.max(0, delayMs), run };
    this.#timers.add(timer);
    const handle = {
      cancel: () => void this.#timers.delete(timer),
      unref: () => handle,
    };
    return handle;
  }

  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settle();
    for (let timer = this.#next(); timer && timer.at <= until;) {
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, timer.at);
      timer.run();
      await settle();
      timer = this.#next();
    }
    this.#now = until;
  }

  #next(): ManualTimer | undefined {
    let next: ManualTimer | undefined;
    for (const timer of this.#timers) {
      if (next === undefined || timer.at < next.at) next = timer;
    }
    return next;
  }
}

/** Lets promises, microtasks and streams that are not waiting for anything go on until they stand. */
export async function settle(): Promise<void> {
  // A native stream takes a turn of the loop per chunk and one for its end.
  for (let turn = 0; turn < 4; turn++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
