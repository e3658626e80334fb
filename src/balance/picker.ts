import type { Random } from "../base/random.ts";
import { RpcError } from "../errors.ts";
import type { Endpoint } from "../discovery/discovery.ts";

/** What a picker may know of the call. */
export interface PickedCall {
  readonly serviceMethod: string;
  /** Calls of one key belong together: `consistent-hash` sends them to one server. */
  readonly key?: string | undefined;
  /**
   * All servers that have the call's service, also those that are down,
   * ejected or tried: a snapshot, the same array until that list changes.
   * Undefined: `endpoints` are all.
   */
  readonly listed?: readonly Endpoint[] | undefined;
}

/**
 * What the end of a call says of its server.
 *
 * - `answered`: it is well: a reply, or an error that its service threw.
 * - `failed`: it is not: the connection was lost, or the deadline passed.
 * - `local`: nothing, but that it took so long at least: the caller cancelled, this end could not send, or the server had no room.
 */
export type CallOutcome = "answered" | "failed" | "local";

/**
 * Chooses the server of a call: no I/O, no time of its own, no failure but an
 * empty list.
 *
 * One picker serves all calls of one client, so what it keeps must not grow
 * with them. It is asked once per attempt, and the call may still go
 * elsewhere. A picker that goes by what becomes of its choices has `started`
 * and `ended`; for one that has not, the caller does nothing per call. `now`
 * is an instant on the caller's clock, in ms.
 */
export interface Picker {
  /**
   * Gives one of `endpoints`, which are the servers that have the call's
   * service, less those that are down, ejected or tried: sorted by address, a
   * snapshot that stays as it is. It may be kept and must not be changed.
   *
   * @throws RpcError unavailable (sent: false)  endpoints is empty
   */
  pick(endpoints: readonly Endpoint[], call: PickedCall): Endpoint;
  /** A call goes to `endpoint`: told right after pick, before a dial that it may need. */
  started?(endpoint: Endpoint, now: number): void;
  /**
   * That call is over: told once for each `started`. `latencyMs` is how long
   * the server had it, without the dial; undefined where that says nothing, as
   * of a stream.
   */
  ended?(
    endpoint: Endpoint,
    outcome: CallOutcome,
    latencyMs: number | undefined,
    now: number,
  ): void;
  /** Told the addresses of each new list of servers: what is kept of others may go. */
  retain?(addresses: ReadonlySet<string>): void;
}

/**
 * Makes the picker of one client. `random` is its only source of chance, so a
 * seeded run repeats; `zone` is where the client is, where that was told.
 */
export type PickerFactory = (
  random: Random,
  zone: string | undefined,
) => Picker;

/** What a picker throws when there is nobody to pick. */
export function nobodyError({ serviceMethod }: PickedCall): RpcError {
  return new RpcError(
    "unavailable",
    `no server is known that has ${serviceMethod}`,
    { sent: false },
  );
}
