import type { Histogram } from "../metrics/histogram.ts";
import type { Failure, SliceLoad } from "./slice-load.ts";
import type { Slice } from "./slices.ts";

/** Calls with a stream at full speed beside them: counts and times the calls, and is wrong where either is. */
export class LoadBesideStream implements SliceLoad {
  readonly #calls: SliceLoad;
  readonly #stream: SliceLoad;
  /** What the stream did in the last run. */
  lastStream: Slice = { count: 0, elapsedMs: 0 };

  constructor(calls: SliceLoad, stream: SliceLoad) {
    this.#calls = calls;
    this.#stream = stream;
  }

  get done(): number {
    return this.#calls.done;
  }

  get errors(): number {
    return this.#calls.errors + this.#stream.errors;
  }

  get firstFailure(): Failure | undefined {
    return this.#calls.firstFailure ?? this.#stream.firstFailure;
  }

  async run(durationMs: number, latenciesUs: Histogram): Promise<Slice> {
    const [calls, stream] = await Promise.all([
      this.#calls.run(durationMs, latenciesUs),
      this.#stream.run(durationMs, latenciesUs),
    ]);
    this.lastStream = stream;
    return calls;
  }
}
