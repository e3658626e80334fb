import { Alarm } from "../base/alarm.ts";
import type { Clock } from "../base/clock.ts";
import type { LeaseExtension, OnEvent } from "../events.ts";
import {
  type Change,
  type Lease,
  type LeaseLimits,
  LeaseTable,
  type Registration,
} from "./lease-table.ts";
import type { Listing } from "./listing.ts";

/** From one look at the leases to the next, while there are any that can end. */
const sweepMs = 500;
/** A look that comes this late means that the process stood still, and nobody could renew. */
const longestGapMs = 1_500;

/** So long after it began with nothing, every server of ours has had its turn to register: their TTL. */
export const fillingMs = 15_000;

/**
 * A LeaseTable that moves with a clock and tells watchers what becomes of it:
 * what the stores of this process share. Everything takes effect at once.
 *
 * Only time that it has seen pass ends a lease. After a stall (SIGSTOP, a slow
 * disk, an event loop that was busy) whoever looks first, be it a request,
 * gives every lease its whole TTL again.
 */
export class LeaseKeeper {
  readonly #clock: Clock;
  readonly #table: LeaseTable;
  readonly #onEvent: OnEvent;
  readonly #sweep: Alarm;
  readonly #listeners = new Set<(change: Change) => void>();
  /** When the leases were last looked at; Infinity while none can end. */
  #sweptAt = Infinity;
  #isFilledAt: number;

  /** @param onEvent told of `leases-extended`; must not throw */
  constructor(clock: Clock, limits: LeaseLimits, onEvent: OnEvent) {
    this.#clock = clock;
    this.#isFilledAt = clock.now() + fillingMs;
    this.#onEvent = onEvent;
    this.#table = new LeaseTable(
      limits,
      (change) => {
        for (const listener of this.#listeners) listener(change);
      },
      (count) => this.#tellExtended("many", count),
    );
    this.#sweep = new Alarm(clock, { ring: () => this.#look() });
  }

  /**
   * @throws RpcError resource_exhausted  full; what was there stays
   * @throws RpcError permission_denied   another owner's
   */
  register(registration: Registration, ttlMs: number, owner?: string): void {
    const now = this.#now();
    this.#table.register(registration, ttlMs, now, owner);
    if (this.#sweptAt < Infinity || this.#table.nextExpiry === Infinity) return;
    this.#sweptAt = now;
    this.#sweep.by(now + sweepMs);
  }

  /** @throws RpcError  what `register` would */
  admit(registration: Registration, owner?: string): void {
    this.#table.admit(registration, this.#now(), owner);
  }

  get(address: string): Lease | undefined {
    return this.#table.get(address, this.#now());
  }

  /**
   * Takes a server out; false when it was not listed.
   *
   * @throws RpcError permission_denied  another owner's
   */
  remove(address: string, owner?: string): boolean {
    return this.#table.remove(address, this.#now(), owner);
  }

  leases(): readonly Lease[] {
    return this.#table.live(this.#now());
  }

  list(): Listing {
    const now = this.#now();
    const leases = this.#table.live(now);
    const servers = leases.map(({ registration, expiresAt }) => ({
      ...registration,
      expiresInMs: expiresAt === Infinity ? undefined : expiresAt - now,
    }));
    const fillingForMs = this.#isFilledAt - now;
    return {
      revision: this.#table.revision,
      servers,
      ...(fillingForMs > 0 && { fillingForMs }),
    };
  }

  /** It began with what there was before. */
  endFilling(): void {
    this.#isFilledAt = -Infinity;
  }

  /** Tells changes from now on, inside the call or the sweep that makes them. */
  watch(listener: (change: Change) => void): () => void {
    // One of its own, so that watching twice with one function is two watches.
    const watcher = (change: Change) => listener(change);
    this.#listeners.add(watcher);
    return () => void this.#listeners.delete(watcher);
  }

  /** Gives every lease its whole TTL again: it may not have been possible to renew it. */
  extendAll(reason: "stalled" | "store-failed"): void {
    const count = this.#table.extendAll(this.#clock.now());
    if (count > 0) this.#tellExtended(reason, count);
  }

  /** Nothing runs any more and nobody is told. */
  stop(): void {
    this.#sweep.stop();
    this.#listeners.clear();
  }

  /** Gives the instant of the next look. */
  #look(): number {
    const now = this.#now();
    this.#table.expire(now);
    const isIdle = this.#table.nextExpiry === Infinity;
    this.#sweptAt = isIdle ? Infinity : now;
    return isIdle ? Infinity : now + sweepMs;
  }

  /** The time, once what a stall did has been made good. */
  #now(): number {
    const now = this.#clock.now();
    if (now - this.#sweptAt > longestGapMs) {
      this.#sweptAt = now;
      this.extendAll("stalled");
    }
    return now;
  }

  #tellExtended(reason: LeaseExtension, count: number): void {
    this.#onEvent({ kind: "leases-extended", reason, count });
  }
}
