import type { Random } from "../base/random.ts";
import type { Endpoint } from "../discovery/discovery.ts";
import { hash32, mix32 } from "./hash.ts";
import type { PickedCall, Picker } from "./picker.ts";
import { RandomPicker } from "./random.ts";

/** Keys and addresses have hashes of their own: a key may well be an address. */
const keySeed = 0;
const addressSeed = 0x9e3779b9;

/**
 * Sends calls of one key to one server: the one for which the hash of both
 * together is greatest.
 *
 * A server that leaves moves only its own keys, evenly to all others; one
 * that comes takes an even part from each; nothing is kept, and clients that
 * know the same servers agree. A server that is down or tried counts as
 * having left, so each key has its second choice, and gets its keys back. All
 * count alike, whatever their weights. A call without a key goes anywhere, as
 * in `random`. O(n), about 3 ns a server, and for an array not seen before
 * the hash of each address.
 * Source: Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit
 * Rates", IEEE/ACM Transactions on Networking 6(1), 1998 (rendezvous hashing).
 *
 * @throws RpcError unavailable (sent: false)  endpoints is empty
 */
export class ConsistentHashPicker implements Picker {
  readonly #anywhere: Picker;
  /** The hashes of each list's addresses, in its order. */
  readonly #hashes = new WeakMap<readonly Endpoint[], Uint32Array>();

  constructor(random: Random) {
    this.#anywhere = new RandomPicker(random);
  }

  pick(endpoints: readonly Endpoint[], call: PickedCall): Endpoint {
    const { key } = call;
    if (key === undefined || endpoints.length < 2) {
      return this.#anywhere.pick(endpoints, call);
    }
    const hashes = this.#hashesOf(endpoints);
    const keyHash = hash32(key, keySeed);
    let greatest = -1;
    let best = 0;
    for (let index = 0; index < hashes.length; index++) {
      const score = mix32(keyHash ^ (hashes[index] as number));
      if (
        score > greatest ||
        (score === greatest && isGreater(endpoints, index, best, score))
      ) {
        greatest = score;
        best = index;
      }
    }
    return endpoints[best] as Endpoint;
  }

  #hashesOf(endpoints: readonly Endpoint[]): Uint32Array {
    let hashes = this.#hashes.get(endpoints);
    if (hashes === undefined) {
      hashes = Uint32Array.from(endpoints, ({ address }) =>
        hash32(address, addressSeed),
      );
      this.#hashes.set(endpoints, hashes);
    }
    return hashes;
  }
}

/** Decides between addresses that have one hash, for each key anew: or the second would have none. */
function isGreater(
  endpoints: readonly Endpoint[],
  one: number,
  other: number,
  score: number,
): boolean {
  const [hash, otherHash] = [one, other].map((index) =>
    hash32((endpoints[index] as Endpoint).address, score),
  ) as [number, number];
  return hash > otherHash;
}
