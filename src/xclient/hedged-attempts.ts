import type { Client } from "../client/client.ts";
import type { HedgedCall, HedgeOptions } from "./hedging.ts";
import type { Route, Use } from "./route.ts";
import type { RoutedCall } from "./routed-call.ts";
import { either, type XCallTerms } from "./terms.ts";

/** The two attempts of a hedged call: the second one is never tried again, and goes where the first has not been. */
export class HedgedAttempts implements HedgedCall {
  readonly serviceMethod: string;
  readonly options: HedgeOptions;
  readonly #route: Route;
  readonly #call: RoutedCall;
  readonly #args: unknown;
  readonly #terms: XCallTerms;
  readonly #tried: string[] = [];
  #asked: Client | undefined;

  constructor(
    route: Route,
    call: RoutedCall,
    args: unknown,
    terms: XCallTerms,
    options: HedgeOptions,
  ) {
    this.serviceMethod = call.serviceMethod;
    this.options = options;
    this.#route = route;
    this.#call = call;
    this.#args = args;
    this.#terms = terms;
  }

  first(signal: AbortSignal): Promise<unknown> {
    return this.#route.attempt(this.#call, this.#useUntil(signal));
  }

  mayHedge(): boolean {
    return (
      this.#asked !== undefined &&
      this.#route.isIdempotent(this.#call, this.#asked) &&
      this.#route.hasOthers(this.#call, this.#tried)
    );
  }

  second(signal: AbortSignal): Promise<unknown> {
    const call = { ...this.#call, avoided: [...this.#tried] };
    return this.#route.attempt(call, this.#useUntil(signal));
  }

  #useUntil(giving: AbortSignal): Use<unknown> {
    const { options, signal } = this.#terms;
    const own = { ...options, signal: either(signal, giving) };
    return (client, timeoutMs, { address }) => {
      this.#asked = client;
      this.#tried.push(address);
      return client.call(this.serviceMethod, this.#args, { ...own, timeoutMs });
    };
  }
}
