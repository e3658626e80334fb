import { definitionOf, definitionType } from "./definition.ts";
import type { GobLimits } from "./gob-limits.ts";
import type { GobType } from "./gob-type.ts";
import type { GobWriter } from "./gob-writer.ts";
import { Misfit } from "./misfit.ts";

interface Entry {
  readonly type: GobType;
  id: number;
  isSent: boolean;
}

/** A moment of a TypeIds, to go back to. */
export interface TypeIdsMark {
  readonly nextId: number;
  readonly changes: number;
}

export interface TypeIdsOptions {
  /** The id of the first type; 65 like Go 1.19. */
  firstId?: number | undefined;
  /** Ids to use for these types instead of the next free one. */
  typeIds?: ReadonlyMap<GobType, number> | undefined;
}

/**
 * The types that one stream has defined, and their ids.
 *
 * A type's id and its definition's place in the stream follow Go: ids are
 * dealt depth-first, a struct before its fields, any other after what it is
 * made of; definitions go out the outer type first, each in its own message.
 * Source: encoding/gob, newTypeObject and sendActualType.
 */
export class TypeIds {
  readonly #entries = new Map<GobType, Entry>();
  readonly #given: ReadonlyMap<GobType, number> | undefined;
  readonly #limits: GobLimits;
  /** Entries in the order of their making: what rollback() undoes. */
  #changes: Entry[] = [];
  #nextId: number;

  constructor(limits: GobLimits, options: TypeIdsOptions = {}) {
    this.#limits = limits;
    this.#nextId = options.firstId ?? 65;
    this.#given = options.typeIds;
  }

  /** The id of a type that is built in or was defined; 0 for any other. */
  idOf(type: GobType): number {
    return type.builtinId || (this.#entries.get(type)?.id ?? 0);
  }

  /**
   * The id of `type`, defined in the stream if it was not. A new definition
   * ends the writer's open segment, and leaves a new one open.
   */
  define(writer: GobWriter, type: GobType): number {
    if (type.builtinId !== 0) return type.builtinId;
    const known = this.#entries.get(type);
    if (known?.isSent) return known.id;
    this.#allocate(type);
    this.#send(writer, type);
    return this.idOf(type);
  }

  mark(): TypeIdsMark {
    return { nextId: this.#nextId, changes: this.#changes.length };
  }

  /** Forgets what was defined since `mark`: its bytes never left. */
  rollback(mark: TypeIdsMark): void {
    for (const entry of this.#changes.splice(mark.changes)) {
      this.#entries.delete(entry.type);
    }
    this.#nextId = mark.nextId;
  }

  #allocate(type: GobType): Entry | undefined {
    if (type.builtinId !== 0) return undefined;
    const known = this.#entries.get(type);
    if (known !== undefined) return known;
    if (this.#entries.size >= this.#limits.maxTypes) {
      throw new Misfit(
        `needs one type more than the ${this.#limits.maxTypes} that a connection may define`,
        "resource_exhausted",
      );
    }
    const entry = { type, id: 0, isSent: false };
    this.#entries.set(type, entry);
    this.#changes.push(entry);
    if (type.kind === "struct") {
      this.#number(entry);
      for (const part of type.parts()) this.#number(this.#allocate(part));
    } else {
      const parts = type.parts().map((part) => this.#allocate(part));
      this.#number(entry);
      for (const part of parts) this.#number(part);
    }
    return entry;
  }

  /** Deals an id to an entry without one: the type of a field may still be in the making. */
  #number(entry: Entry | undefined): void {
    if (entry === undefined || entry.id !== 0) return;
    entry.id = this.#given?.get(entry.type) ?? this.#nextId++;
  }

  #send(writer: GobWriter, type: GobType): void {
    const entry = this.#entries.get(type);
    if (entry === undefined || entry.isSent) return;
    entry.isSent = true;
    writer.writeInt(-entry.id);
    const { depth } = writer;
    writer.depth = 0;
    definitionType.write(
      writer,
      definitionOf(type, (part) => this.idOf(part)),
    );
    writer.depth = depth;
    writer.nextSegment();
    for (const part of type.parts()) this.#send(writer, part);
  }
}
