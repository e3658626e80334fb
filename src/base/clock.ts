import { outside } from "./outside.ts";

/** One callback to come. */
export interface Timer {
  /** Takes the callback back; harmless once it has run. */
  cancel(): void;
  /** Lets the process end while this timer is all that is left. */
  unref(): this;
}

/**
 * Time as everything here sees it. The system's clock is `systemClock`; tests
 * pass one that stands still until they move it.
 */
export interface Clock {
  /** Ms on a monotonic clock with an arbitrary zero: never goes back, unrelated to the date. */
  now(): number;
  /**
   * Runs `run` once, not before `delayMs` have passed, outside of the
   * asynchronous context that this was asked in.
   */
  after(delayMs: number, run: () => void): Timer;
}

/** setTimeout takes 32-bit delays and runs longer ones at once. */
const longestDelayMs = 2 ** 31 - 1;

class SystemTimer implements Timer {
  #handle: NodeJS.Timeout;

  constructor(delayMs: number, run: () => void) {
    this.#handle = this.#start(delayMs, run);
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }

  unref(): this {
    this.#handle.unref();
    return this;
  }

  #start(delayMs: number, run: () => void): NodeJS.Timeout {
    if (delayMs <= longestDelayMs) return setTimeout(run, Math.ceil(delayMs));
    return setTimeout(() => {
      const isBackground = !this.#handle.hasRef();
      this.#handle = this.#start(delayMs - longestDelayMs, run);
      if (isBackground) this.#handle.unref();
    }, longestDelayMs);
  }
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after: (delayMs, run) => outside(() => new SystemTimer(delayMs, run)),
};
