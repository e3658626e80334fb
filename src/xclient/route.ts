import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { nobodyError, type PickedCall } from "../balance/picker.ts";
import type { Client } from "../client/client.ts";
import type { Endpoint } from "../discovery/discovery.ts";
import { RpcError } from "../errors.ts";
import { AttemptBudget } from "./attempt-budget.ts";
import { FirstAttempt } from "./first-attempt.ts";
import type { Choice } from "./choice.ts";
import type { ClientPool } from "./client-pool.ts";
import { Course, type CourseTerms, without } from "./course.ts";
import type { CallTime } from "./call-time.ts";
import type { DeclaredMethods } from "./declared-methods.ts";
import type { MethodServers } from "./method-servers.ts";
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
  servers: MethodServers;
  choice: Choice;
  pool: ClientPool;
  declared: DeclaredMethods;
  clock: Clock;
  random: Random;
}

/**
 * The way of a call to a server: who of those that have its service is picked,
 * and where it goes when that fails, as far as its {@link Course} lets it.
 *
 * Servers that could not be reached just now are picked last. A dial is waited
 * for as long as the call's time allows, but for no more than a third (a half,
 * where two are left) of it while there are others; it goes on for later
 * calls.
 */
export class Route {
  readonly #servers: MethodServers;
  readonly #choice: Choice;
  readonly #pool: ClientPool;
  readonly #declared: DeclaredMethods;
  readonly #clock: Clock;
  readonly #budget = new AttemptBudget(retryBudget);
  readonly #terms: CourseTerms;

  constructor({
    servers,
    choice,
    pool,
    declared,
    clock,
    random,
  }: RouteOptions) {
    this.#servers = servers;
    this.#choice = choice;
    this.#pool = pool;
    this.#declared = declared;
    this.#clock = clock;
    this.#terms = { servers, budget: this.#budget, clock, random };
  }

  /**
   * Tries `use` with one server after the other. No timer and no dial while
   * the picked one is connected. An attempt whose reply is a stream is over,
   * and answered, when that begins.
   *
   * @throws RpcError as MethodServers.having
   * @throws RpcError as Picker.pick where nobody has the service
   * @throws RpcError deadline_exceeded, cancelled  the call's time is over before an attempt
   * @throws CallError the last attempt's failure, or one of these behind an attempt
   */
  async attempt<T>(call: RoutedCall, use: Use<T>): Promise<T> {
    const { serviceMethod, time, avoided } = call;
    const found = this.#servers.having(serviceMethod, time);
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
    const course = new Course(this.#terms, call, left);
    return this.#goThrough(call, use, course, having, now, undefined);
  }

  /**
   * Begins a call's first attempt at once: gives the server that is picked,
   * and its client where it is connected. Undefined, and nothing has begun,
   * where the list has to be waited for. answered(), dialling() or failed()
   * goes on with it.
   *
   * @throws RpcError as attempt
   */
  begin(
    call: Pick<RoutedCall, keyof PickedCall>,
    now: number,
  ): FirstAttempt | undefined {
    const having = this.#servers.known(call.serviceMethod);
    if (having === undefined) return undefined;
    call.listed = having;
    this.#budget.called(now);
    const endpoint = this.#choice.pick(this.#servers.up(having), call, now);
    return new FirstAttempt(having, endpoint, this.#pool.get(endpoint), now);
  }

  /** That attempt has a lone reply, or a stream as its reply. */
  answered({ endpoint, pickedAt }: FirstAttempt, reply: unknown): void {
    const now = this.#clock.now();
    this.#choice.answered(endpoint, "call", reply, pickedAt, pickedAt, now);
    this.#pool.called();
  }

  /** Goes on, as attempt() does, with an attempt that waits for a dial. */
  dialling<T>(call: RoutedCall, use: Use<T>, first: FirstAttempt): Promise<T> {
    const { having, pickedAt } = first;
    const course = new Course(this.#terms, call, having);
    return this.#goThrough(call, use, course, having, pickedAt, first);
  }

  /** The same with one that has failed. */
  async failed<T>(
    call: RoutedCall,
    use: Use<T>,
    { having, endpoint, got, pickedAt }: FirstAttempt,
    failure: RpcError,
  ): Promise<T> {
    const course = new Course(this.#terms, call, having);
    const client = got instanceof Promise ? undefined : got;
    try {
      this.#fail(call, course, endpoint, failure, client, pickedAt, pickedAt);
    } catch (thrown) {
      throw course.errorOf(thrown);
    } finally {
      this.#pool.called();
    }
    return this.#goThrough(call, use, course, having, pickedAt, undefined);
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

  /** @param first the first attempt, where it was picked already */
  async #goThrough<T>(
    call: RoutedCall,
    use: Use<T>,
    course: Course,
    having: readonly Endpoint[],
    startedAt: number,
    first: FirstAttempt | undefined,
  ): Promise<T> {
    let now = startedAt;
    let picked = first;
    try {
      for (;;) {
        if (course.mustGoOn) {
          await course.goOn();
          now = this.#clock.now();
        }
        const { left } = course;
        const servers = this.#servers;
        const endpoint =
          picked?.endpoint ??
          this.#choice.pick(
            left === having ? servers.up(left) : servers.upOf(left),
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
          this.#choice.answered(
            endpoint,
            call.form,
            reply,
            now,
            sentAt,
            this.#clock.now(),
          );
          return reply;
        } catch (thrown) {
          const failure = RpcError.from(thrown);
          const asked = sentAt === undefined ? undefined : client;
          this.#fail(call, course, endpoint, failure, asked, now, sentAt);
        } finally {
          this.#pool.called();
        }
      }
    } catch (thrown) {
      throw course.errorOf(thrown);
    }
  }

  /**
   * An attempt at `endpoint` has failed.
   *
   * @param asked the client that it was made over; undefined where there was none
   * @throws RpcError its failure, where there may be no other
   */
  #fail(
    call: RoutedCall,
    course: Course,
    endpoint: Endpoint,
    failure: RpcError,
    asked: Client | undefined,
    pickedAt: number,
    sentAt: number | undefined,
  ): void {
    const now = this.#clock.now();
    const { form } = call;
    this.#choice.failed(endpoint, form, failure, asked, pickedAt, sentAt, now);
    if (asked === undefined) course.undialled(endpoint, failure);
    else {
      course.failed(endpoint, failure, () => this.isIdempotent(call, asked));
    }
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
}
