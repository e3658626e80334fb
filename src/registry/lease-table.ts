import { RpcError } from "../errors.ts";
import {
  type Description,
  isLoadStep,
  isSameDescription,
  plainDescription,
} from "./description.ts";

/** One server as it announces itself. */
export interface Registration extends Description {
  /** `protocol@addr`, checked, never a wildcard. */
  readonly address: string;
}

/** A registration, who made it, for how long, and the instant, in ms on the caller's clock, at which it ends. */
export interface Lease {
  readonly registration: Registration;
  /** Who may renew it and take it out; undefined: everybody. */
  readonly owner: string | undefined;
  /** 0 is for ever. */
  readonly ttlMs: number;
  /** Infinity is never. */
  readonly expiresAt: number;
  /** The load that watchers were told last. */
  readonly toldLoad: number | undefined;
  /** It has had its respite and was not renewed since. */
  readonly isRespited: boolean;
}

/**
 * What happened to the list. Renewals are no change, but for those that bring
 * a load which differs by a tenth from the one that was told last.
 */
export type Change =
  | {
      readonly kind: "added" | "changed" | "loaded";
      readonly registration: Registration;
    }
  | {
      readonly kind: "removed";
      readonly address: string;
      readonly reason: RemovalReason;
    };

/** Its lease ran out, or it said so. */
export type RemovalReason = "expired" | "deregistered";

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

/** Of what `expiresInMs`, services that are null, the load's digits and the braces add to an entry of the list. */
const entryOverheadBytes = 48;

/**
 * When this part of all leases would end at once, something else is wrong than
 * that servers died: a network in two, say. Few servers may well die together.
 */
const tooManyFraction = 1 / 3;
const fewLeases = 10;
/**
 * A lease this near to its end, as a part of its TTL, was not renewed in time:
 * the renewals of many are spread over the time between two of them, and so
 * are the ends. Ours come each third of the TTL, Go's servers' each 4 of 5 min.
 */
const lateFraction = 1 / 5;

/**
 * Who is registered, and until when: plain arithmetic over instants that the
 * caller passes, which never go back.
 *
 * A lease is live before its instant and gone at it. Each method takes out
 * first what has run out by then, so a change that time brought is told, with
 * its own revision, before the one that the call brings. `revision` grows by
 * one with each change of the servers or their services and stays put while
 * leases are merely renewed, whatever load they bring: two equal revisions are
 * equal lists but for loads.
 *
 * When one ends while more than a third of at least ten are late or have ended,
 * all of these get one more TTL, once: until they renew, they get no other.
 *
 * A renewal is O(1); the walk over all leases happens once per earliest
 * expiry, and a listing sorts only after a change of its addresses.
 */
export class LeaseTable {
  readonly #limits: LeaseLimits;
  readonly #onChange: (change: Change) => void;
  readonly #onRespite: (count: number) => void;
  readonly #leases = new Map<string, Lease>();
  #listBytes = 0;
  /** No lease ends before it; renewals leave it behind. */
  #nextExpiry = Infinity;
  #sorted: readonly string[] | undefined;
  #revision = 0;

