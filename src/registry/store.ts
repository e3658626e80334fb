import { type Clock, systemClock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import { type OnEvent, quiet } from "../events.ts";
import {
  type Change,
  defaultLeaseLimits,
  type LeaseLimits,
  type Registration,
} from "./lease-table.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import type { Listing } from "./listing.ts";

export type { ListedServer, Listing } from "./listing.ts";

/**
 * Where registrations are kept: in memory, or where they outlive the registry
 * or are shared by several.
 *
 * - Time crosses this seam as durations, never as instants: a store that lives
 *   on has a clock of its own.
 * - Calls may overlap and take effect in the order in which they were made;
 *   when one has resolved, every later `list` shows it.
 * - A server is listed until its TTL has passed since its last `put` began,
 *   never shorter, and gone from the list at most 1 s later. But nobody is
 *   wiped by accident: after a start, a stall or a failure of the store, each
 *   lease runs its whole TTL anew, and when more than a third of at least ten
 *   are late at once, these get one more TTL, once. Changes of the date do
 *   nothing.
 * - Every change, also one made by another registry on the same store or by
 *   time, is told to each watcher once, in order, before or soon after the
 *   call that made it resolves; removals by time at most 1 s late.
 * - A call fails with `unavailable` when the store cannot be reached or is
 *   closed; whether it took effect is then unknown, and repeating it is safe.
 */
export interface Store {
  /**
   * Adds or renews: all that the server said before is replaced. `ttlMs` 0 is
   * for ever. The caller leaves `registration` as it is from then on. Once an
   * `owner` was named for a server, another one's attempt to renew, change or
   * remove it fails until it has gone; who names none may do all.
   *
   * @throws RpcError resource_exhausted  full; what was there stays
   * @throws RpcError permission_denied   another owner's; it stays as it was
   */
  put(registration: Registration, ttlMs: number, owner?: string): Promise<void>;
  /**
   * Takes a server out; false when it was not listed.
   *
   * @throws RpcError permission_denied  another owner's; it stays
   */
  remove(address: string, owner?: string): Promise<boolean>;
  list(): Promise<Listing>;
  /** Tells changes from now on, until the function it returns is called. The listener must not throw. */
  watch(listener: (change: Change) => void): () => void;
  /** Ends watching and lets go of everything. What is stored elsewhere stays. Twice is once. */
  close(): Promise<void>;
}

/** Keeps registrations in this process. */
export class MemoryStore implements Store {
  readonly #leases: LeaseKeeper;
  #isClosed = false;

  /** @param onEvent told of `leases-extended`; must not throw */
  constructor(
    clock: Clock = systemClock,
    limits: LeaseLimits = defaultLeaseLimits,
    onEvent: OnEvent = () => {},
  ) {
    this.#leases = new LeaseKeeper(clock, limits, quiet(onEvent));
  }

  async put(
    registration: Registration,
    ttlMs: number,
    owner?: string,
  ): Promise<void> {
    this.#checkOpen();
    this.#leases.register(registration, ttlMs, owner);
  }

  async remove(address: string, owner?: string): Promise<boolean> {
    this.#checkOpen();
    return this.#leases.remove(address, owner);
  }

  async list(): Promise<Listing> {
    this.#checkOpen();
    return this.#leases.list();
  }

  watch(listener: (change: Change) => void): () => void {
    return this.#leases.watch(listener);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#leases.stop();
  }

  #checkOpen(): void {
    if (this.#isClosed) throw closedStoreError();
  }
}

/** What every call of a closed store fails with. */
export function closedStoreError(): RpcError {
  return new RpcError("unavailable", "the registry's store is closed", {
    sent: false,
  });
}
