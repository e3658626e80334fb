import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Endpoint } from "../discovery/discovery.ts";
import { RpcError } from "../errors.ts";
import type { AttemptBudget } from "./attempt-budget.ts";
import type { MethodServers } from "./method-servers.ts";
import { Retries } from "./retries.ts";
import type { RoutedCall } from "./routed-call.ts";

/** What the courses of one client's calls have in common. */
export interface CourseTerms {
  readonly servers: MethodServers;
  readonly budget: AttemptBudget;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * How far a call has come: the servers that are left for it, and what its
 * attempts have failed with.
 *
 * Each server is tried once, one whose dial was left behind once more at the
 * end. When nobody is left the list is asked for anew, once; a call that
 * repeats begins anew with all.
 */
export class Course {
  readonly #terms: CourseTerms;
  readonly #call: RoutedCall;
  /** Those that it may still go to. */
  #left: readonly Endpoint[];
  /** Undefined until an attempt has failed. */
  #retries: Retries | undefined;
  /** Of the last attempt. */
  #failure: RpcError | undefined;
  /** Addresses of all attempts. */
  #tried: readonly string[] = [];
  #isRefreshed = false;

  constructor(terms: CourseTerms, call: RoutedCall, left: readonly Endpoint[]) {
    this.#terms = terms;
    this.#call = call;
    this.#left = left;
  }

  get left(): readonly Endpoint[] {
    return this.#left;
  }

  /** Whether the next attempt may begin only after goOn(). */
  get mustGoOn(): boolean {
    return this.#retries !== undefined || this.#left.length === 0;
  }

  /**
   * Notes that an attempt has found no connection. Whatever a dial fails with,
   * others may do better while there is time.
   *
   * @throws RpcError it, where there may be no other
   */
  undialled(endpoint: Endpoint, failure: RpcError): void {
    this.#begun.undialled(endpoint.address, failure);
    this.#leave(endpoint, failure, true);
  }

  /**
   * Notes that an attempt has failed that had one.
   *
   * @param isIdempotent asked only where it matters
   * @throws RpcError it, where there may be no other
   */
  failed(
    endpoint: Endpoint,
    failure: RpcError,
    isIdempotent: () => boolean,
  ): void {
    const { address } = endpoint;
    const mayGoOn = this.#begun.failed(address, failure, isIdempotent);
    this.#leave(endpoint, failure, mayGoOn);
  }

  /**
   * Finds the servers that are left, and waits until the next attempt may
   * begin.
   *
   * @throws RpcError the last failure, where there may be none; deadline_exceeded, cancelled
   */
  async goOn(): Promise<void> {
    const { servers, clock } = this.#terms;
    const { time } = this.#call;
    const [retries, failure] = [this.#retries, this.#failure];
    time.leftMs();
    if (this.#left.length === 0) await this.#relist();
    // Of a call that was not tried the picker says that there is nobody.
    if (retries === undefined || failure === undefined) return;
    if (this.#left.length === 0) throw failure;
    const pauseMs = retries.pauseMs(time.leftMs(), clock.now());
    if (pauseMs === undefined) throw failure;
    if (pauseMs > 0) await time.pass(pauseMs);
    if (servers.isClosed) throw failure;
  }

  /** What the call ends with, where that is `thrown`. */
  errorOf(thrown: unknown): unknown {
    return this.#retries?.errorOf(RpcError.from(thrown)) ?? thrown;
  }

  /** Begun with the first failure. */
  get #begun(): Retries {
    const { budget, random } = this.#terms;
    return (this.#retries ??= new Retries(budget, random));
  }

  #leave({ address }: Endpoint, failure: RpcError, mayGoOn: boolean): void {
    this.#failure = failure;
    this.#tried = [...this.#tried, address];
    if (!mayGoOn || this.#call.avoided !== undefined) throw failure;
    this.#left = without(this.#left, [address]);
  }

  /** Begins anew with all servers, or with those of a newer list. */
  async #relist(): Promise<void> {
    const call = this.#call;
    const { serviceMethod, time } = call;
    const { servers } = this.#terms;
    if (this.#retries?.isRepeating) {
      this.#retries.repeat();
      call.listed = await servers.having(serviceMethod, time);
      this.#left = call.listed;
    } else if (!this.#isRefreshed) {
      this.#isRefreshed = true;
      call.listed = await servers.refreshed(serviceMethod, time);
      this.#left = servers.left(call.listed, this.#tried);
    }
  }
}

/** Those whose address is not among these. */
export function without(
  endpoints: readonly Endpoint[],
  addresses: readonly string[],
): readonly Endpoint[] {
  return endpoints.filter(({ address }) => !addresses.includes(address));
}
