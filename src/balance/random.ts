import { type Random, randomIndex } from "../base/random.ts";
import type { Endpoint } from "../discovery/discovery.ts";
import { nobodyError, type PickedCall, type Picker } from "./picker.ts";

/**
 * Draws one endpoint, each as likely as any other.
 *
 * O(1), one draw; with a single endpoint none. Over n calls a server's share
 * is off by about √n: fine for many calls, uneven for a few. `endpoints` is a
 * snapshot: not kept, not changed.
 *
 * @throws RpcError unavailable (sent: false)  endpoints is empty
 */
export class RandomPicker implements Picker {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  pick(endpoints: readonly Endpoint[], call: PickedCall): Endpoint {
    const { length } = endpoints;
    const index = length > 1 ? randomIndex(length, this.#random) : 0;
    const endpoint = endpoints[index];
    if (endpoint === undefined) throw nobodyError(call);
    return endpoint;
  }
}
