import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { isAsyncIterable } from "../base/async-values.ts";
import { nobodyError, type PickedCall } from "../balance/picker.ts";
import type { Client } from "../client/client.ts";
import type { Endpoint } from "../discovery/discovery.ts";
import { RpcError } from "../errors.ts";
import { splitServiceMethod } from "../service/service-method.ts";
import { AttemptBudget } from "./attempt-budget.ts";
import { type Candidates, withoutDown } from "./candidates.ts";
import type { Choice } from "./choice.ts";
import type { ClientPool } from "./client-pool.ts";
import type { CallTime } from "./deadline.ts";
import type { DeclaredMethods } from "./declared-methods.ts";
import { outcomeOf } from "./outcome.ts";
import { Retries } from "./retries.ts";
import { Begun } from "./begun.ts";
import type { RoutedCall } from "./routed-call.ts";

/** Of how many equal parts of a call's time one dial gets one, while other servers are left. */
const maxShares = 3;
/** Of five calls one may be tried again, and ten a second. */
const retryBudget = { fraction: 0.2, perSecond: 10 };

/** Makes an attempt over `client`, with what is left of the call's time; 0 is no limit. */
export type Use<T> = (
  client: Client,
  timeoutMs: number,
  endpoint: Endpoint,
) => Promise<T>;

export interface RouteOptions {
  candidates: Candidates;
  choice: Choice;
  pool: ClientPool;
  declared: DeclaredMethods;
  clock: Clock;
  random: Random;
}

/** How far a call has come. */
interface Course {
  /** The servers that have its service. */
  readonly having: readonly Endpoint[];
  /** Those that it may still go to. */
  left: readonly Endpoint[];
  /** Undefined until an attempt has failed. */
  retries: Retries | undefined;
  /** Of the last attempt. */
  failure: RpcError | undefined;
  /** Addresses of all attempts. */
  tried: readonly string[];
  isRefreshed: boolean;
}

/**
 * The way of a call to a server: who has its service, who of them is picked,
 * and where it goes when that fails, as far as {@link Retries} lets it.
 *
 * Servers that could not be reached just now are picked last. A dial is waited
 * for as long as the call's time allows, but for no more than a third (a half,
 * where two are left) of it while there are others; it goes on for later
 * calls. Each server is tried once, one whose dial was left behind once more
 * at the end. When nobody is left the list is asked for anew, once; a call
 * that repeats begins anew with all.
 */
export class Route {
  readonly #candidates: Candidates;
  readonly #choice: Choice;
  readonly #pool: ClientPool;
  readonly #declared: DeclaredMethods;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #budget = new AttemptBudget(retryBudget);
  #isClosed = false;
  #lastMethod: string | undefined;
  #lastService = "";

  constructor(options: RouteOptions) {
    this.#candidates = options.candidates;
    this.#choice = options.choice;
    this.#pool = options.pool;
    this.#declared = options.declared;
    this.#clock = options.clock;
    this.#random = options.random;
  }

  /**
   * Tries `use` with one server after the other. No timer and no dial while
   * the picked one is connected. An attempt whose reply is a stream is over,
   * and answered, when that begins.
   *
   * @throws RpcError invalid_argument  an ill-formed serviceMethod
   * @throws RpcError as Picker.pick where nobody has the service
   * @throws RpcError deadline_exceeded, cancelled  the call's time is over before an attempt
   * @throws CallError the last attempt's failure, or one of these behind an attempt
   */
  async attempt<T>(call: RoutedCall, use: Use<T>): Promise<T> {
    const { serviceMethod, time, avoided } = call;
    const found = this.#having(serviceMethod, time);
    const hasWaited = found instanceof Promise;
    const having = hasWaited ? await found : found;
    let now = hasWaited ? this.#clock.now() : time.startedAt;
    call.listed = having;
    let left = having;
    if (avoided === undefined) this.#budget.called(now);
    else {
      left = without(having, avoided);
      if (left.length === 0) throw nobodyError(call);
      now = this.#clock.now();
    }
    return this.#goThrough(call, use, newCourse(having, left), now, undefined);
  }

