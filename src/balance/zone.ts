import type { Random } from "../base/random.ts";
import type { Endpoint } from "../discovery/discovery.ts";
import type { PickedCall, Picker } from "./picker.ts";

/** How much more than their usual part the servers of a zone may get when some of it are away: Envoy's 140 %. */
const overload = 1.4;

/** A list by zone; both in its order. */
interface Parts {
  readonly own: readonly Endpoint[];
  readonly others: readonly Endpoint[];
}

/**
 * Picks among the servers of the caller's zone, and among the others when
 * those are short. A picker of its own chooses inside each of the two.
 *
 * The zone is short when fewer than 1/1.4 (71 %) of its servers that have the
 * service are up. Those that are left then get 1.4 times their usual part of
 * the calls: of three servers two get 14 parts in 15, one 7 in 15; the rest
 * goes to other zones. Every call does where nobody of the zone is up, and
 * where the caller's zone is not told. How many callers share a zone is not
 * known: a zone with too few servers for its callers needs more of them. No
 * draw of its own while the zone is not short; the parts of an array are
 * found once.
 * Source: Envoy, "Overprovisioning factor" and "Priority levels".
 *
 * @throws RpcError unavailable (sent: false)  endpoints is empty
 */
export class ZonePicker implements Picker {
  readonly #random: Random;
  readonly #zone: string | undefined;
  readonly #own: Picker;
  readonly #others: Picker;
  readonly #parts = new WeakMap<readonly Endpoint[], Parts>();
  readonly started: Picker["started"];
  readonly ended: Picker["ended"];
  readonly retain: Picker["retain"];

  /**
   * @param zone the caller's
   * @param inside makes the pickers of the two parts; both are of one kind
   */
  constructor(random: Random, zone: string | undefined, inside: () => Picker) {
    this.#random = random;
    this.#zone = zone;
    this.#own = inside();
    this.#others = inside();
    const { started, ended, retain } = this.#own;
    if (started !== undefined) {
      this.started = (endpoint, now) =>
        this.#inside(endpoint).started?.(endpoint, now);
    }
    if (ended !== undefined) {
      this.ended = (endpoint, outcome, latencyMs, now) =>
        this.#inside(endpoint).ended?.(endpoint, outcome, latencyMs, now);
    }
    if (retain !== undefined) {
      this.retain = (addresses) => {
        this.#own.retain?.(addresses);
        this.#others.retain?.(addresses);
      };
    }
  }

  pick(endpoints: readonly Endpoint[], call: PickedCall): Endpoint {
    const { own, others } = this.#partsOf(endpoints);
    if (own.length === 0) return this.#others.pick(others, call);
    if (others.length > 0) {
      const { listed = endpoints } = call;
      const part = (overload * own.length) / this.#partsOf(listed).own.length;
      if (part < 1 && this.#random() >= part) {
        return this.#others.pick(others, call);
      }
    }
    return this.#own.pick(own, call);
  }

  /** The picker that chooses among `endpoint` and its like. */
  #inside(endpoint: Endpoint): Picker {
    return this.#isOwn(endpoint) ? this.#own : this.#others;
  }

  #isOwn({ zone }: Endpoint): boolean {
    return zone !== undefined && zone === this.#zone;
  }

  #partsOf(endpoints: readonly Endpoint[]): Parts {
    let parts = this.#parts.get(endpoints);
    if (parts === undefined) {
      parts = {
        own: endpoints.filter((endpoint) => this.#isOwn(endpoint)),
        others: endpoints.filter((endpoint) => !this.#isOwn(endpoint)),
      };
      this.#parts.set(endpoints, parts);
    }
    return parts;
  }
}
