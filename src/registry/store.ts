import { Alarm } from "../base/alarm.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import {
  type Change,
  defaultLeaseLimits,
  type LeaseLimits,
  LeaseTable,
  type Registration,
} from "./lease-table.ts";

/** A live server; `expiresInMs` is above 0, undefined for ever. */
export interface ListedServer extends Registration {
  readonly expiresInMs: number | undefined;
}

/** The whole list, sorted by address: a snapshot that never changes. */
export interface Listing {
  /**
   * Of this store; equal revisions are equal servers with equal services. It
   * is what a watch over HTTP will go on from; until then nothing in src reads it.
   */
  readonly revision: number;
  readonly servers: readonly ListedServer[];
}

/**
 * Where registrations are kept: in memory, or where they outlive the registry
 * or are shared by several.
 *
 * - Time crosses this seam as durations, never as instants: a store that lives
 *   on has a clock of its own.
 * - Calls may overlap and take effect in the order in which they were made;
 *   when one has resolved, every later `list` shows it.
 * - A server is listed until its TTL has passed since its last `put` began,
 *   never shorter, and gone from the list at most 1 s later.
 * - Every change, also one made by another registry on the same store or by
 *   time, is told to each watcher once, in order, before or soon after the
 *   call that made it resolves; removals by time at most 1 s late.
 * - A call fails with `unavailable` when the store cannot be reached or is
 *   closed; whether it took effect is then unknown, and repeating it is safe.
 */
export interface Store {
  /**
   * Adds or renews: all that the server said before is replaced. `ttlMs` 0 is
   * for ever. The caller leaves `registration` as it is from then on.
   *
   * @throws RpcError resource_exhausted  full; what was there stays
   */
  put(registration: Registration, ttlMs: number): Promise<void>;
  /** Takes a server out; false when it was not listed. */
  remove(address: string): Promise<boolean>;
  list(): Promise<Listing>;
  /** Tells changes from now on, until the function it returns is called. The listener must not throw. */
  watch(listener: (change: Change) => void): () => void;
  /** Ends watching and lets go of everything. What is stored elsewhere stays. Twice is once. */
  close(): Promise<void>;
}

/** Leases are swept this long apart at the closest, so that many short ones do not cost a walk each. */
const sweepGapMs = 250;

/** Keeps registrations in this process. */
export class MemoryStore implements Store {
  readonly #clock: Clock;
  readonly #table: LeaseTable;
  readonly #sweep: Alarm;
  readonly #listeners = new Set<(change: Change) => void>();
  #isClosed = false;

  constructor(
    clock: Clock = systemClock,
    limits: LeaseLimits = defaultLeaseLimits,
  ) {
    this.#clock = clock;
    this.#table = new LeaseTable(limits, (change) => {
      for (const listener of this.#listeners) listener(change);
    });
    this.#sweep = new Alarm(clock, (now) => {
      this.#table.expire(now);
      return Math.max(this.#table.nextExpiry, now + sweepGapMs);
    });
  }

  async put(registration: Registration, ttlMs: number): Promise<void> {
    this.#checkOpen();
    const now = this.#clock.now();
    this.#table.register(registration, ttlMs, now);
    this.#sweep.by(Math.max(this.#table.nextExpiry, now + sweepGapMs));
  }

  async remove(address: string): Promise<boolean> {
    this.#checkOpen();
    return this.#table.remove(address, this.#clock.now());
  }

  async list(): Promise<Listing> {
    this.#checkOpen();
    const now = this.#clock.now();
    const leases = this.#table.live(now);
    const servers = leases.map(({ address, services, expiresAt }) => ({
      address,
      services,
      expiresInMs: expiresAt === Infinity ? undefined : expiresAt - now,
    }));
    return { revision: this.#table.revision, servers };
  }

  watch(listener: (change: Change) => void): () => void {
    // One of its own, so that watching twice with one function is two watches.
    const watcher = (change: Change) => listener(change);
    this.#listeners.add(watcher);
    return () => void this.#listeners.delete(watcher);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#sweep.stop();
    this.#listeners.clear();
  }

  #checkOpen(): void {
    if (this.#isClosed) {
      throw new RpcError("unavailable", "the registry's store is closed", {
        sent: false,
      });
    }
  }
}