  /**
   * Begins a call's first attempt at once: gives the server that is picked,
   * and its client where it is connected. Undefined, and nothing has begun,
   * where the list has to be waited for. begun() or failed() goes on with it.
   *
   * @throws RpcError as attempt
   */
  begin(
    call: Pick<RoutedCall, keyof PickedCall>,
    now: number,
  ): Begun | undefined {
    if (this.#isClosed) return undefined;
    const having = this.#candidates.known(this.#serviceOf(call.serviceMethod));
    if (having === undefined || having.length === 0) return undefined;
    call.listed = having;
    this.#budget.called(now);
    const endpoint = this.#choice.pick(this.#up(having), call, now);
    return new Begun(having, endpoint, this.#pool.get(endpoint), now);
  }

  /** That attempt has a lone reply, or a stream as its reply. */
  answered(begun: Begun, reply: unknown): void {
    const { endpoint, pickedAt } = begun;
    this.#answered("call", endpoint, reply, pickedAt, pickedAt);
    this.#pool.called();
  }

  /** Goes on, as attempt() does, with an attempt that waits for a dial. */
  dialling<T>(
    call: RoutedCall,
    use: Use<T>,
    { having, endpoint, got, pickedAt }: Begun,
  ): Promise<T> {
    const course = newCourse(having, having);
    const picked = { endpoint, got };
    return this.#goThrough(call, use, course, pickedAt, picked);
  }

  /** The same with one that has failed. */
  async failed<T>(
    call: RoutedCall,
    use: Use<T>,
    { having, endpoint, got, pickedAt }: Begun,
    failure: RpcError,
  ): Promise<T> {
    const course = newCourse(having, having);
    const client = got instanceof Promise ? undefined : got;
    this.#tell(call, endpoint, failure, client, pickedAt, pickedAt);
    try {
      this.#leave(call, course, endpoint, failure, client);
    } catch (thrown) {
      throw errorOf(course, thrown);
    } finally {
      this.#pool.called();
    }
    return this.#goThrough(call, use, course, pickedAt, undefined);
  }

  async #goThrough<T>(
    call: RoutedCall,
    use: Use<T>,
    course: Course,
    startedAt: number,
    begun: Pick<Begun, "endpoint" | "got"> | undefined,
  ): Promise<T> {
    const { having } = course;
    let now = startedAt;
    let picked = begun;
    try {
      for (;;) {
        if (course.retries !== undefined || course.left.length === 0) {
          await this.#goOn(call, course);
          now = this.#clock.now();
        }
        const { left } = course;
        const endpoint =
          picked?.endpoint ??
          this.#choice.pick(
            left === having
              ? this.#up(left)
              : withoutDown(left, this.#pool.down),
            call,
            now,
          );
        let client: Client | undefined;
        let sentAt: number | undefined;
        try {
          const got = picked?.got ?? this.#pool.get(endpoint);
          picked = undefined;
          client =
            got instanceof Promise
              ? await this.#dialled(endpoint, got, call.time, left.length)
              : got;
          const timeoutMs = call.time.leftMs();
          sentAt = client === got ? now : this.#clock.now();
          const reply = await use(client, timeoutMs, endpoint);
          this.#answered(call.form, endpoint, reply, now, sentAt);
          return reply;
        } catch (thrown) {
          const failure = RpcError.from(thrown);
          const asked = sentAt === undefined ? undefined : client;
          this.#tell(call, endpoint, failure, asked, now, sentAt);
          this.#leave(call, course, endpoint, failure, asked);
        } finally {
          this.#pool.called();
        }
      }
    } catch (thrown) {
      throw errorOf(course, thrown);
    }
  }

  /** Whether anybody has the service who is not in `tried` and can be reached. */
  hasOthers({ listed = [] }: RoutedCall, tried: readonly string[]): boolean {
    const { down } = this.#pool;
    return listed.some(
      ({ address }) => !tried.includes(address) && !down.has(address),
    );
  }

  /** Whether the call may run more than once, as its caller says, or else the server of `client`. */
  isIdempotent(
    { form, idempotent, serviceMethod }: RoutedCall,
    client: Client,
  ): boolean {
    if (form !== "call") return false;
    return idempotent ?? this.#declared.has(client, serviceMethod);
  }

  /**
   * Every server that has the service.
   *
   * @throws RpcError as attempt, where there is nobody
   */
  async all(
    serviceMethod: string,
    time: CallTime,
  ): Promise<readonly Endpoint[]> {
    const all = await this.#having(serviceMethod, time);
    if (all.length > 0) return all;
    const more = await this.#more(serviceMethod, time, []);
    if (more.length === 0) throw nobodyError({ serviceMethod });
    return more;
  }

  /** From now on every call is refused. */
  close(): void {
    this.#isClosed = true;
  }

  /** The same string for the same method, as long as it is called alone. */
  #serviceOf(serviceMethod: string): string {
    if (serviceMethod !== this.#lastMethod) {
      this.#lastService = serviceOf(serviceMethod);
      this.#lastMethod = serviceMethod;
    }
    return this.#lastService;
  }

