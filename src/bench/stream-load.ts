import type { Clock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import { type Failure, type SliceLoad, textOf } from "./slice-load.ts";
import type { Slice } from "./slices.ts";
import type { StreamWorkload } from "./stream-workload.ts";

/** Begins a stream of that method's, without an argument. */
export type StreamFunction = (
  serviceMethod: string,
) => Promise<AsyncIterable<unknown>>;

export interface StreamLoadOptions {
  /** One function per connection. */
  streams: readonly StreamFunction[];
  /** Streams at a time on each of them. */
  inFlight: number;
  workload: StreamWorkload;
  clock: Clock;
}

/** A look at the clock costs a good part of what a small item does. */
const itemsPerLook = 16;

/**
 * Reads so many streams as fast as they come and checks every item. Each run
 * begins streams of its own and gives them up at its end. A stream that fails,
 * or ends by itself, ends its place in the run.
 */
export class StreamLoad implements SliceLoad {
  readonly #options: StreamLoadOptions;
  done = 0;
  errors = 0;
  firstFailure: Failure | undefined;

  constructor(options: StreamLoadOptions) {
    this.#options = options;
  }

  async run(durationMs: number): Promise<Slice> {
    const { streams, inFlight, clock } = this.#options;
    const startedAt = clock.now();
    const rightBefore = this.done - this.errors;
    const places: Promise<void>[] = [];
    for (let place = 0; place < inFlight; place++) {
      for (const open of streams) {
        places.push(this.#read(open, startedAt + durationMs));
      }
    }
    await Promise.all(places);
    return {
      count: this.done - this.errors - rightBefore,
      elapsedMs: clock.now() - startedAt,
    };
  }

  /** Reads one stream until `until`, or until it is over. */
  async #read(open: StreamFunction, until: number): Promise<void> {
    const { workload, clock } = this.#options;
    let index = 0;
    try {
      for await (const item of await open(workload.method)) {
        this.done++;
        if (!workload.isRight(index, item)) {
          this.#failed(index, `wrong item: ${textOf(item)}`);
        }
        if (++index % itemsPerLook === 0 && clock.now() >= until) return;
      }
      this.done++;
      this.#failed(index, "the stream ended");
    } catch (thrown) {
      const { code, message } = RpcError.from(thrown);
      this.done++;
      this.#failed(index, `${code}: ${message}`);
    }
  }

  #failed(at: number, reason: string): void {
    this.errors++;
    this.firstFailure ??= { at, reason };
  }
}
