import { Histogram } from "../metrics/histogram.ts";
import { cpuUs } from "./bench-server.ts";
import type { BenchCase } from "./cases.ts";
import type { Connections } from "./connections.ts";
import { LoadBesideStream } from "./load-beside-stream.ts";
import type { CaseReport } from "./case-report.ts";
import type { SliceLoad } from "./slice-load.ts";
import {
  figuresOf,
  median,
  planSlices,
  rateOf,
  type Slice,
  type SlicePair,
} from "./slices.ts";

export interface RowOptions {
  benchCase: BenchCase;
  connections: number;
  /** In ms, shared by geerpc and what it takes turns with. */
  durationMs: number;
}

/** One row of the report: slices of the case, with so many in flight, in turns with what it is compared to. */
export class Row {
  readonly #connections: Connections;
  readonly #options: RowOptions;
  readonly #inFlight: number;
  readonly #load: SliceLoad;
  /** The calls alone, where the case has a stream beside them. */
  readonly #quiet: SliceLoad | undefined;
  readonly #pairs: SlicePair[] = [];
  readonly #latenciesUs = new Histogram();
  readonly #quietLatenciesUs = new Histogram();
  #clientCpuUs = 0;
  #serverCpuUs = 0;

  constructor(connections: Connections, inFlight: number, options: RowOptions) {
    this.#connections = connections;
    this.#options = options;
    this.#inFlight = inFlight;
    this.#load = connections.load(inFlight);
    this.#quiet = connections.quietLoad(inFlight);
  }

  /** @param onPair told after each pair of slices, with the fraction of the row that is done */
  async measure(
    onPair: (fraction: number, slice: Slice) => void,
  ): Promise<CaseReport> {
    const hasTurns = this.#connections.hasLimit || this.#quiet !== undefined;
    const { sliceMs, pairs } = planSlices(this.#options.durationMs, hasTurns);
    await warmUp(this.#connections, this.#inFlight, sliceMs);
    for (let pair = 1; pair <= pairs; pair++) {
      const limit = await this.#connections.limitFor(this.#inFlight, sliceMs);
      await this.#quiet?.run(sliceMs, this.#quietLatenciesUs);
      const geerpc = await this.#slice(sliceMs);
      this.#pairs.push({ limit, geerpc });
      onPair(pair / pairs, geerpc);
    }
    return this.#report();
  }

  async #slice(sliceMs: number): Promise<Slice> {
    const serverBefore = await this.#connections.serverCpuUs();
    const clientBefore = cpuUs();
    const slice = await this.#load.run(sliceMs, this.#latenciesUs);
    this.#clientCpuUs += cpuUs() - clientBefore;
    this.#serverCpuUs += (await this.#connections.serverCpuUs()) - serverBefore;
    return slice;
  }

  #report(): CaseReport {
    const { benchCase, connections } = this.#options;
    const { codec, sizes, hasOwnServer } = this.#connections;
    const { calls, stream, name } = benchCase;
    const { done, firstFailure } = this.#load;
    const cpuUs = this.#clientCpuUs + this.#serverCpuUs;
    const elapsedMs = this.#pairs.reduce(
      (sum, { geerpc }) => sum + geerpc.elapsedMs,
      0,
    );
    const failure = firstFailure ?? this.#quiet?.firstFailure;
    const isTimed = this.#latenciesUs.count > 0;
    const quantile = (fraction: number) =>
      isTimed ? this.#latenciesUs.quantile(fraction) : null;
    return {
      case: name,
      unit: calls === undefined ? "items" : "calls",
      method: (calls ?? stream).method,
      codec,
      connections,
      inFlight: this.#inFlight,
      calls: done,
      errors: this.#load.errors + (this.#quiet?.errors ?? 0),
      ...figuresOf(this.#pairs),
      p50Us: quantile(0.5),
      p99Us: quantile(0.99),
      p999Us: quantile(0.999),
      cpuUsPerCall: hasOwnServer ? cpuUs / Math.max(1, done) : null,
      clientCpuUsPerCall: this.#clientCpuUs / Math.max(1, done),
      coresUsed: hasOwnServer ? cpuUs / 1000 / elapsedMs : null,
      requestBytes: sizes.request,
      responseBytes: sizes.response,
      ...this.#streamFigures(),
      ...this.#quietFigures(),
      ...(failure === undefined ? {} : { firstFailure: failure.reason }),
    };
  }

  /** For streams of bytes: bytes of content, so that both sides count the same. */
  #streamFigures(): Pick<
    CaseReport,
    "megabytesPerSecond" | "limitMegabytesPerSecond"
  > {
    const itemBytes = this.#options.benchCase.stream?.itemBytes;
    if (itemBytes === undefined) return {};
    const toMegabytes = (perSecond: number) => (perSecond * itemBytes) / 1e6;
    if (this.#load instanceof LoadBesideStream) {
      const rates = this.#load.streamSlices.map(rateOf);
      return { megabytesPerSecond: toMegabytes(median(rates)) };
    }
    const { callsPerSecond, limitPerSecond } = figuresOf(this.#pairs);
    return {
      megabytesPerSecond: toMegabytes(callsPerSecond),
      ...(limitPerSecond === null
        ? {}
        : { limitMegabytesPerSecond: toMegabytes(limitPerSecond) }),
    };
  }

  #quietFigures(): Pick<CaseReport, "p99QuietUs" | "p99AgainstQuiet"> {
    if (this.#quiet === undefined) return {};
    const p99QuietUs = this.#quietLatenciesUs.quantile(0.99);
    const p99Us = this.#latenciesUs.quantile(0.99);
    return { p99QuietUs, p99AgainstQuiet: p99Us / p99QuietUs };
  }
}

/** Runs what will be measured, so that it has been compiled. */
export async function warmUp(
  connections: Connections,
  inFlight: number,
  durationMs: number,
): Promise<void> {
  await connections.load(inFlight).run(durationMs, new Histogram());
  await connections.limitFor(inFlight, durationMs / 4);
}
