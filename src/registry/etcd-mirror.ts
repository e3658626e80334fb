import { RpcError } from "../errors.ts";
import type { EtcdEndpoints } from "./etcd-endpoints.ts";
import { EtcdGateway, type KeyEvent, type KeyValue } from "./etcd-gateway.ts";

export interface EtcdMirrorListener {
  /** All that there is: at first, and where changes were missed. */
  onState(keyValues: readonly KeyValue[]): void;
  /** What has changed since; the changes of one revision come together. */
  onEvents(events: readonly KeyEvent[]): void;
}

/** So old a watch becomes: one whose connection has silently gone tells nothing. */
const watchMs = 5_000;
const retryMs = 250;
const timeoutMs = 1_800;

/**
 * Follows all keys that begin with a prefix: their state, then each change,
 * once and in etcd's order, whatever becomes of connections and endpoints: while
 * etcd is away it stands still. The listener must not throw.
 */
export class EtcdMirror {
  readonly #endpoints: EtcdEndpoints;
  readonly #gateway: EtcdGateway;
  readonly #prefix: string;
  readonly #listener: EtcdMirrorListener;
  readonly #started = Promise.withResolvers<void>();
  /** Ends the watch of now, for another one. */
  #restart = new AbortController();
  /** All changes up to it were told; -1: the state is needed. */
  #revision = -1;
  #moved = Promise.withResolvers<void>();
  #isClosed = false;
  /** Ends a pause. */
  #wake = () => {};

  constructor(
    endpoints: EtcdEndpoints,
    prefix: string,
    listener: EtcdMirrorListener,
  ) {
    this.#endpoints = endpoints;
    this.#gateway = new EtcdGateway(endpoints);
    this.#prefix = prefix;
    this.#listener = listener;
    void this.#run();
  }

  /** Resolves once the first state was told. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  /**
   * Waits until the change that has this revision was told.
   *
   * @throws RpcError unavailable  not until `until`
   */
  async reached(revision: number, until: number): Promise<void> {
    while (this.#revision < revision) await this.next(until);
  }

  /**
   * Waits until something more was told.
   *
   * @throws RpcError unavailable  not until `until`
   */
  async next(until: number): Promise<void> {
    try {
      await this.#endpoints.within(this.#moved.promise, until);
    } catch (thrown) {
      // There is news that has not come.
      this.#restart.abort();
      throw thrown;
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#restart.abort();
    this.#wake();
  }

  async #run(): Promise<void> {
    const { clock } = this.#endpoints;
    while (!this.#isClosed) {
      this.#restart = new AbortController();
      const { signal } = this.#restart;
      const timer = clock.after(watchMs, () => this.#restart.abort()).unref();
      const hadState = this.#revision >= 0;
      try {
        await this.#follow(signal);
      } catch (thrown) {
        const isGap = RpcError.from(thrown).code === "out_of_range";
        if (isGap) this.#revision = -1;
        // A gap behind a state that has just come would be one again.
        if (!signal.aborted && !(isGap && hadState)) await this.#pause();
      }
      timer.cancel();
    }
  }

  async #follow(signal: AbortSignal): Promise<never> {
    const gateway = this.#gateway;
    if (this.#revision < 0) {
      const until = this.#endpoints.clock.now() + timeoutMs;
      const state = await gateway.range(this.#prefix, until);
      if (this.#isClosed) throw RpcError.fromAbort(signal);
      this.#listener.onState(state.keyValues);
      this.#move(state.revision);
      this.#started.resolve();
    }
    const onEvents = (events: readonly KeyEvent[]) => {
      if (this.#isClosed) return;
      this.#listener.onEvents(events);
      this.#move((events.at(-1) as KeyEvent).modRevision);
    };
    return gateway.watch(this.#prefix, this.#revision, onEvents, signal);
  }

  #move(revision: number): void {
    this.#revision = revision;
    this.#moved.resolve();
    this.#moved = Promise.withResolvers();
  }

  async #pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = this.#endpoints.clock.after(retryMs, resolve).unref();
    if (!this.#isClosed) await promise;
    timer.cancel();
  }
}
