import type { Random } from "../base/random.ts";
import type { Endpoint } from "../discovery/discovery.ts";
import { makeRoom } from "./method-places.ts";
import { nobodyError, type PickedCall, type Picker } from "./picker.ts";

/** What even a server that says it is full gets of its weight: nobody starves, and a wrong figure can be outlived. */
const leastFree = 1 / 20;
/** What is above it counts as this, so that sums stay finite. */
const maxWeight = 1_000_000;

/** One server's turns at one method. */
interface Turns {
  /** What it gets of a pick: its part of all weights. */
  share: number;
  /** The picks that it should have had and has not; below 0, those it had early. */
  credit: number;
}

/** The servers of one method. */
interface Place {
  /** The list that `order` stands beside. */
  endpoints: readonly Endpoint[];
  order: Turns[];
  /** Also of servers that are not in the list just now, until they are let go. */
  readonly byAddress: Map<string, Turns>;
}

/**
 * Takes the endpoints in turns by weight, each server's spread evenly among
 * the others': 5, 1 and 1 give a a b a c a a.
 *
 * A server counts for its weight times (1 - load), at least for a twentieth
 * of its weight. At each pick every server's credit grows by its share of
 * the whole; the one with the most is picked and pays 1. So over any number
 * of picks of one list a server is at most two picks off its share. Credits
 * are kept while weights change, and of servers that are away for a while
 * (down, or tried by this call), so those that stay do not start anew. A
 * server's first credit is drawn from ±½: clients that start together do not
 * march together. Each method has credits of its own, as in round-robin.
 * O(n) additions; where `endpoints` is another array than at the last pick
 * also n look-ups.
 * Source: nginx, "Upstream: smooth weighted round-robin balancing" (M.
 * Dounin, 2012); here credits are picks rather than weights.
 *
 * @throws RpcError unavailable (sent: false)  endpoints is empty
 */
export class WeightedPicker implements Picker {
  readonly #random: Random;
  readonly #places = new Map<string, Place>();

  constructor(random: Random) {
    this.#random = random;
  }

  pick(endpoints: readonly Endpoint[], call: PickedCall): Endpoint {
    const { order } = this.#placeOf(endpoints, call);
    let next: Turns | undefined;
    let nextIndex = 0;
    for (let index = 0; index < order.length; index++) {
      const turns = order[index] as Turns;
      turns.credit += turns.share;
      if (next === undefined || turns.credit > next.credit) {
        next = turns;
        nextIndex = index;
      }
    }
    if (next === undefined) throw nobodyError(call);
    next.credit -= 1;
    return endpoints[nextIndex] as Endpoint;
  }

  retain(addresses: ReadonlySet<string>): void {
    for (const { byAddress } of this.#places.values()) {
      for (const address of byAddress.keys()) {
        if (!addresses.has(address)) byAddress.delete(address);
      }
    }
  }

  /** The method's credits, those of `endpoints` in its order. */
  #placeOf(
    endpoints: readonly Endpoint[],
    { serviceMethod }: PickedCall,
  ): Place {
    let place = this.#places.get(serviceMethod);
    if (place === undefined) {
      makeRoom(this.#places);
      place = { endpoints: [], order: [], byAddress: new Map() };
      this.#places.set(serviceMethod, place);
    }
    if (place.endpoints !== endpoints) this.#relist(place, endpoints);
    return place;
  }

  #relist(place: Place, endpoints: readonly Endpoint[]): void {
    const weights = endpoints.map(freeWeight);
    const whole = weights.reduce((sum, weight) => sum + weight, 0);
    place.endpoints = endpoints;
    place.order = endpoints.map(({ address }, index) => {
      let turns = place.byAddress.get(address);
      if (turns === undefined) {
        turns = { share: 0, credit: this.#random() - 0.5 };
        place.byAddress.set(address, turns);
      }
      turns.share = (weights[index] as number) / whole;
      return turns;
    });
  }
}

/** What a server can take now, whatever was said of it. */
function freeWeight({ weight = 1, load = 0 }: Endpoint): number {
  const usable = weight > 0 ? Math.min(weight, maxWeight) : 1;
  const busy = load > 0 ? load : 0;
  return usable * Math.max(1 - busy, leastFree);
}
