import { isAsyncIterable } from "../base/async-values.ts";
import type { Ejections } from "../balance/ejections.ts";
import type { CallOutcome, PickedCall, Picker } from "../balance/picker.ts";
import type { Client } from "../client/client.ts";
import type { Endpoint } from "../discovery/discovery.ts";
import type { RpcError } from "../errors.ts";
import { outcomeOf } from "./outcome.ts";
import type { RoutedCall } from "./routed-call.ts";

type Form = RoutedCall["form"];

/**
 * Who gets an attempt: the picker chooses among those that the ejections
 * admit, and both learn what becomes of it: answered() or failed() is told
 * once. Instants are in ms; `pickedAt` is that of its pick, `sentAt` that at
 * which its server got it.
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
   * attempt with it begins.
   *
   * @throws RpcError as Picker.pick
   */
  pick(up: readonly Endpoint[], call: PickedCall, now: number): Endpoint {
    const admitted = this.#ejections.admitted(up, now);
    const endpoint = this.#picker.pick(admitted, call);
    this.#picker.started?.(endpoint, now);
    this.#ejections.started(endpoint, now);
    return endpoint;
  }

  /** An attempt at `endpoint` has a reply, or a stream as its reply. */
  answered(
    endpoint: Endpoint,
    form: Form,
    reply: unknown,
    pickedAt: number,
    sentAt: number,
    now: number,
  ): void {
    // Of a notice nobody knows whether it arrived; how long a stream takes says nothing of its server.
    const outcome = form === "notice" ? "local" : "answered";
    const isTimed = form === "call" && !isAsyncIterable(reply);
    const latencyMs = isTimed ? now - sentAt : undefined;
    this.#ended(endpoint, outcome, pickedAt, latencyMs, now);
  }

  /**
   * An attempt at `endpoint` has failed.
   *
   * @param asked the client that it was made over; undefined where there was none
   */
  failed(
    endpoint: Endpoint,
    form: Form,
    failure: RpcError,
    asked: Client | undefined,
    pickedAt: number,
    sentAt: number | undefined,
    now: number,
  ): void {
    const outcome = asked ? outcomeOf(failure, asked) : "local";
    const isTimed = sentAt !== undefined && form === "call";
    const latencyMs = isTimed ? now - sentAt : undefined;
    this.#ended(endpoint, outcome, pickedAt, latencyMs, now);
  }

  /** Told the addresses of each new list. */
  retain(addresses: ReadonlySet<string>, now: number): void {
    this.#picker.retain?.(addresses);
    this.#ejections.retain(addresses, now);
  }

  /** @param latencyMs how long the server had it; undefined where that says nothing */
  #ended(
    endpoint: Endpoint,
    outcome: CallOutcome,
    pickedAt: number,
    latencyMs: number | undefined,
    now: number,
  ): void {
    this.#picker.ended?.(endpoint, outcome, latencyMs, now);
    this.#ejections.ended(endpoint, outcome, pickedAt, now);
  }
}
