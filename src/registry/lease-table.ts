import { RpcError } from "../errors.ts";

/** One server as it announces itself. */
export interface Registration {
  /** `protocol@addr`, checked, never a wildcard. */
  readonly address: string;
  /** Names of services, sorted, each once; undefined: not told. */
  readonly services: readonly string[] | undefined;
}

/** A registration and the instant, in ms on the caller's clock, at which it ends; Infinity is never. */
export interface Lease extends Registration {
  readonly expiresAt: number;
}

/** What happened to the list. Renewals are no change. */
export type Change =
  | { readonly kind: "added" | "changed"; readonly registration: Registration }
  | {
      readonly kind: "removed";
      readonly address: string;
      /** Its lease ran out, or it said so. */
      readonly reason: "expired" | "deregistered";
    };

export interface LeaseLimits {
  /** Servers listed at a time: registrations without end. */
  maxServers: number;
  /**
   * Bytes of the whole list as JSON: a few servers with thousands of names. It
   * stays below what discovery reads (4 MiB), so that no list is kept that
   * nobody could take.
   */
  maxListBytes: number;
}

export const defaultLeaseLimits: Readonly<LeaseLimits> = {
  maxServers: 10_000,
  maxListBytes: 3 * 1024 * 1024,
};

/** Of what `expiresInMs` and the braces add to an entry of the list. */
const entryOverheadBytes = 48;

/**
 * Who is registered, and until when: plain arithmetic over instants that the
 * caller passes, which never go back.
 *
 * A lease is live before its instant and gone at it. Each method takes out
 * first what has run out by then, so a change that time brought is told, with
 * its own revision, before the one that the call brings. `revision` grows by
 * one with each change of the servers or their services and stays put while
 * leases are merely renewed: two equal revisions are equal lists.
 *
 * A renewal is O(1); the walk over all leases happens once per earliest
 * expiry, and a listing sorts only after a change of its addresses.
 */
export class LeaseTable {
  readonly #limits: LeaseLimits;
  readonly #onChange: (change: Change) => void;
  readonly #leases = new Map<string, Lease>();
  #listBytes = 0;
  /** No lease ends before it; renewals leave it behind. */
  #nextExpiry = Infinity;
  #sorted: readonly string[] | undefined;
  #revision = 0;

  /** @param onChange told of each change, in order, inside the call; must not throw */
  constructor(
    limits: LeaseLimits = defaultLeaseLimits,
    onChange: (change: Change) => void = () => {},
  ) {
    this.#limits = limits;
    this.#onChange = onChange;
  }

  get revision(): number {
    return this.#revision;
  }

  /** The earliest instant at which a lease may end; Infinity when none will. A lower bound: renewals do not move it. */
  get nextExpiry(): number {
    return this.#nextExpiry;
  }

  /**
   * Adds a server or renews it; what it says now replaces all that it said
   * before. `ttlMs` counts from `now`, 0 is for ever.
   *
   * @throws RpcError resource_exhausted  the table is full; nothing changed
   */
  register(registration: Registration, ttlMs: number, now: number): void {
    this.expire(now);
    const { address, services } = registration;
    const known = this.#leases.get(address);
    const isSame = known !== undefined && isEqual(known.services, services);
    if (!isSame) this.#makeRoom(registration, known);
    const expiresAt = ttlMs === 0 ? Infinity : now + ttlMs;
    this.#leases.set(address, { address, services, expiresAt });
    this.#nextExpiry = Math.min(this.#nextExpiry, expiresAt);
    if (isSame) return;
    this.#revision++;
    if (known === undefined) this.#sorted = undefined;
    const kind = known === undefined ? "added" : "changed";
    this.#onChange({ kind, registration });
  }

  /** Takes a server out; false when it was not there. */
  remove(address: string, now: number): boolean {
    this.expire(now);
    return this.#take(address, "deregistered");
  }

  /** Takes out every lease that has ended at `now`. */
  expire(now: number): void {
    if (now < this.#nextExpiry) return;
    this.#nextExpiry = Infinity;
    const ended: string[] = [];
    for (const { address, expiresAt } of this.#leases.values()) {
      if (expiresAt <= now) ended.push(address);
      else this.#nextExpiry = Math.min(this.#nextExpiry, expiresAt);
    }
    for (const address of ended.sort()) this.#take(address, "expired");
  }

  /** The leases live at `now`, sorted by address: a snapshot. */
  live(now: number): readonly Lease[] {
    this.expire(now);
    this.#sorted ??= [...this.#leases.keys()].sort();
    return this.#sorted.map((address) => this.#leases.get(address) as Lease);
  }

  #makeRoom(registration: Registration, known: Lease | undefined): void {
    const { maxServers, maxListBytes } = this.#limits;
    const freedBytes = known === undefined ? 0 : entryBytes(known);
    const listBytes = this.#listBytes + entryBytes(registration) - freedBytes;
    const serverCount = this.#leases.size + (known === undefined ? 1 : 0);
    if (serverCount > maxServers || listBytes > maxListBytes) {
      throw new RpcError(
        "resource_exhausted",
        `the registry is full: ${this.#leases.size} servers, ${this.#listBytes} bytes`,
      );
    }
    this.#listBytes = listBytes;
  }

  #take(address: string, reason: "expired" | "deregistered"): boolean {
    const lease = this.#leases.get(address);
    if (lease === undefined) return false;
    this.#leases.delete(address);
    this.#listBytes -= entryBytes(lease);
    this.#sorted = undefined;
    this.#revision++;
    this.#onChange({ kind: "removed", address, reason });
    return true;
  }
}

/** What a server takes of the list's JSON form, at most. */
function entryBytes({ address, services }: Registration): number {
  const json = JSON.stringify({ address, services });
  return Buffer.byteLength(json) + entryOverheadBytes;
}

function isEqual(
  left: readonly string[] | undefined,
  right: readonly string[] | undefined,
): boolean {
  if (left === undefined || right === undefined) return left === right;
  return (
    left.length === right.length && left.every((name, i) => name === right[i])
  );
}
