import type { Registration } from "./lease-table.ts";

/** A live server; `expiresInMs` is above 0, undefined for ever. */
export interface ListedServer extends Registration {
  readonly expiresInMs: number | undefined;
}

/** The whole list, sorted by address: a snapshot that never changes. */
export interface Listing {
  /** Of this store; equal revisions are equal servers that say the same of themselves. */
  readonly revision: number;
  readonly servers: readonly ListedServer[];
  /** Above 0: it began with nothing a moment ago, and for so long servers that live may be missing. */
  readonly fillingForMs?: number;
}
