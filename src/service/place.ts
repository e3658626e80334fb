import type { AdaptiveLimit } from "./adaptive-limit.ts";

/** What became of a call: `expired` where its caller's time ran out, `failed` also where its caller left before. */
export type Outcome = "succeeded" | "failed" | "expired";

/** A caller that leaves when so much of its time is over has run out of it: its clock is not ours. */
const nearlyAll = 0.9;

type PlaceOwner = Pick<AdaptiveLimit, "release" | "leave" | "done" | "sample">;

/** One handler's place under a limit. */
export class Place {
  readonly #limit: PlaceOwner;
  readonly #startedAt: number;
  readonly #givenMs: number;
  #isAwaited = true;

  constructor(limit: PlaceOwner, startedAt: number, givenMs: number) {
    this.#limit = limit;
    this.#startedAt = startedAt;
    this.#givenMs = givenMs;
  }

  /** Its call was answered early, or its caller has gone; the handler goes on. */
  giveUp(now: number): void {
    if (!this.#isAwaited) return;
    this.#release();
    const elapsedMs = now - this.#startedAt;
    const isExpired = elapsedMs >= nearlyAll * this.#givenMs;
    this.#sample(now, isExpired ? "expired" : "failed");
  }

  /** It has ended, which is the last that is heard of it. */
  end(now: number, isError: boolean): void {
    if (!isError) this.#limit.done();
    if (this.#isAwaited) {
      this.#release();
      this.#sample(now, isError ? "failed" : "succeeded");
    }
    this.#limit.leave(now);
  }

  /** Its reply is a stream: it does not count. */
  leave(now: number): void {
    if (this.#isAwaited) this.#release();
    this.#limit.leave(now);
  }

  #sample(now: number, outcome: Outcome): void {
    this.#limit.sample(this.#startedAt, now, this.#givenMs, outcome);
  }

  #release(): void {
    this.#isAwaited = false;
    this.#limit.release();
  }
}
