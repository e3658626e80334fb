import { type Random, randomIndex } from "../base/random.ts";
import type { Endpoint } from "../discovery/discovery.ts";
import { PeakLatency } from "./peak-latency.ts";
import {
  type CallOutcome,
  nobodyError,
  type PickedCall,
  type Picker,
} from "./picker.ts";

/** The load, in ms, of a server that has calls and has not answered any: above all that is known. */
const unknownMs = 1e12;

/** What this client knows of one server. */
interface Known {
  inFlight: number;
  readonly latency: PeakLatency;
}

/**
 * Draws two endpoints at random and takes the one with less load: its peak
 * latency times the calls that it would then have in flight.
 *
 * Load is this client's calls only. So a slow server loses its traffic at its
 * first slow answer, or before, as its calls pile up, and is tried again once
 * that answer has faded ({@link PeakLatency}). One of which nothing is known
 * is taken when it is drawn, for one call until it has answered. The time is
 * that of the last `started` or `ended`: what fades fades for all alike, so
 * the order of two servers does not hang on it. O(1), two draws; with a
 * single endpoint none.
 * Sources: Mitzenmacher, "The Power of Two Choices in Randomized Load
 * Balancing", IEEE TPDS 12(10), 2001; Finagle, P2C with PeakEwma.scala.
 *
 * @throws RpcError unavailable (sent: false)  endpoints is empty
 */
export class LeastLoadedPicker implements Picker {
  readonly #random: Random;
  readonly #servers = new Map<string, Known>();
  #now = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  pick(endpoints: readonly Endpoint[], call: PickedCall): Endpoint {
    const { length } = endpoints;
    const first = length > 1 ? randomIndex(length, this.#random) : 0;
    const one = endpoints[first];
    if (one === undefined) throw nobodyError(call);
    if (length === 1) return one;
    const further = 1 + randomIndex(length - 1, this.#random);
    const other = endpoints[(first + further) % length] as Endpoint;
    return this.#loadOf(other) < this.#loadOf(one) ? other : one;
  }

  started({ address }: Endpoint, now: number): void {
    this.#now = now;
    let known = this.#servers.get(address);
    if (known === undefined) {
      known = { inFlight: 0, latency: new PeakLatency() };
      this.#servers.set(address, known);
    }
    known.inFlight++;
  }

  ended(
    { address }: Endpoint,
    outcome: CallOutcome,
    latencyMs: number | undefined,
    now: number,
  ): void {
    this.#now = now;
    const known = this.#servers.get(address);
    if (known === undefined) return;
    known.inFlight--;
    if (latencyMs === undefined) return;
    const { latency } = known;
    if (outcome === "answered") latency.answered(latencyMs, now);
    else if (outcome === "failed") latency.failed(latencyMs, now);
    else latency.atLeast(latencyMs, now);
  }

  /** One that still has calls goes with a later list. */
  retain(addresses: ReadonlySet<string>): void {
    for (const [address, { inFlight }] of this.#servers) {
      if (inFlight === 0 && !addresses.has(address)) {
        this.#servers.delete(address);
      }
    }
  }

  #loadOf({ address }: Endpoint): number {
    const known = this.#servers.get(address);
    if (known === undefined) return 0;
    const { inFlight, latency } = known;
    const latencyMs = latency.at(this.#now);
    if (latencyMs !== undefined) return latencyMs * (inFlight + 1);
    return inFlight === 0 ? 0 : unknownMs + inFlight;
  }
}
