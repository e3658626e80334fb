import { Histogram } from "../metrics/histogram.ts";

/** So many calls are one picture: then a new one is begun. */
const callsPerHistogram = 1_000;
/** How often the quantile is read from it. */
const callsPerReading = 100;
/** Fewer calls than these tell nothing. */
const minCalls = 20;
/** Names come from the caller, who may make them up. */
const maxMethods = 1_000;
const quantile = 0.95;

interface Observed {
  histogramUs: Histogram;
  p95Ms: number | undefined;
}

/**
 * How long calls of each method take: the p95 of the last hundreds of calls,
 * read after the first 20 calls and every 100 then. 4 KB a method, of at most
 * 1,000 methods.
 */
export class MethodLatency {
  readonly #methods = new Map<string, Observed>();

  record(serviceMethod: string, elapsedMs: number): void {
    let observed = this.#methods.get(serviceMethod);
    if (observed === undefined) {
      if (this.#methods.size >= maxMethods) this.#methods.clear();
      observed = { histogramUs: new Histogram(), p95Ms: undefined };
      this.#methods.set(serviceMethod, observed);
    }
    const { histogramUs } = observed;
    histogramUs.record(elapsedMs * 1_000);
    const { count } = histogramUs;
    const isFirst = observed.p95Ms === undefined && count >= minCalls;
    if (!isFirst && count % callsPerReading !== 0) return;
    observed.p95Ms = histogramUs.quantile(quantile) / 1_000;
    if (count >= callsPerHistogram) observed.histogramUs = new Histogram();
  }

  /** In ms; undefined while too few calls were made. */
  p95Ms(serviceMethod: string): number | undefined {
    return this.#methods.get(serviceMethod)?.p95Ms;
  }
}
