import { type Clock, systemClock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import type { Discovery, Endpoint } from "./discovery.ts";
import { PolledList, type PollOptions } from "./polled-list.ts";

export interface SingleSourceOptions extends PollOptions {
  /** Of one request. Default 3 s. */
  timeoutMs?: number;
}

/**
 * A {@link PolledList} of one source that is read as a whole. Each read that
 * gives no list is told as `discovery-failed` under the source's name.
 */
export class SingleSource implements Discovery {
  readonly #name: string;
  readonly #read: () => Promise<readonly Endpoint[]>;
  readonly #list: PolledList;
  readonly #clock: Clock;
  readonly #timeoutMs: number;

  /** @param read rejects with why there is no list; what it gives after its time or close is dropped */
  constructor(
    name: string,
    read: () => Promise<readonly Endpoint[]>,
    options: SingleSourceOptions,
  ) {
    this.#name = name;
    this.#read = read;
    this.#clock = options.clock ?? systemClock;
    this.#timeoutMs = options.timeoutMs ?? 3_000;
    const ask = (isCurrent: () => boolean, signal: AbortSignal) =>
      this.#ask(isCurrent, signal);
    this.#list = new PolledList({ names: [name], ask }, options);
  }

  all(): Promise<readonly Endpoint[]> {
    return this.#list.all();
  }

  refresh(): Promise<void> {
    return this.#list.refresh();
  }

  update(endpoints: readonly Endpoint[]): void {
    this.#list.update(endpoints);
  }

  close(): void {
    this.#list.close();
  }

  async #ask(isCurrent: () => boolean, signal: AbortSignal): Promise<void> {
    let endpoints: readonly Endpoint[];
    try {
      endpoints = await this.#readInTime(signal);
    } catch (cause) {
      const { message } = RpcError.from(cause);
      const error = new RpcError("unavailable", `${this.#name}: ${message}`, {
        sent: false,
        cause,
      });
      if (!signal.aborted) this.#list.report(this.#name, error);
      throw error;
    }
    if (isCurrent()) this.#list.accept(this.#name, endpoints);
  }

  async #readInTime(signal: AbortSignal): Promise<readonly Endpoint[]> {
    const { promise: givenUp, reject } = Promise.withResolvers<never>();
    const giveUp = (reason: string) => reject(new Error(reason));
    const timeoutMs = this.#timeoutMs;
    const timer = this.#clock
      .after(timeoutMs, () => giveUp(`no answer within ${timeoutMs} ms`))
      .unref();
    const onAbort = () => giveUp("the request was given up");
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([givenUp, this.#read()]);
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", onAbort);
    }
  }
}
