import { Alarm } from "../base/alarm.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { type OnEvent, quiet } from "../events.ts";
import { LeaseFile, type StoredLease } from "./lease-file.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import {
  type Change,
  defaultLeaseLimits,
  isSameServer,
  type Lease,
  type LeaseLimits,
  type Registration,
} from "./lease-table.ts";
import type { Listing } from "./listing.ts";
import { closedStoreError, type Store } from "./store.ts";

export interface SqliteStoreOptions {
  clock?: Clock;
  limits?: LeaseLimits;
  /** Told of `leases-extended`, `store-damaged`, and of a `store-failed` that no request was answered with. Must not throw. */
  onEvent?: OnEvent;
}

/** How soon what could not be deleted is tried again. */
const retryMs = 1_000;

/**
 * Keeps registrations in a file of its folder, so that they outlive the
 * registry: what was answered with success is there after a kill -9. Lists
 * come from memory.
 *
 * After a start every lease is whole again, since nobody could renew it while
 * the registry was away. So a renewal has nothing to write, and needs no disk:
 * while it is full or away, servers that are known stay, and what is new is
 * refused with `unavailable`; each attempt tries the disk anew. A server that
 * leaves meanwhile leaves the list, but not with success.
 */
export class SqliteStore implements Store {
  readonly #leases: LeaseKeeper;
  readonly #file: LeaseFile;
  readonly #onEvent: OnEvent;
  /** Not listed any more, but perhaps still in the file. */
  readonly #gone = new Set<string>();
  readonly #cleaning: Alarm;
  #isFailing = false;
  #isFailureTold = false;
  #isClosed = false;

  /**
   * Opens `folder`, which is made where it is missing. One that is damaged is
   * set aside, told as `store-damaged`, and fills again by heartbeats.
   *
   * @throws RpcError unavailable (sent: false)  it cannot be used, or another registry uses it
   */
  constructor(folder: string, options: SqliteStoreOptions = {}) {
    const { clock = systemClock, limits = defaultLeaseLimits } = options;
    this.#onEvent = quiet(options.onEvent ?? (() => {}));
    this.#leases = new LeaseKeeper(clock, limits, this.#onEvent);
    const { file, leases } = LeaseFile.open(folder, {
      onDamaged: (error, path) =>
        this.#onEvent({ kind: "store-damaged", error, path }),
      current: () => this.#leases.leases(),
    });
    this.#file = file;
    this.#cleaning = new Alarm(clock, { ring: (now) => this.#clean(now) });
    for (const { registration, ttlMs, owner } of leases) {
      try {
        this.#leases.register(registration, ttlMs, owner);
      } catch {
        // There is no longer room for so many.
        this.#gone.add(registration.address);
      }
    }
    if (leases.length > 0) this.#leases.endFilling();
    this.#leases.watch((change) => {
      if (change.kind !== "removed") return;
      this.#gone.add(change.address);
      this.#cleaning.by(clock.now());
    });
  }

  async put(
    registration: Registration,
    ttlMs: number,
    owner?: string,
  ): Promise<void> {
    this.#checkOpen();
    const known = this.#leases.get(registration.address);
    const isRenewal =
      known !== undefined &&
      known.ttlMs === ttlMs &&
      known.owner === owner &&
      isSameServer(known.registration, registration);
    if (!isRenewal) this.#write({ registration, ttlMs, owner });
    this.#leases.register(registration, ttlMs, owner);
  }

  async remove(address: string, owner?: string): Promise<boolean> {
    this.#checkOpen();
    const wasListed = this.#leases.remove(address, owner);
    if (this.#gone.has(address)) this.#deleteGone();
    return wasListed;
  }

  async list(): Promise<Listing> {
    this.#checkOpen();
    return this.#leases.list();
  }

  watch(listener: (change: Change) => void): () => void {
    return this.#leases.watch(listener);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#leases.stop();
    this.#cleaning.stop();
    try {
      this.#deleteGone();
    } catch {
      // They run out after the next start.
    }
    this.#file.close();
  }

  /** Writes what is new; a server that is known lives, whether or not that can be done. */
  #write(lease: StoredLease): void {
    this.#leases.admit(lease.registration, lease.owner);
    const { address } = lease.registration;
    try {
      this.#file.put(lease);
    } catch (thrown) {
      if (!this.#isFailing) this.#leases.extendAll("store-failed");
      this.#isFailing = true;
      const known = this.#leases.get(address);
      if (known !== undefined) this.#renew(known);
      throw thrown;
    }
    this.#isFailing = false;
    this.#gone.delete(address);
  }

  /** @throws RpcError unavailable  not now; they stay in `#gone` */
  #deleteGone(): void {
    if (this.#gone.size === 0) return;
    this.#file.delete(this.#gone);
    this.#gone.clear();
    this.#isFailureTold = false;
  }

  /** Gives the instant of the next attempt. */
  #clean(now: number): number {
    try {
      this.#deleteGone();
      return Infinity;
    } catch (error) {
      if (!this.#isFailureTold) {
        this.#isFailureTold = true;
        this.#onEvent({ kind: "store-failed", operation: "remove", error });
      }
      return now + retryMs;
    }
  }

  #renew({ registration, ttlMs, owner }: Lease): void {
    this.#leases.register(registration, ttlMs, owner);
  }

  #checkOpen(): void {
    if (this.#isClosed) throw closedStoreError();
  }
}