  /**
   * @param onChange told of each change, in order, inside the call; must not throw
   * @param onRespite told how many leases got one more TTL, since too many would have ended
   */
  constructor(
    limits: LeaseLimits = defaultLeaseLimits,
    onChange: (change: Change) => void = () => {},
    onRespite: (count: number) => void = () => {},
  ) {
    this.#limits = limits;
    this.#onChange = onChange;
    this.#onRespite = onRespite;
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
   * before. `ttlMs` counts from `now`, 0 is for ever. Without an `owner`
   * nobody asks whose the server is.
   *
   * @throws RpcError resource_exhausted  the table is full; nothing changed
   * @throws RpcError permission_denied   another owner's; nothing changed
   */
  register(
    registration: Registration,
    ttlMs: number,
    now: number,
    owner?: string,
  ): void {
    this.expire(now);
    const known = this.#leases.get(registration.address);
    checkOwner(known, owner);
    const isSame =
      known !== undefined && isSameServer(known.registration, registration);
    if (!isSame) this.#listBytes = this.#roomFor(registration);
    const { load } = registration;
    const isTold = !isSame || isLoadStep(known.toldLoad, load);
    const toldLoad = isTold ? load : known.toldLoad;
    const lease = { registration, owner, ttlMs, toldLoad, expiresAt: 0 };
    this.#extend({ ...lease, isRespited: false }, now);
    if (!isTold) return;
    if (isSame) {
      this.#onChange({ kind: "loaded", registration });
      return;
    }
    this.#revision++;
    if (known === undefined) this.#sorted = undefined;
    const kind = known === undefined ? "added" : "changed";
    this.#onChange({ kind, registration });
  }

  /** The lease of one server, if it is live at `now`. */
  get(address: string, now: number): Lease | undefined {
    this.expire(now);
    return this.#leases.get(address);
  }

  /**
   * Whether `register` would take it at `now`; nothing changes but by time.
   *
   * @throws RpcError resource_exhausted  the table is full
   * @throws RpcError permission_denied   another owner's
   */
  admit(registration: Registration, now: number, owner?: string): void {
    this.expire(now);
    checkOwner(this.#leases.get(registration.address), owner);
    this.#roomFor(registration);
  }

  /**
   * Takes a server out; false when it was not there.
   *
   * @throws RpcError permission_denied  another owner's; it stays
   */
  remove(
    address: string,
    now: number,
    owner?: string,
    reason: RemovalReason = "deregistered",
  ): boolean {
    this.expire(now);
    checkOwner(this.#leases.get(address), owner);
    return this.#take(address, reason);
  }

  /**
   * Lets every lease run its whole TTL from `now` on: nobody could renew it
   * for a while. Gives how many there are that can end.
   */
  extendAll(now: number): number {
    const leases = this.#finite();
    for (const lease of leases) this.#extend(lease, now);
    return leases.length;
  }

  /** Takes out every lease that has ended at `now`. */
  expire(now: number): void {
    if (now < this.#nextExpiry) return;
    const leases = this.#finite();
    this.#respite(leases, now);
    const ended: string[] = [];
    this.#nextExpiry = Infinity;
    for (const { registration } of leases) {
      const { address } = registration;
      const { expiresAt } = this.#leases.get(address) as Lease;
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

  #finite(): readonly Lease[] {
    return [...this.#leases.values()].filter(({ ttlMs }) => ttlMs > 0);
  }

  #extend(lease: Lease, now: number): void {
    const expiresAt = lease.ttlMs === 0 ? Infinity : now + lease.ttlMs;
    this.#leases.set(lease.registration.address, { ...lease, expiresAt });
    this.#nextExpiry = Math.min(this.#nextExpiry, expiresAt);
  }

  /** Extends those that are late, where there are too many of them to believe that they have died. */
  #respite(leases: readonly Lease[], now: number): void {
    if (leases.length < fewLeases) return;
    const late = leases.filter(
      ({ expiresAt, ttlMs, isRespited }) =>
        isRespited || expiresAt - now <= ttlMs * lateFraction,
    );
    if (late.length <= leases.length * tooManyFraction) return;
    const first = late.filter(({ isRespited }) => !isRespited);
    if (!first.some(({ expiresAt }) => expiresAt <= now)) return;
    for (const lease of first)
      this.#extend({ ...lease, isRespited: true }, now);
    this.#onRespite(first.length);
  }

  /** The bytes of the list with `registration` in it. */
  #roomFor(registration: Registration): number {
    const { maxServers, maxListBytes } = this.#limits;
    const known = this.#leases.get(registration.address);
    const freedBytes = known === undefined ? 0 : entryBytes(known.registration);
    const listBytes = this.#listBytes + entryBytes(registration) - freedBytes;
    const serverCount = this.#leases.size + (known === undefined ? 1 : 0);
    if (serverCount > maxServers || listBytes > maxListBytes) {
      throw new RpcError(
        "resource_exhausted",
        `the registry is full: ${this.#leases.size} servers, ${this.#listBytes} bytes`,
      );
    }
    return listBytes;
  }

  #take(address: string, reason: RemovalReason): boolean {
    const lease = this.#leases.get(address);
    if (lease === undefined) return false;
    this.#leases.delete(address);
    this.#listBytes -= entryBytes(lease.registration);
    this.#sorted = undefined;
    this.#revision++;
    this.#onChange({ kind: "removed", address, reason });
    return true;
  }
}

/** @throws RpcError permission_denied  the lease has an owner, who is another one */
export function checkOwner(
  lease: Pick<Lease, "registration" | "owner"> | undefined,
  owner: string | undefined,
): void {
  if (lease?.owner === undefined || owner === undefined) return;
  if (lease.owner === owner) return;
  throw new RpcError(
    "permission_denied",
    `${lease.registration.address} was registered with the token of another owner: only that one may change it`,
  );
}

/** What a server takes of the list's JSON form, at most. */
function entryBytes(registration: Registration): number {
  const { address } = registration;
  // Renewals bring another load, and are not counted anew.
  const told = plainDescription({ ...registration, load: 0 });
  const json = JSON.stringify({ address, ...told });
  return Buffer.byteLength(json) + entryOverheadBytes;
}

/** Whether both say the same, so that one renews the other. */
export function isSameServer(left: Registration, right: Registration): boolean {
  return left.address === right.address && isSameDescription(left, right);
}
