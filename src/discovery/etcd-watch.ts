import type { Clock, Timer } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import type { KeyEvent } from "../registry/etcd-gateway.ts";
import type { Endpoint } from "./discovery.ts";
import { FollowedEndpoints } from "./followed-endpoints.ts";
import type { WatchEnd } from "./registry-watch.ts";

/** What etcd has under the prefix of a fleet, and the revision that this is true of. */
export interface EtcdState {
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly revision: number;
}

export interface EtcdWatchOptions {
  readonly clock: Clock;
  /** How many members of etcd may fail one after the other. */
  readonly memberCount: number;
  /** Tells what has changed since `revision`, as EtcdGateway.watch. */
  readonly watch: (
    revision: number,
    onEvents: (events: readonly KeyEvent[]) => void,
    signal: AbortSignal,
  ) => Promise<never>;
  /** The endpoint that a key stands for; undefined: none. */
  readonly read: (event: KeyEvent) => Endpoint | undefined;
  /** Told of the whole list where it has changed, and now and then; false ends the watch. */
  readonly onList: (endpoints: readonly Endpoint[]) => boolean;
  /** Told once, unless it was stopped. */
  readonly onEnd: (reason: WatchEnd) => void;
}

/** So old one stream becomes: one whose connection has silently gone tells nothing. */
const streamMs = 10_000;
/** Changes are gathered for so long: a thousand servers that come are no thousand lists. */
const gatherMs = 100;
/** From a stream that failed to the next one. */
const resumeMs = 100;

/**
 * Follows a fleet in etcd, from a state that was read of it. A stream that
 * fails is resumed where it ended, at the next member, and so is one after
 * 10 s. Ends when each member has failed, at a gap, or where nobody wants it:
 * who began it polls, and begins another.
 */
export class EtcdWatch {
  readonly #options: EtcdWatchOptions;
  readonly #endpoints = new FollowedEndpoints();
  #revision: number;
  /** Since something was told last. */
  #failures = 0;
  #stream = new AbortController();
  #gathering: Timer | undefined;
  #pause: Timer | undefined;
  #isStopped = false;

  /** @throws RpcError resource_exhausted  too long a list */
  constructor({ endpoints, revision }: EtcdState, options: EtcdWatchOptions) {
    this.#options = options;
    for (const [key, endpoint] of endpoints) this.#endpoints.set(key, endpoint);
    this.#revision = revision;
    void this.#follow();
  }

  /** What is on its way counts no more, and nobody is told. */
  stop(): void {
    this.#isStopped = true;
    this.#stream.abort();
    this.#gathering?.cancel();
    this.#pause?.cancel();
  }

  /** One stream, and the next after it. Never rejects. */
  async #follow(): Promise<void> {
    const { clock, watch, memberCount } = this.#options;
    const stream = new AbortController();
    this.#stream = stream;
    const age = clock.after(streamMs, () => stream.abort()).unref();
    const onEvents = (events: readonly KeyEvent[]) => this.#take(events);
    const error: RpcError = await watch(
      this.#revision,
      onEvents,
      stream.signal,
    ).catch(RpcError.from);
    age.cancel();
    if (this.#isStopped) return;
    if (error.code === "out_of_range") return this.#end("gap");
    if (stream.signal.aborted) {
      this.#tell();
      if (!this.#isStopped) void this.#follow();
      return;
    }
    this.#failures++;
    if (error.code !== "unavailable" || this.#failures > memberCount) {
      return this.#end(error);
    }
    this.#pause = clock.after(resumeMs, () => void this.#follow()).unref();
  }

  #take(events: readonly KeyEvent[]): void {
    if (this.#isStopped) return;
    for (const event of events) {
      const endpoint = this.#options.read(event);
      if (endpoint === undefined) this.#endpoints.delete(event.key);
      else this.#endpoints.set(event.key, endpoint);
      this.#revision = event.modRevision;
    }
    this.#failures = 0;
    this.#gathering ??= this.#options.clock
      .after(gatherMs, () => this.#tell())
      .unref();
  }

  #tell(): void {
    this.#gathering?.cancel();
    this.#gathering = undefined;
    const isWanted = this.#options.onList(this.#endpoints.list());
    if (!isWanted && !this.#isStopped) this.#end("unwanted");
  }

  #end(reason: WatchEnd): void {
    this.stop();
    this.#options.onEnd(reason);
  }
}
