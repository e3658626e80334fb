import type { KeyEvent, KeyValue } from "./etcd-gateway.ts";
import { type EtcdEntry, type EtcdKeys, readEntry } from "./etcd-keys.ts";
import {
  type Change,
  type Lease,
  type LeaseLimits,
  LeaseTable,
  type Registration,
  type RemovalReason,
} from "./lease-table.ts";

export interface EtcdRecordsOptions {
  readonly keys: EtcdKeys;
  readonly limits: LeaseLimits;
  /** Told of each change of the list, in order. Must not throw. */
  readonly onChange: (change: Change) => void;
  /** Told what was written for an address, also where the list stays the same; undefined: it was deleted. */
  readonly onEntry: (address: string, entry: EtcdEntry | undefined) => void;
}

/** For a table in which nothing ends: its time stands. */
const noTime = 0;

/** What a registry knows of etcd's keys: the list, who keeps what, and which registries are there. No I/O. */
export class EtcdRecords {
  readonly #keys: EtcdKeys;
  readonly #onEntry: EtcdRecordsOptions["onEntry"];
  readonly #known = new Map<string, EtcdEntry>();
  /** When each address was last written, also with what is no entry. */
  readonly #modRevisions = new Map<string, number>();
  readonly #registries = new Set<string>();
  /** Those that are known; none of them ends here. */
  readonly #list: LeaseTable;
  /** False: each server's keeper is there. */
  #mayHaveOrphans = true;

  constructor({ keys, limits, onChange, onEntry }: EtcdRecordsOptions) {
    this.#keys = keys;
    this.#onEntry = onEntry;
    this.#list = new LeaseTable(limits, onChange);
  }

  get isEmpty(): boolean {
    return this.#known.size === 0;
  }

  /** Of the list, as a LeaseTable's. */
  get revision(): number {
    return this.#list.revision;
  }

  /** The list, sorted by address. */
  get leases(): readonly Lease[] {
    return this.#list.live(noTime);
  }

  get(address: string): EtcdEntry | undefined {
    return this.#known.get(address);
  }

  /** 0: it is not there. */
  modRevision(address: string): number {
    return this.#modRevisions.get(address) ?? 0;
  }

  /** Whether that registry's session is there. */
  isThere(registry: string): boolean {
    return this.#registries.has(registry);
  }

  /** Whether that registry is the one that takes over what others leave behind. */
  isFirst(registry: string): boolean {
    const [first] = [...this.#registries].sort();
    return first === registry;
  }

  /** At most so many servers whose keeper has gone. */
  orphans(maxCount: number): readonly string[] {
    if (!this.#mayHaveOrphans) return [];
    const orphans = [...this.#known.values()]
      .filter(({ keeper }) => !this.#registries.has(keeper))
      .map(({ registration }) => registration.address);
    this.#mayHaveOrphans = orphans.length > 0;
    return orphans.slice(0, maxCount);
  }

  /**
   * Whether there is room, and the right to it.
   *
   * @throws RpcError resource_exhausted, permission_denied  as LeaseTable
   */
  admit(registration: Registration, owner: string | undefined): void {
    this.#list.admit(registration, noTime, owner);
  }

  /** Lists what a renewal says, which etcd is not told. */
  renew(registration: Registration, owner: string | undefined): void {
    this.#list.register(registration, 0, noTime, owner);
  }

  /** All that there is, in place of all that was known. */
  replace(keyValues: readonly KeyValue[]): void {
    const keys = new Set(keyValues.map(({ key }) => key));
    for (const address of this.#modRevisions.keys()) {
      if (!keys.has(this.#keys.server(address))) this.#drop(address, "expired");
    }
    this.#registries.clear();
    for (const keyValue of keyValues) this.#take(keyValue);
  }

  /** What has changed; the changes of one revision come together. */
  apply(events: readonly KeyEvent[]): void {
    const reasons = new Map(
      events
        .filter(({ key }) => key === this.#keys.gone)
        .map(({ modRevision, value }) => [modRevision, value]),
    );
    for (const event of events) {
      if (event.kind === "put") {
        this.#take(event);
        continue;
      }
      const registry = this.#keys.registryOf(event.key);
      if (registry !== undefined) {
        this.#registries.delete(registry);
        this.#mayHaveOrphans = true;
      }
      const address = this.#keys.addressOf(event.key);
      const isExpired = reasons.get(event.modRevision) === "expired";
      if (address !== undefined) {
        this.#drop(address, isExpired ? "expired" : "deregistered");
      }
    }
  }

  #take({ key, value, modRevision }: KeyValue): void {
    const registry = this.#keys.registryOf(key);
    if (registry !== undefined) this.#registries.add(registry);
    const address = this.#keys.addressOf(key);
    if (address === undefined) return;
    if (this.#modRevisions.get(address) === modRevision) return;
    const entry = readEntry(address, value);
    // Somebody else's, which is not listed.
    if (entry === undefined) this.#drop(address, "deregistered");
    this.#modRevisions.set(address, modRevision);
    if (entry === undefined) return;
    const before = this.#known.get(address);
    this.#known.set(address, entry);
    if (!this.#registries.has(entry.keeper)) this.#mayHaveOrphans = true;
    try {
      const { registration, owner } = entry;
      // Its removal was missed.
      if (before?.owner !== undefined && owner !== undefined) {
        if (before.owner !== owner) this.#list.remove(address, noTime);
      }
      this.#list.register(registration, 0, noTime, owner);
    } catch {
      // Another registry has room for more.
    }
    this.#onEntry(address, entry);
  }

  #drop(address: string, reason: RemovalReason): void {
    this.#known.delete(address);
    this.#modRevisions.delete(address);
    this.#onEntry(address, undefined);
    this.#list.remove(address, noTime, undefined, reason);
  }
}
