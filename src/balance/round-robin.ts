import { type Random, randomIndex } from "../base/random.ts";
import type { Endpoint } from "../discovery/discovery.ts";
import { makeRoom } from "./method-places.ts";
import { nobodyError, type PickedCall, type Picker } from "./picker.ts";

/**
 * Takes the endpoints in turns, from a random place on.
 *
 * The place is an address, not an index: the next one is the first that sorts
 * after it. So a server that comes or goes neither skips nor repeats the
 * others, and in a list that stays as it is shares differ by one at most. Each
 * method has a place of its own: lists differ by service, and a dear method
 * called in turns with a cheap one would otherwise always meet the same
 * server. Places start at random, so that many clients that start together do
 * not march together. `endpoints`, sorted by address, is a snapshot: not kept,
 * not changed. O(log n).
 *
 * @throws RpcError unavailable (sent: false)  endpoints is empty
 */
export class RoundRobinPicker implements Picker {
  readonly #random: Random;
  /** The address picked last, by serviceMethod. */
  readonly #places = new Map<string, string>();

  constructor(random: Random) {
    this.#random = random;
  }

  pick(endpoints: readonly Endpoint[], call: PickedCall): Endpoint {
    const { serviceMethod } = call;
    const place = this.#places.get(serviceMethod);
    const index =
      place === undefined
        ? randomIndex(endpoints.length, this.#random)
        : indexAfter(endpoints, place) % endpoints.length;
    const endpoint = endpoints[index];
    if (endpoint === undefined) throw nobodyError(call);
    if (place === undefined) makeRoom(this.#places);
    this.#places.set(serviceMethod, endpoint.address);
    return endpoint;
  }
}

/** The index of the first endpoint that sorts after `address`; the list's length when none does. */
function indexAfter(endpoints: readonly Endpoint[], address: string): number {
  let low = 0;
  let high = endpoints.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((endpoints[middle] as Endpoint).address > address) high = middle;
    else low = middle + 1;
  }
  return low;
}
