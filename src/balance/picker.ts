import type { Random } from "../base/random.ts";
import { RpcError } from "../errors.ts";
import type { Endpoint } from "../discovery/discovery.ts";

/** What a picker may know of the call. */
export interface PickedCall {
  readonly serviceMethod: string;
}

/**
 * Chooses the server of a call: no I/O, no time, no failure but an empty list.
 *
 * One picker serves all calls of one client, so what it keeps must not grow
 * with them. It is asked once per attempt; a choice is not told back, and the
 * call may still go elsewhere.
 */
export interface Picker {
  /**
   * Gives one of `endpoints`, which are the servers that have the call's
   * service, less those that it has tried: sorted by address, a snapshot, not
   * kept, not changed.
   *
   * @throws RpcError unavailable (sent: false)  endpoints is empty
   */
  pick(endpoints: readonly Endpoint[], call: PickedCall): Endpoint;
}

/** Makes the picker of one client; `random` is its only source of chance, so a seeded run repeats. */
export type PickerFactory = (random: Random) => Picker;

/** What a picker throws when there is nobody to pick. */
export function nobodyError({ serviceMethod }: PickedCall): RpcError {
  return new RpcError(
    "unavailable",
    `no server is known that has ${serviceMethod}`,
    { sent: false },
  );
}
