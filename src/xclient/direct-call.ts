import type { PickedCall } from "../balance/picker.ts";
import type { Clock } from "../base/clock.ts";
import type { Endpoint } from "../discovery/discovery.ts";
import type { RpcError } from "../errors.ts";
import { detach } from "../service/call-context.ts";
import { CallPromise } from "../session/call.ts";
import type { Outcome } from "../session/pending-call.ts";
import type { FirstAttempt } from "./first-attempt.ts";
import { CallTime } from "./call-time.ts";
import type { Route, Use } from "./route.ts";
import type { RoutedCall } from "./routed-call.ts";

/**
 * A call that isBare(), and whose server can be picked at once: nearly all are.
 * Where that server is connected it costs neither a timer nor a promise of its
 * own, and is told its reply by the client's session; all that can go wrong
 * goes the way of every other call. A fifth less CPU time for a call, both ends
 * together: 1.6 against 2.1 µs.
 */
export class DirectCall implements PickedCall, Outcome {
  readonly serviceMethod: string;
  readonly key: undefined;
  listed: readonly Endpoint[] | undefined;
  readonly #args: unknown;
  readonly #route: Route;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #outcome = new CallPromise();
  #first: FirstAttempt | undefined;

  /** @param timeoutMs 0 is no limit */
  constructor(
    route: Route,
    serviceMethod: string,
    args: unknown,
    clock: Clock,
    timeoutMs: number,
  ) {
    this.#route = route;
    this.serviceMethod = serviceMethod;
    this.#args = args;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Starts it; undefined, and nothing has begun, where it has to wait for the
   * list of servers.
   *
   * @throws RpcError as Route.begin
   */
  start(): Promise<unknown> | undefined {
    const first = this.#route.begin(this, this.#clock.now());
    if (first === undefined) return undefined;
    this.#first = first;
    const { got } = first;
    if (got instanceof Promise) {
      return this.#route.dialling(this.#routed(first), this.#use(), first);
    }
    got.begin(this.serviceMethod, this.#args, this, this.#timeoutMs);
    return this.#outcome.promise;
  }

  succeeded(reply: unknown): void {
    this.#route.answered(this.#first as FirstAttempt, reply);
    this.#outcome.succeeded(reply);
  }

  failed(error: RpcError): void {
    const first = this.#first as FirstAttempt;
    const { succeeded, failed } = this.#outcome;
    detach(() =>
      this.#route.failed(this.#routed(first), this.#use(), first, error),
    ).then(succeeded, failed);
  }

  #routed({ having, pickedAt }: FirstAttempt): RoutedCall {
    return {
      serviceMethod: this.serviceMethod,
      key: undefined,
      listed: having,
      time: new CallTime(this.#clock, this.#timeoutMs, undefined, pickedAt),
      idempotent: undefined,
      form: "call",
      avoided: undefined,
    };
  }

  #use(): Use<unknown> {
    return (client, timeoutMs) => {
      const outcome = new CallPromise();
      client.begin(this.serviceMethod, this.#args, outcome, timeoutMs);
      return outcome.promise;
    };
  }
}
