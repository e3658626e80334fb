import { RpcError } from "../errors.ts";
import { type Endpoint, endpointList } from "./discovery.ts";
import { maxListBytes, maxListed } from "./listing.ts";

/**
 * A list as its changes make it, each endpoint by a key of its source's. It
 * grows no longer than a list that is read at once may be: a source that tells
 * of ever more servers is one that lies.
 */
export class FollowedEndpoints {
  readonly #byKey = new Map<string, Endpoint>();
  #charCount = 0;

  /** @throws RpcError resource_exhausted  it is too long; it is as it was, but for `key` */
  set(key: string, endpoint: Endpoint): void {
    this.delete(key);
    const charCount = this.#charCount + charsOf(key, endpoint);
    if (charCount > maxListBytes || this.#byKey.size >= maxListed) {
      throw new RpcError(
        "resource_exhausted",
        `its changes make a list of more than ${this.#byKey.size} servers`,
      );
    }
    this.#byKey.set(key, endpoint);
    this.#charCount = charCount;
  }

  delete(key: string): void {
    const endpoint = this.#byKey.get(key);
    if (endpoint === undefined) return;
    this.#byKey.delete(key);
    this.#charCount -= charsOf(key, endpoint);
  }

  /** As Discovery.all gives it: a snapshot. */
  list(): readonly Endpoint[] {
    return endpointList([...this.#byKey.values()]);
  }
}

function charsOf(key: string, { services = [], zone = "" }: Endpoint): number {
  let charCount = key.length + zone.length;
  for (const service of services) charCount += service.length;
  return charCount;
}
