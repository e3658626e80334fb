import { NumbersSeen } from "./numbers-seen.ts";

/** Names made up by a peer, or by a program. */
const maxMethods = 1_024;

/**
 * What the connections of one end have learnt of the values that nobody
 * declared, by method: for one direction, the arguments of a client or the
 * replies of a server. It outlives the connections, so that the one after a
 * loss knows a float64 at once, and an ambiguity is told once, not once each.
 *
 * Types are not in it: those that a peer defined are for that peer alone.
 */
export class Inferences {
  readonly #methods = new Map<string, NumbersSeen>();

  /** What is known of the values of `serviceMethod`; shared, and filled by whoever asks. */
  of(serviceMethod: string): NumbersSeen {
    let seen = this.#methods.get(serviceMethod);
    if (seen === undefined) {
      seen = new NumbersSeen();
      remember(this.#methods, serviceMethod, seen);
    }
    return seen;
  }
}

/** Keeps `value` under a method's name, and forgets the oldest when there are too many. */
export function remember<T>(
  methods: Map<string, T>,
  serviceMethod: string,
  value: T,
): void {
  if (methods.size >= maxMethods && !methods.has(serviceMethod)) {
    for (const oldest of methods.keys()) {
      methods.delete(oldest);
      break;
    }
  }
  methods.set(serviceMethod, value);
}