  /** An attempt at `endpoint` has a reply. */
  #answered(
    form: RoutedCall["form"],
    endpoint: Endpoint,
    reply: unknown,
    pickedAt: number,
    sentAt: number,
  ): void {
    const now = this.#clock.now();
    // Of a notice nobody knows whether it arrived; how long a stream takes says nothing of its server.
    const outcome = form === "notice" ? "local" : "answered";
    const isTimed = form === "call" && !isAsyncIterable(reply);
    const latencyMs = isTimed ? now - sentAt : undefined;
    this.#choice.ended(endpoint, outcome, pickedAt, latencyMs, now);
  }

  /**
   * An attempt at `endpoint` has failed.
   *
   * @param asked the client that it was made over; undefined where there was none
   */
  #tell(
    { form }: RoutedCall,
    endpoint: Endpoint,
    failure: RpcError,
    asked: Client | undefined,
    pickedAt: number,
    sentAt: number | undefined,
  ): void {
    const now = this.#clock.now();
    const outcome = asked ? outcomeOf(failure, asked) : "local";
    const isTimed = sentAt !== undefined && form === "call";
    const latencyMs = isTimed ? now - sentAt : undefined;
    this.#choice.ended(endpoint, outcome, pickedAt, latencyMs, now);
  }

  /**
   * Notes that an attempt at `endpoint` has failed.
   *
   * @throws RpcError it, where there may be no other
   */
  #leave(
    call: RoutedCall,
    course: Course,
    { address }: Endpoint,
    failure: RpcError,
    asked: Client | undefined,
  ): void {
    const retries = (course.retries ??= new Retries(
      this.#budget,
      this.#random,
    ));
    course.failure = failure;
    course.tried = [...course.tried, address];
    let mayGoOn = true;
    // Whatever a dial fails with, others may do better while there is time.
    if (asked === undefined) retries.undialled(address, failure);
    else {
      mayGoOn = retries.failed(address, failure, () =>
        this.isIdempotent(call, asked),
      );
    }
    if (!mayGoOn || call.avoided !== undefined) throw failure;
    course.left = without(course.left, [address]);
  }

  /**
   * Finds the servers that are left for a call, and waits until its next
   * attempt may begin.
   *
   * @throws RpcError the last failure, where there may be none; deadline_exceeded, cancelled
   */
  async #goOn(
    { serviceMethod, time }: RoutedCall,
    course: Course,
  ): Promise<void> {
    const { retries, failure, tried } = course;
    time.leftMs();
    if (course.left.length === 0) {
      if (retries?.isRepeating) {
        retries.repeat();
        course.left = await this.#having(serviceMethod, time);
      } else if (!course.isRefreshed) {
        course.isRefreshed = true;
        course.left = await this.#more(serviceMethod, time, tried);
      }
    }
    // Of a call that was not tried the picker says that there is nobody.
    if (retries === undefined || failure === undefined) return;
    if (course.left.length === 0) throw failure;
    const pauseMs = retries.pauseMs(time.leftMs(), this.#clock.now());
    if (pauseMs === undefined) throw failure;
    if (pauseMs > 0) await time.pass(pauseMs);
    if (this.#isClosed) throw failure;
  }

  /** Waits for a dial, but not for all of the call's time while other servers are left. */
  async #dialled(
    endpoint: Endpoint,
    dialling: Promise<Client>,
    time: CallTime,
    leftCount: number,
  ): Promise<Client> {
    const shares = Math.min(leftCount, maxShares);
    const client = await time.waitShare(dialling, shares);
    if (client !== undefined) return client;
    this.#pool.doubt(endpoint);
    throw new RpcError(
      "unavailable",
      `${endpoint.address} took too long to connect`,
      { sent: false },
    );
  }

  /** Servers that a list asked for anew has besides those tried, and of those the ones still being dialled. */
  async #more(
    serviceMethod: string,
    time: CallTime,
    tried: readonly string[],
  ): Promise<readonly Endpoint[]> {
    const service = serviceOf(serviceMethod);
    const having = await this.#candidates.refreshed(service, time);
    const isNew = ({ address }: Endpoint) => !tried.includes(address);
    if (having.some(isNew)) this.#candidates.helped();
    return having.filter(
      (endpoint) => isNew(endpoint) || this.#pool.isDialling(endpoint.address),
    );
  }

  /** The servers that have the call's service: at once while the list is the one last seen. */
  #having(
    serviceMethod: string,
    time: CallTime,
  ): readonly Endpoint[] | Promise<readonly Endpoint[]> {
    const service = serviceOf(serviceMethod);
    if (this.#isClosed) {
      throw new RpcError("unavailable", "the client was closed", {
        sent: false,
      });
    }
    return this.#candidates.having(service, time);
  }

  /** Those of a service's servers that should be asked first. */
  #up(having: readonly Endpoint[]): readonly Endpoint[] {
    if (this.#pool.down.size === 0) return having;
    this.#pool.probe();
    return this.#candidates.up(having, this.#pool.down);
  }
}

function serviceOf(serviceMethod: string): string {
  const split = splitServiceMethod(serviceMethod);
  if (split !== undefined) return split.service;
  throw new RpcError(
    "invalid_argument",
    `"${serviceMethod}" is no method: write Service.Method`,
  );
}

function without(
  endpoints: readonly Endpoint[],
  addresses: readonly string[],
): readonly Endpoint[] {
  return endpoints.filter(({ address }) => !addresses.includes(address));
}

function newCourse(
  having: readonly Endpoint[],
  left: readonly Endpoint[],
): Course {
  return {
    having,
    left,
    retries: undefined,
    failure: undefined,
    tried: [],
    isRefreshed: false,
  };
}

/** What a call ends with, where that is `thrown`. */
function errorOf({ retries }: Course, thrown: unknown): unknown {
  return retries?.errorOf(RpcError.from(thrown)) ?? thrown;
}
