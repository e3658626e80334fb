import type { GobType } from "./gob-type.ts";

/** A value for an interface, with the name that its type is registered under at the peer. */
export class GobNamed {
  constructor(
    /** As in Go's gob.Register: `main.Args`, `int16`. */
    readonly name: string,
    readonly value: unknown,
    /** For where neither the registry nor the value tells. */
    readonly type?: GobType,
  ) {}
}
