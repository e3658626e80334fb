import type { Random } from "../../src/base/random.ts";
import { AdaptiveLimit } from "../../src/service/adaptive-limit.ts";
import { resolveAdaptiveLimit } from "../../src/service/adaptive-limit-option.ts";
import type { Place } from "../../src/service/place.ts";

/** A method under load. Instants are in ms from the start, and times in ms. */
export interface Scenario {
  seconds: number;
  /** Handlers at a time that get on; the others wait for them, in order. */
  places?: number;
  serviceMs(at: number): number;
  callsPerSecond(at: number): number;
  /** Where given, calls come independently of each other. */
  random?: Random;
  /** What callers wait, by the number of the call; by default 1 s. */
  timeoutMs?(call: number, at: number): number;
  /** When a caller leaves of itself, by the number of the call. */
  leavesAfterMs?(call: number): number;
  /** Handlers whose caller waits no longer leave the queue. */
  isPolite?: boolean;
  /** Whether the call fails, and how long that takes, by default 1 ms. */
  fails?(at: number): boolean;
  failMs?: number;
}

/** What became of the calls that ended in one second. */
export interface Second {
  answered: number;
  refused: number;
  expired: number;
}

interface Step {
  at: number;
  run(): void;
}

interface Waiting {
  begin(): void;
  isExpired: boolean;
}

/** A handler that waits for one of the places, then takes its time, as the adaptive limit of its method sees it. */
export class OverloadSimulation {
  readonly limit: AdaptiveLimit;
  readonly seconds: Second[] = [];
  readonly #scenario: Scenario;
  readonly #steps: Step[] = [];
  readonly #queue: Waiting[] = [];
  #now = 0;
  #busy = 0;
  #calls = 0;

  constructor(
    scenario: Scenario,
    limit = new AdaptiveLimit(
      resolveAdaptiveLimit(true) as { tolerance: number; minRunning: number },
    ),
  ) {
    this.#scenario = scenario;
    this.limit = limit;
    for (let second = 0; second < scenario.seconds; second++) {
      this.seconds.push({ answered: 0, refused: 0, expired: 0 });
    }
  }

  run(): this {
    const endsAt = this.#scenario.seconds * 1_000;
    this.#after(0, () => this.#arrive());
    for (;;) {
      const step = this.#steps.pop();
      if (step === undefined || step.at >= endsAt) return this;
      this.#now = step.at;
      step.run();
    }
  }

  /** Calls per second from one second to before another. */
  rate(what: keyof Second, from = 0, to = this.#scenario.seconds): number {
    const sum = this.seconds
      .slice(from, to)
      .reduce((total, second) => total + second[what], 0);
    return sum / (to - from);
  }

  #count(what: keyof Second): void {
    const second = this.seconds[Math.floor(this.#now / 1_000)];
    if (second !== undefined) second[what]++;
  }

  #after(ms: number, run: () => void): void {
    const at = this.#now + ms;
    let low = 0;
    let high = this.#steps.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#steps[middle] as Step).at > at) low = middle + 1;
      else high = middle;
    }
    this.#steps.splice(low, 0, { at, run });
  }

  #arrive(): void {
    const { callsPerSecond, random } = this.#scenario;
    const rate = callsPerSecond(this.#now);
    if (rate > 0) this.#call();
    const gapMs = rate > 0 ? 1_000 / rate : 10;
    const part = random === undefined ? 1 : -Math.log(1 - random());
    this.#after(gapMs * part, () => this.#arrive());
  }

  #call(): void {
    const { isPolite = false } = this.#scenario;
    const call = this.#calls++;
    const timeoutMs = this.#scenario.timeoutMs?.(call, this.#now) ?? 1_000;
    const leavesAfterMs = this.#scenario.leavesAfterMs?.(call) ?? Infinity;
    if (!this.limit.admit()) {
      this.#count("refused");
      return;
    }
    const place = this.limit.enter(this.#now, timeoutMs);
    let hasEnded = false;
    const waiting = {
      isExpired: false,
      begin: () => {
        this.#busy++;
        this.#serve(place, () => {
          hasEnded = true;
          if (!waiting.isExpired) this.#count("answered");
        });
      },
    };
    this.#after(Math.min(timeoutMs, leavesAfterMs), () => {
      if (hasEnded) return;
      waiting.isExpired = true;
      this.#count("expired");
      place.giveUp(this.#now);
      const index = this.#queue.indexOf(waiting);
      if (!isPolite || index < 0) return;
      this.#queue.splice(index, 1);
      place.end(this.#now, true);
    });
    this.#queue.push(waiting);
    this.#next();
  }

  #serve(place: Place, onEnd: () => void): void {
    const { serviceMs, fails, failMs = 1 } = this.#scenario;
    const isError = fails?.(this.#now) ?? false;
    this.#after(isError ? failMs : serviceMs(this.#now), () => {
      this.#busy--;
      onEnd();
      place.end(this.#now, isError);
      this.#next();
    });
  }

  #next(): void {
    const { places = Infinity } = this.#scenario;
    while (this.#busy < places) {
      const waiting = this.#queue.shift();
      if (waiting === undefined) return;
      waiting.begin();
    }
  }
}
