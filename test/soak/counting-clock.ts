import { type Clock, systemClock, type Timer } from "../../src/base/clock.ts";

/** The system's clock, which knows how many of its timers are still to run. */
export class CountingClock implements Clock {
  #timers = 0;

  get timers(): number {
    return this.#timers;
  }

  now(): number {
    return systemClock.now();
  }

  after(delayMs: number, run: () => void): Timer {
    this.#timers++;
    let isOver = false;
    const over = () => {
      if (!isOver) this.#timers--;
      isOver = true;
    };
    const timer = systemClock.after(delayMs, () => {
      over();
      run();
    });
    const counted: Timer = {
      cancel() {
        over();
        timer.cancel();
      },
      unref() {
        timer.unref();
        return counted;
      },
    };
    return counted;
  }
}
