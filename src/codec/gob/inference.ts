import { formatGobType } from "./format-gob-type.ts";
import type { GobType } from "./gob-type.ts";
import { hintsOf } from "./hints.ts";
import { InternedTypes } from "./interned-types.ts";
import { Misfit } from "./misfit.ts";
import type { NumbersSeen } from "./numbers-seen.ts";
import { Position } from "./position.ts";
import { TypeFinder } from "./type-finder.ts";

const maxTypes = 1_024;

/** A position of values that were whole numbers and fractions, and that nobody declared. */
export interface Ambiguity {
  /** `Items[].Price`; empty for the value itself. */
  readonly path: string;
  /** The value's whole type as it is sent, to correct and declare. */
  readonly declaration: string;
}

export interface InferenceOptions {
  /** Told once for each such position. Go refuses an int for a float64. */
  onAmbiguous?: (ambiguity: Ambiguity) => void;
  /** What other streams have seen of the same values, and are told of these. Default nothing. */
  numbers?: NumbersSeen;
  /** False: each value is judged by itself. Default true. */
  remembers?: boolean;
}

/**
 * The Go types of values for which nobody declared one, and what earlier values
 * of the same meaning have told: one for each method and direction.
 *
 * An integral number is an int, any other a float64, and a position (also all
 * elements of a list are one) that was once a float64 stays one. bigint is an
 * int, Uint8Array []byte, Date time.Time, an array or typed array a slice, a
 * Map a map, any other object a struct of its own fields. Fields that are null,
 * undefined, or an empty list or map are left out of the struct. Elements
 * without a common type travel as interface values.
 *
 * Equal structures get the same type object, so that a stream defines them
 * once.
 */
export class Inference {
  readonly #options: InferenceOptions;
  readonly #types = new InternedTypes(maxTypes);
  /** Types made of a peer's types, which live as long as those. */
  readonly #typesByHint = new WeakMap<GobType, InternedTypes>();
  #root: Position;

  constructor(options: InferenceOptions = {}) {
    this.#options = options;
    this.#root = new Position(undefined, "", options.numbers);
  }

  /**
   * The type to send `value` as.
   *
   * `hint` is a type received from the peer, such as that of the argument that
   * `value` answers: the value, or its fields of the same names, take their
   * types from there wherever they fit.
   *
   * @throws RpcError invalid_argument    a part has no Go type; too deep, or a cycle; `root` begins its path
   * @throws RpcError resource_exhausted  too many fields
   */
  typeOf(value: unknown, hint?: GobType, root = "value"): GobType {
    if (this.#options.remembers === false) this.#root = new Position();
    const finder =
      hint === undefined
        ? new TypeFinder(this.#types, undefined)
        : new TypeFinder(this.#typesOf(hint), hintsOf(hint));
    let type: GobType;
    try {
      type = finder.find(this.#root, value, hint);
    } catch (thrown) {
      throw Misfit.toRpcError(thrown, root);
    }
    if (finder.ambiguous.length > 0) this.#report(finder.ambiguous, type);
    return type;
  }

  #typesOf(hint: GobType): InternedTypes {
    let types = this.#typesByHint.get(hint);
    if (types === undefined) {
      types = new InternedTypes(maxTypes);
      this.#typesByHint.set(hint, types);
    }
    return types;
  }

  #report(positions: readonly Position[], type: GobType): void {
    const declaration = formatGobType(type);
    for (const { path } of positions) {
      this.#options.onAmbiguous?.({ path, declaration });
    }
  }
}
