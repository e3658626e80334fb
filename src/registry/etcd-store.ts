import { type Clock, systemClock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import { type OnEvent, quiet } from "../events.ts";
import { AddressTurns } from "./address-turns.ts";
import { isLoadStep } from "./description.ts";
import { EtcdEndpoints } from "./etcd-endpoints.ts";
import {
  EtcdGateway,
  type KeyOperation,
  type KeyValue,
} from "./etcd-gateway.ts";
import {
  type EtcdEntry,
  EtcdKeys,
  type EtcdTarget,
  formatEntry,
} from "./etcd-keys.ts";
import { EtcdMirror } from "./etcd-mirror.ts";
import { EtcdRecords } from "./etcd-records.ts";
import { EtcdSession } from "./etcd-session.ts";
import { fillingMs, LeaseKeeper } from "./lease-keeper.ts";
import {
  type Change,
  checkOwner,
  defaultLeaseLimits,
  isSameServer,
  type LeaseLimits,
  type Registration,
  type RemovalReason,
} from "./lease-table.ts";
import type { Listing } from "./listing.ts";
import type { Fetch } from "./request.ts";
import { closedStoreError, type Store } from "./store.ts";

export interface EtcdStoreOptions {
  /** Of the leases. */
  clock?: Clock;
  /** Of what is asked of etcd. */
  networkClock?: Clock;
  limits?: LeaseLimits;
  /** Told of `leases-extended`, and of a `store-failed` that no request was answered with. Must not throw. */
  onEvent?: OnEvent;
  fetch?: Fetch;
}

/** Of a call: less than a heartbeat waits. */
const timeoutMs = 1_800;
/** How long a list waits for servers whose lease has just ended to leave it. */
const endingMs = 1_000;
/** How many are taken over at a time. */
const adoptionWidth = 32;

/**
 * Keeps registrations in etcd, so that any number of registries are one.
 *
 * The list is what etcd's watch told: a change takes effect by a transaction
 * and is listed and told when the watch brings it back, here as in every other
 * registry. While etcd is away the last list stays.
 *
 * Each registration has a keeper: the registry that its heartbeats go to. That
 * one counts its lease, so a renewal asks nothing of etcd, and deletes it when
 * the lease has ended. A heartbeat that goes to another registry makes that one
 * the keeper. A registry is there as long as its session is; what one that
 * has gone kept is taken over by the first of those that are there, with whole
 * leases. So a registry without a valid session refuses renewals: others may
 * have taken over.
 *
 * Registrations hang on no lease of etcd's: when all registries were away,
 * however long, the first that returns finds the list as it was and gives each
 * server its TTL to come back. A lease also runs anew after a failure, since a
 * server may not have reached its new keeper.
 */
export class EtcdStore implements Store {
  readonly #clock: Clock;
  readonly #onEvent: OnEvent;
  readonly #id = crypto.randomUUID();
  readonly #keys: EtcdKeys;
  readonly #endpoints: EtcdEndpoints;
  readonly #gateway: EtcdGateway;
  readonly #session: EtcdSession;
  readonly #mirror: EtcdMirror;
  readonly #records: EtcdRecords;
  /** Those that this registry keeps. */
  readonly #own: LeaseKeeper;
  readonly #listeners = new Set<(change: Change) => void>();
  readonly #turns = new AddressTurns();
  /** Resolves when those whose lease has ended have left. */
  #ending: Promise<unknown> = Promise.resolve();
  #isAdopting = false;
  #isFilledAt = -Infinity;
  #isFailing = false;
  #isClosed = false;

  /** Never fails: an etcd that cannot be reached makes calls fail until it can. */
  constructor(target: EtcdTarget, options: EtcdStoreOptions = {}) {
    const { clock = systemClock, networkClock = systemClock, fetch } = options;
    this.#clock = clock;
    this.#onEvent = quiet(options.onEvent ?? (() => {}));
    this.#keys = new EtcdKeys(target.prefix);
    const limits = options.limits ?? defaultLeaseLimits;
    this.#records = new EtcdRecords({
      keys: this.#keys,
      limits,
      onChange: (change) => this.#tell(change),
      onEntry: (address, entry) => this.#count(address, entry),
    });
    const unlimited = { maxServers: Infinity, maxListBytes: Infinity };
    this.#own = new LeaseKeeper(clock, unlimited, this.#onEvent);
    this.#own.watch((change) => {
      if (change.kind !== "removed" || change.reason !== "expired") return;
      const end = () => this.#end(change.address);
      this.#ending = this.#ending.then(end);
    });
    this.#endpoints = new EtcdEndpoints({
      endpoints: target.endpoints,
      clock: networkClock,
      ...(fetch && { fetch }),
    });
    this.#gateway = new EtcdGateway(this.#endpoints);
    this.#mirror = new EtcdMirror(this.#endpoints, this.#keys.all, {
      onState: (keyValues) => this.#replace(keyValues),
      onEvents: (events) => {
        this.#records.apply(events);
        void this.#adopt();
      },
    });
    const key = this.#keys.registry(this.#id);
    this.#session = new EtcdSession(this.#endpoints, key, {
      onUp: () => this.#recover(),
      onDown: (error) => this.#fail("list", error),
    });
  }

  put(registration: Registration, ttlMs: number, owner?: string) {
    const said = { registration, ttlMs, owner, keeper: this.#id };
    return this.#inTurn(registration.address, (until) =>
      this.#put(said, until),
    );
  }

  remove(address: string, owner?: string): Promise<boolean> {
    return this.#inTurn(address, async (until) => {
      for (;;) {
        await this.#reach(until);
        const known = this.#records.get(address);
        checkOwner(known, owner);
        const operations =
          known === undefined ? [] : this.#removal(address, "deregistered");
        const isDone = await this.#write(address, operations, until);
        if (isDone) return known !== undefined;
      }
    });
  }

  async list(): Promise<Listing> {
    this.#checkOpen();
    const { clock } = this.#endpoints;
    const { started } = this.#mirror;
    await this.#endpoints.within(started, clock.now() + timeoutMs);
    // Has what time did to those that it keeps told first.
    this.#own.leases();
    await this.#endpoints
      .within(this.#ending, clock.now() + endingMs)
      .catch(() => {});
    this.#checkOpen();
    const now = this.#clock.now();
    const servers = this.#records.leases.map(({ registration }) => ({
      ...registration,
      expiresInMs: this.#expiresInMs(registration.address, now),
    }));
    const fillingForMs = this.#isFilledAt - now;
    return {
      revision: this.#records.revision,
      servers,
      ...(fillingForMs > 0 && { fillingForMs }),
    };
  }

  watch(listener: (change: Change) => void): () => void {
    const watcher = (change: Change) => listener(change);
    this.#listeners.add(watcher);
    return () => void this.#listeners.delete(watcher);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#listeners.clear();
    this.#own.stop();
    this.#mirror.close();
    await this.#session.close();
    this.#endpoints.close();
  }

  async #put(said: EtcdEntry, until: number): Promise<void> {
    const { registration, ttlMs, owner } = said;
    const { address } = registration;
    for (;;) {
      await this.#reach(until);
      this.#records.admit(registration, owner);
      const known = this.#records.get(address);
      if (known !== undefined && isRenewal(known, said)) {
        this.#records.renew(registration, owner);
        this.#own.register(registration, ttlMs);
        return;
      }
      const key = this.#keys.server(address);
      const operation = { put: key, value: formatEntry(said) };
      try {
        if (await this.#write(address, [operation], until)) return;
      } catch (thrown) {
        // It lives, whether or not what it says can be written.
        this.#count(address, known);
        throw thrown;
      }
    }
  }

  /** Ends a lease that this registry counted. Never rejects. */
  #end(address: string): Promise<void> {
    return this.#inTurn(address, async (until) => {
      for (;;) {
        const known = this.#records.get(address);
        const isRenewed = this.#own.get(address) !== undefined;
        if (known?.keeper !== this.#id || isRenewed) return;
        try {
          if (this.#isFailing) throw new RpcError("unavailable", "it is away");
          await this.#reach(until);
          const operations = this.#removal(address, "expired");
          if (await this.#write(address, operations, until)) return;
        } catch (thrown) {
          if (this.#isClosed) return;
          this.#count(address, known);
          this.#fail("remove", thrown);
          return;
        }
      }
    }).catch(() => {});
  }

  /** Takes over what those registries kept that have gone, if this one is the first that is there. */
  async #adopt(): Promise<void> {
    if (this.#isAdopting) return;
    this.#isAdopting = true;
    try {
      while (this.#records.isFirst(this.#id)) {
        const orphans = this.#records.orphans(adoptionWidth);
        if (orphans.length === 0) return;
        await Promise.all(orphans.map((address) => this.#adoptOne(address)));
      }
    } catch {
      // Again when the session is back, or with the next change.
      this.#session.suspect();
    } finally {
      this.#isAdopting = false;
    }
  }

  #adoptOne(address: string): Promise<void> {
    return this.#inTurn(address, async (until) => {
      await this.#reach(until);
      const known = this.#records.get(address);
      if (known === undefined || this.#records.isThere(known.keeper)) return;
      const value = formatEntry({ ...known, keeper: this.#id });
      const key = this.#keys.server(address);
      await this.#write(address, [{ put: key, value }], until);
    });
  }

  /** Calls for one address follow each other; each has its time from now on. */
  #inTurn<T>(address: string, run: (until: number) => Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(closedStoreError());
    const until = this.#endpoints.clock.now() + timeoutMs;
    return this.#turns.take(address, () => run(until));
  }

  /** Waits until the store works; not for long. */
  async #reach(until: number): Promise<void> {
    this.#checkOpen();
    await this.#endpoints.within(this.#session.started, until);
    await this.#endpoints.within(this.#mirror.started, until);
    this.#checkOpen();
    if (this.#session.isValid && this.#endpoints.clock.now() < until) return;
    throw new RpcError("unavailable", "etcd does not confirm this registry");
  }

  /**
   * Does all of it, and waits until the watch told it; false when what is
   * known of the address was out of date, and nothing was done.
   *
   * @throws RpcError unavailable  whether it was done is not known
   */
  async #write(
    address: string,
    operations: readonly KeyOperation[],
    until: number,
  ): Promise<boolean> {
    const before = this.#records.modRevision(address);
    const key = this.#keys.server(address);
    try {
      const gateway = this.#gateway;
      const revision = await gateway.putIf(key, before, operations, until);
      if (revision === undefined) {
        const now = this.#records.modRevision(address);
        if (now === before) await this.#mirror.next(until);
        return false;
      }
      if (operations.length > 0) await this.#mirror.reached(revision, until);
      return true;
    } catch (cause) {
      this.#session.suspect();
      if (this.#isClosed) throw closedStoreError();
      const { message } = RpcError.from(cause);
      throw new RpcError("unavailable", message, { cause });
    }
  }

  #removal(address: string, reason: RemovalReason): readonly KeyOperation[] {
    return [
      { delete: this.#keys.server(address) },
      { put: this.#keys.gone, value: reason },
    ];
  }

  #replace(keyValues: readonly KeyValue[]): void {
    this.#records.replace(keyValues);
    if (this.#records.isEmpty) {
      this.#isFilledAt = this.#clock.now() + fillingMs;
    }
    void this.#adopt();
  }

  /** Begins the lease of what this registry keeps. */
  #count(address: string, entry: EtcdEntry | undefined): void {
    if (entry?.keeper !== this.#id) this.#own.remove(address);
    else this.#own.register(entry.registration, entry.ttlMs);
  }

  /** Of what others keep it is known only that it is not more. */
  #expiresInMs(address: string, now: number): number | undefined {
    const ttlMs = this.#records.get(address)?.ttlMs ?? 0;
    if (ttlMs === 0) return undefined;
    const lease = this.#own.get(address);
    return lease === undefined ? ttlMs : lease.expiresAt - now;
  }

  #fail(operation: "list" | "remove", error: unknown): void {
    if (this.#isFailing || this.#isClosed) return;
    this.#isFailing = true;
    this.#session.suspect();
    this.#onEvent({ kind: "store-failed", operation, error });
  }

  #recover(): void {
    this.#isFailing = false;
    this.#own.extendAll("store-failed");
    void this.#adopt();
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }

  #checkOpen(): void {
    if (this.#isClosed) throw closedStoreError();
  }
}

/** Whether a registration says what its keeper, this registry, has written. */
function isRenewal(known: EtcdEntry, said: EtcdEntry): boolean {
  return (
    known.keeper === said.keeper &&
    known.ttlMs === said.ttlMs &&
    known.owner === said.owner &&
    isSameServer(known.registration, said.registration) &&
    !isLoadStep(known.registration.load, said.registration.load)
  );
}
