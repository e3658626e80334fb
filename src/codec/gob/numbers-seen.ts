/** Places of all values of a method together. */
const maxPlaces = 4_096;

/**
 * The kinds of number that were seen at one place of a method's values, and at
 * the places inside it.
 *
 * Says nothing of types, so that any number of streams may share it: what one
 * peer has sent can make another's numbers float64, and nothing else.
 */
export class NumbersSeen {
  wasWhole = false;
  wasFraction = false;
  readonly #root: NumbersSeen;
  /** Of the root: places below it. */
  #count = 0;
  #places: Map<string, NumbersSeen> | undefined;

  constructor(parent?: NumbersSeen) {
    this.#root = parent === undefined ? this : parent.#root;
  }

  /** The place that is one step further in. Where there are too many, one that nobody shares. */
  at(step: string): NumbersSeen {
    const known = this.#places?.get(step);
    if (known !== undefined) return known;
    const root = this.#root;
    if (root.#count >= maxPlaces) return new NumbersSeen();
    root.#count++;
    const place = new NumbersSeen(this);
    (this.#places ??= new Map()).set(step, place);
    return place;
  }
}
