import type { Change, Registration } from "./lease-table.ts";

/** What became of one server: what it says now, or undefined when it is gone. */
export interface Delta {
  readonly address: string;
  readonly registration: Registration | undefined;
}

/**
 * The last changes of a list, by revision, so that who has seen one revision
 * can be told what became of it since.
 *
 * A revision is `epoch.count`. It means something in this log alone: one of
 * another log, of another life of the registry, or older than the changes that
 * are kept is a gap, and needs the whole list. Deltas say what is, so a list
 * that is newer than the revision it goes by loses nothing by having some of
 * them twice.
 */
export class ChangeLog {
  readonly #epoch: string;
  readonly #maxChanges: number;
  readonly #deltas: Delta[] = [];
  #count = 0;
  /** The count of the last change that was more than a load. */
  #newsCount = 0;

  constructor(epoch: string, maxChanges = 4_096) {
    this.#epoch = epoch;
    this.#maxChanges = maxChanges;
  }

  get revision(): string {
    return `${this.#epoch}.${this.#count}`;
  }

  append(change: Change): void {
    this.#count++;
    if (change.kind !== "loaded") this.#newsCount = this.#count;
    this.#deltas.push(
      change.kind === "removed"
        ? { address: change.address, registration: undefined }
        : {
            address: change.registration.address,
            registration: change.registration,
          },
    );
    if (this.#deltas.length >= 2 * this.#maxChanges) {
      this.#deltas.splice(0, this.#maxChanges);
    }
  }

  /** Whether more than loads has changed after `revision`, one that is no gap. */
  hasNewsSince(revision: string): boolean {
    const [, digits] = revision.split(".", 2);
    return Number(digits) < this.#newsCount;
  }

  /** What changed after `revision`, each server once, in the order of its last change; undefined: a gap. */
  since(revision: string): readonly Delta[] | undefined {
    const [epoch, digits = ""] = revision.split(".", 2);
    if (epoch !== this.#epoch || !/^\d{1,15}$/.test(digits)) return undefined;
    const missed = this.#count - Number(digits);
    if (missed < 0 || missed > this.#deltas.length) return undefined;
    const last = new Map<string, Delta>();
    for (const delta of this.#deltas.slice(this.#deltas.length - missed)) {
      last.delete(delta.address);
      last.set(delta.address, delta);
    }
    return [...last.values()];
  }
}
