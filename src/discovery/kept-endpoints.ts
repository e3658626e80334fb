import { type Endpoint, endpointList } from "./discovery.ts";
import { maxListed, type RegistryList } from "./listing.ts";

/**
 * The servers that a client goes on knowing while a registry that has just
 * begun fills its list: what was known before this life of the registry, until
 * it lists them, from when on it decides, or its time is over. Instants are ms
 * on the caller's clock.
 */
export class KeptEndpoints {
  #endpoints: readonly Endpoint[] = [];
  #until = Infinity;
  /** The life of the registry that was listed last. */
  #life: string | undefined;

  /** When the list without them has to be asked for; Infinity where there are none. */
  get until(): number {
    return this.#endpoints.length > 0 ? this.#until : Infinity;
  }

  /** A list came that may lack what is `known`. */
  begin(
    { revision, fillingForMs }: RegistryList,
    known: readonly Endpoint[],
    now: number,
  ): void {
    const life = revision?.split(".", 1)[0];
    const isSameLife = life === this.#life;
    this.#life = life;
    if (fillingForMs <= 0) this.#endpoints = [];
    if (isSameLife || fillingForMs <= 0) return;
    // A registry that begins again and again, each time with others, lies.
    if (known.length > maxListed) return;
    this.#endpoints = known;
    this.#until = now + fillingForMs;
  }

  /** What the registry lists, and who is kept beside. */
  with(listed: readonly Endpoint[], now: number): readonly Endpoint[] {
    if (this.#endpoints.length === 0) return listed;
    const addresses = new Set(listed.map(({ address }) => address));
    this.#endpoints = this.#endpoints.filter(
      ({ address }) => now < this.#until && !addresses.has(address),
    );
    return endpointList([...listed, ...this.#endpoints]);
  }
}
