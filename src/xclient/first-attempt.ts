import type { Client } from "../client/client.ts";
import type { Endpoint } from "../discovery/discovery.ts";

/** A call's first attempt: who was picked for it, and when. */
export class FirstAttempt {
  /** The servers that have the call's service. */
  readonly having: readonly Endpoint[];
  readonly endpoint: Endpoint;
  /** What the pool gave for it: a client that is connected, or a dial. */
  readonly got: Client | Promise<Client>;
  /** An instant on the clock. */
  readonly pickedAt: number;

  constructor(
    having: readonly Endpoint[],
    endpoint: Endpoint,
    got: Client | Promise<Client>,
    pickedAt: number,
  ) {
    this.having = having;
    this.endpoint = endpoint;
    this.got = got;
    this.pickedAt = pickedAt;
  }
}
