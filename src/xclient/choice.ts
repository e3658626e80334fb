import type { Ejections } from "../balance/ejections.ts";
import type { CallOutcome, PickedCall, Picker } from "../balance/picker.ts";
import type { Endpoint } from "../discovery/discovery.ts";

/**
 * Who gets an attempt: the picker chooses among those that the ejections
 * admit, and both learn what becomes of it. `now` is an instant in ms.
 */
export class Choice {
  readonly #picker: Picker;
  readonly #ejections: Ejections;

  constructor(picker: Picker, ejections: Ejections) {
    this.#picker = picker;
    this.#ejections = ejections;
  }

  /**
   * Picks one of `up`, the servers that have the service and are not down. An
   * attempt with it begins: ended() is told once.
   *
   * @throws RpcError unavailable (sent: false)  up is empty
   */
  pick(up: readonly Endpoint[], call: PickedCall, now: number): Endpoint {
    const admitted = this.#ejections.admitted(up, now);
    const endpoint = this.#picker.pick(admitted, call);
    this.#picker.started?.(endpoint, now);
    this.#ejections.started(endpoint, now);
    return endpoint;
  }

  /**
   * That attempt is over.
   *
   * @param startedAt the instant of its pick
   * @param latencyMs how long the server had it; undefined where that says nothing
   */
  ended(
    endpoint: Endpoint,
    outcome: CallOutcome,
    startedAt: number,
    latencyMs: number | undefined,
    now: number,
  ): void {
    this.#picker.ended?.(endpoint, outcome, latencyMs, now);
    this.#ejections.ended(endpoint, outcome, startedAt, now);
  }

  /** Told the addresses of each new list. */
  retain(addresses: ReadonlySet<string>, now: number): void {
    this.#picker.retain?.(addresses);
    this.#ejections.retain(addresses, now);
  }
}
