import type { PickedCall } from "../balance/picker.ts";
import type { Endpoint } from "../discovery/discovery.ts";
import type { CallTime } from "./call-time.ts";

/** A call on its way to a server, over all of its attempts. */
export interface RoutedCall extends PickedCall {
  /** Set by the route and its course. */
  listed: readonly Endpoint[] | undefined;
  readonly time: CallTime;
  /** Undefined: as its service declares. */
  readonly idempotent: boolean | undefined;
  /**
   * - `call`: one value, and an answer
   * - `items`: a stream of items, which can be read once
   * - `notice`: one value without an answer
   */
  readonly form: "call" | "items" | "notice";
  /** Of a second attempt, which is not tried again: addresses that it must not go to. */
  readonly avoided: readonly string[] | undefined;
}
