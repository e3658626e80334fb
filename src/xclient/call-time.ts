import type { Clock, Timer } from "../base/clock.ts";
import { RpcError } from "../errors.ts";

/**
 * How long one call of an XClient may take over all of its attempts: an
 * instant and the caller's signal. Cheap to make; a timer exists only while
 * something is waited for.
 */
export class CallTime {
  /** The instant at which the call began. */
  readonly startedAt: number;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #endsAt: number;
  readonly #signal: AbortSignal | undefined;

  /** @param timeoutMs 0 is no limit */
  constructor(
    clock: Clock,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    startedAt = clock.now(),
  ) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.startedAt = startedAt;
    this.#endsAt = timeoutMs === 0 ? Infinity : this.startedAt + timeoutMs;
    this.#signal = signal;
  }

  /**
   * What is left for the next attempt, in ms; 0 is no limit.
   *
   * @throws RpcError deadline_exceeded, cancelled
   */
  leftMs(): number {
    if (this.#signal?.aborted) throw RpcError.fromAbort(this.#signal);
    if (this.#endsAt === Infinity) return 0;
    const leftMs = this.#endsAt - this.#clock.now();
    if (leftMs <= 0) throw this.#expired();
    return leftMs;
  }

  /**
   * Waits for `work`, but not past the call's end. `work` itself goes on.
   *
   * @throws RpcError deadline_exceeded, cancelled, or what `work` rejects with
   */
  wait<T>(work: Promise<T>): Promise<T> {
    return this.#wait(work, 1, (end) => end.reject(this.#expired()));
  }

  /**
   * Lets so much time pass: less than leftMs().
   *
   * @throws RpcError cancelled
   */
  async pass(pauseMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.after(pauseMs, resolve);
    try {
      await this.wait(promise);
    } finally {
      timer.cancel();
    }
  }

  /**
   * Waits for `work`, for at most one of `shares` equal parts of what is left;
   * undefined when it took longer. Without a limit it waits.
   *
   * @throws RpcError as wait
   */
  waitShare<T>(work: Promise<T>, shares: number): Promise<T | undefined> {
    if (shares <= 1) return this.wait(work);
    return this.#wait<T | undefined>(work, shares, (end) =>
      end.resolve(undefined),
    );
  }

  async #wait<T>(
    work: Promise<T>,
    shares: number,
    onTime: (end: PromiseWithResolvers<T>) => void,
  ): Promise<T> {
    // It may reject while nobody listens: where the time is over already.
    work.catch(() => {});
    const leftMs = this.leftMs();
    const end = Promise.withResolvers<T>();
    const signal = this.#signal;
    const onAbort = () => end.reject(RpcError.fromAbort(signal as AbortSignal));
    let timer: Timer | undefined;
    if (leftMs > 0) {
      timer = this.#clock.after(leftMs / shares, () => onTime(end));
    }
    signal?.addEventListener("abort", onAbort);
    try {
      return await Promise.race([work, end.promise]);
    } finally {
      timer?.cancel();
      signal?.removeEventListener("abort", onAbort);
    }
  }

  #expired(): RpcError {
    return new RpcError(
      "deadline_exceeded",
      `no server could be reached within ${this.#timeoutMs} ms`,
      { sent: false },
    );
  }
}
