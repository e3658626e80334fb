import { isAsyncIterable } from "../base/async-values.ts";
import { boundIterable } from "../base/bound-iterable.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { Ejections } from "../balance/ejections.ts";
import { createPicker } from "../balance/select-mode.ts";
import { detach } from "../service/call-context.ts";
import type { Interceptor } from "../service/interceptor.ts";
import { Call } from "../session/call.ts";
import { isBare } from "../session/call-terms.ts";
import { interceptCall } from "../session/intercept-call.ts";
import { Client } from "../client/client.ts";
import { type ClientOptions, resolveOptions } from "../client/options.ts";
import type { CallOptions, NotifyOptions } from "../service/call-options.ts";
import { remote } from "../service/remote.ts";
import type { Discovery } from "../discovery/discovery.ts";
import { RpcError } from "../errors.ts";
import { quiet } from "../events.ts";
import { AllServers } from "./all-servers.ts";
import { firstReply, type Settled, settledReplies } from "./broadcast.ts";
import { checkKey, type XCallOptions } from "./call-options.ts";
import { Candidates } from "./candidates.ts";
import { Choice } from "./choice.ts";
import { ClientPool, type Dial } from "./client-pool.ts";
import { DeclaredMethods } from "./declared-methods.ts";
import { DirectCall } from "./direct-call.ts";
import { HedgedAttempts } from "./hedged-attempts.ts";
import { type HedgeOptions, hedgeOptions, Hedging } from "./hedging.ts";
import { MethodServers } from "./method-servers.ts";
import { OriginalFallback } from "./original-fallback.ts";
import type { XRemote } from "./remote.ts";
import { Route } from "./route.ts";
import type { RoutedCall } from "./routed-call.ts";
import { either, type XCallTerms, xCallTerms } from "./terms.ts";
import { UnreadItems } from "./unread-items.ts";

export interface XClientOptions extends Omit<ClientOptions, "signal"> {
  /** How a call's server is chosen: "random" (default), another one of selectModes() or one of the user's own. */
  mode?: string;
  /** Where the client is: mode "zone" prefers the servers of this zone. */
  zone?: string;
  /** Makes slow calls of idempotent methods a second time, at another server; the first reply counts. Off by default. */
  hedge?: boolean | HedgeOptions;
  /** Connections to each server, used in turns. Default 1. */
  connectionsPerAddress?: number;
  random?: Random;
  /** Opens a connection; Client.dial by default. */
  dial?: Dial;
}

const noOptions: XCallOptions = {};

/**
 * Calls to many servers: discovery says where they are, a picker chooses one
 * per call, and one client per address is kept connected.
 *
 * Only servers known to have the service are picked; one that did not tell
 * counts as having all. A call of which nothing was sent, because its dial
 * failed or took too long, or because its server refused it as not started,
 * goes to the other servers, within its deadline. When none is left the list
 * is asked for anew. A call that may have run is made again only where its
 * method is idempotent, three times in all, and while no more than 20 % of
 * calls and 10 a second are. Anything else is its result.
 *
 * Servers whose calls fail are left out for a while ({@link Ejections}).
 */
export class XClient implements AsyncDisposable {
  readonly #discovery: Discovery;
  readonly #servers: MethodServers;
  readonly #route: Route;
  readonly #pool: ClientPool;
  readonly #clock: Clock;
  readonly #callTimeoutMs: number;
  readonly #interceptors: readonly Interceptor[];
  readonly #all: AllServers;
  readonly #hedge: HedgeOptions | undefined;
  readonly #hedging: Hedging;

  /**
   * @param discovery belongs to the client from now on, which closes it
   * @throws RpcError invalid_argument  no such mode, a timeout or a delay that is no number from 0
   */
  constructor(discovery: Discovery, options: XClientOptions = {}) {
    const {
      mode = "random",
      random = Math.random,
      connectionsPerAddress = 1,
    } = options;
    if (!Number.isInteger(connectionsPerAddress) || connectionsPerAddress < 1) {
      throw new RpcError(
        "invalid_argument",
        `connectionsPerAddress is ${connectionsPerAddress}: write a whole number from 1`,
      );
    }
    this.#discovery = discovery;
    const picker = createPicker(mode, random, options.zone);
    this.#clock = options.clock ?? systemClock;
    this.#hedge = hedgeOptions(options.hedge);
    this.#hedging = new Hedging(this.#clock);
    const { callTimeoutMs, inferences, interceptors, servedInterceptors } =
      resolveOptions(options);
    this.#callTimeoutMs = callTimeoutMs;
    // Around a call, not around each of its attempts.
    this.#interceptors = interceptors;
    const declared = new DeclaredMethods(options.dial ?? Client.dial);
    const { dial } = new OriginalFallback(declared.dial, this.#clock);
    const onEvent = options.onEvent && quiet(options.onEvent);
    this.#pool = new ClientPool(
      {
        isOneOfMany: true,
        ...options,
        inferences,
        interceptors: [],
        servedInterceptors,
        ...(onEvent && { onEvent }),
      },
      connectionsPerAddress,
      dial,
    );
    const choice = new Choice(picker, new Ejections(onEvent));
    const candidates = new Candidates(
      discovery,
      this.#clock,
      random,
      (addresses) => {
        this.#pool.retain(addresses);
        choice.retain(addresses, this.#clock.now());
      },
      (address) => this.#pool.isConnected(address),
    );
    this.#servers = new MethodServers(candidates, this.#pool);
    this.#route = new Route({
      servers: this.#servers,
      choice,
      pool: this.#pool,
      declared,
      clock: this.#clock,
      random,
    });
    this.#all = new AllServers(
      this.#servers,
      this.#pool,
      interceptors,
      this.#clock,
    );
  }

  /**
   * Calls one of the servers that have the service. `args` must not change
   * until the reply is here.
   *
   * @throws RpcError as Client.call, and
   *   invalid_argument  serviceMethod is not of the form Service.Method, or key no string
   *   unavailable       no server is known, or none could be reached; sent is false
   * @throws CallError where a server was tried; it says which ones
   */
  call<Reply = unknown>(
    serviceMethod: string,
    args?: unknown,
    options?: XCallOptions,
  ): Promise<Reply> {
    return this.#call(serviceMethod, args, options) as Promise<Reply>;
  }

  /** Starts a call and returns it; its `done` resolves when it is over. */
  go(serviceMethod: string, args?: unknown, options?: XCallOptions): Call {
    const call = new Call(serviceMethod, args);
    call.follow(this.#call(serviceMethod, args, options));
    return call;
  }

  /** Sends a call that gets no answer to one of the servers. Resolves when it is queued there. */
  async notify(
    serviceMethod: string,
    args?: unknown,
    options: NotifyOptions & Pick<XCallOptions, "key"> = {},
  ): Promise<void> {
    if (this.#interceptors.length === 0) {
      await this.#notify(serviceMethod, args, options);
      return;
    }
    await interceptCall(
      this.#interceptors,
      serviceMethod,
      args,
      options,
      (...passed) => this.#notify(...passed),
      this.#clock,
    );
  }

  /**
   * Calls every server that has the service, all at once. The first failure
   * cancels the others and is the result; else the reply that came first is.
   * `options` is not changed.
   *
   * @throws RpcError as call
   */
  async broadcast<Reply = unknown>(
    serviceMethod: string,
    args?: unknown,
    options: CallOptions = {},
  ): Promise<Reply> {
    const failing = new AbortController();
    const signal = either(options.signal, failing.signal);
    const terms = this.#termsOf(args, { ...options, signal });
    const calls = await this.#all.calls(serviceMethod, args, terms);
    return firstReply(calls, failing) as Promise<Reply>;
  }

  /**
   * Calls every server that has the service, all at once, and waits for each:
   * what became of it, by address, sorted.
   *
   * @throws RpcError unavailable  no server is known; invalid_argument  an ill-formed serviceMethod
   */
  async broadcastSettled(
    serviceMethod: string,
    args?: unknown,
    options: CallOptions = {},
  ): Promise<Map<string, Settled>> {
    const terms = this.#termsOf(args, options);
    return settledReplies(await this.#all.calls(serviceMethod, args, terms));
  }

  /**
   * Calls every server that has the service, all at once, and gives the reply
   * that comes first; the others are cancelled.
   *
   * @throws RpcError as call
   * @throws CallError every server has failed: as the first of them by address
   */
  async fork<Reply = unknown>(
    serviceMethod: string,
    args?: unknown,
    options: CallOptions = {},
  ): Promise<Reply> {
    const terms = this.#termsOf(args, options);
    return this.#all.fork(serviceMethod, args, terms) as Promise<Reply>;
  }

  /**
   * Calls every server that has the service, all at once, and gives the first
   * `count` replies, by address, as soon as they are there. The other calls go
   * on.
   *
   * @throws RpcError invalid_argument  count is no whole number from 1
   * @throws RpcError unavailable       fewer servers than that have the service; sent is false
   * @throws CallError so many have failed that it cannot be reached any more: the last failure
   */
  async quorum<Reply = unknown>(
    count: number,
    serviceMethod: string,
    args?: unknown,
    options: CallOptions = {},
  ): Promise<Map<string, Reply>> {
    const terms = this.#termsOf(args, options);
    return this.#all.quorum(count, serviceMethod, args, terms) as Promise<
      Map<string, Reply>
    >;
  }

  /** A view of this client on which services are properties and methods are typed functions. */
  as<Services>(): XRemote<Services> {
    return remote<Services>((serviceMethod, args, options) =>
      this.call(serviceMethod, args, options),
    ) as unknown as XRemote<Services>;
  }

  /** Ends every connection; calls in flight fail with `unavailable`. */
  async close(): Promise<void> {
    this.#servers.close();
    this.#discovery.close();
    await this.#pool.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #notify(
    serviceMethod: string,
    args: unknown,
    options: NotifyOptions & Pick<XCallOptions, "key">,
  ): Promise<void> {
    const { time, options: own } = this.#termsOf(args, options);
    const call: RoutedCall = {
      serviceMethod,
      key: checkKey(options.key),
      listed: undefined,
      time,
      idempotent: false,
      form: "notice",
      avoided: undefined,
    };
    return detach(() =>
      this.#route.attempt(call, (client) =>
        client.notify(serviceMethod, args, own),
      ),
    );
  }

  #call(
    serviceMethod: string,
    args: unknown,
    options: XCallOptions | undefined,
  ): Promise<unknown> {
    if (this.#interceptors.length === 0) {
      return this.#attempt(serviceMethod, args, options);
    }
    return interceptCall(
      this.#interceptors,
      serviceMethod,
      args,
      options,
      (...passed) => this.#attempt(...passed),
      this.#clock,
    );
  }

  #attempt(
    serviceMethod: string,
    args: unknown,
    options: XCallOptions = noOptions,
  ): Promise<unknown> {
    if (options === noOptions && this.#hedge === undefined && isBare(args)) {
      const call = new DirectCall(
        this.#route,
        serviceMethod,
        args,
        this.#clock,
        this.#callTimeoutMs,
      );
      try {
        const reply = call.start();
        if (reply !== undefined) return reply;
      } catch (thrown) {
        return Promise.reject(thrown);
      }
    }
    let terms: XCallTerms;
    let key: string | undefined;
    let hedge = this.#hedge;
    try {
      key = checkKey(options.key);
      terms = this.#termsOf(args, options);
      if (options.hedge !== undefined) hedge = hedgeOptions(options.hedge);
    } catch (thrown) {
      return Promise.reject(thrown);
    }
    const isStream = isAsyncIterable(args);
    const call: RoutedCall = {
      serviceMethod,
      key,
      listed: undefined,
      time: terms.time,
      idempotent: options.idempotent,
      form: isStream ? "items" : "call",
      avoided: undefined,
    };
    // All that is inherited has been, and dials are not this call's alone.
    return detach(() => {
      if (isStream) return this.#sendItems(call, args, terms.options);
      if (hedge !== undefined) {
        return this.#hedging.run(
          new HedgedAttempts(this.#route, call, args, terms, hedge),
        );
      }
      const own = terms.options;
      return this.#route.attempt(call, (client, timeoutMs) => {
        // Read by then: an attempt is over before the next one.
        own.timeoutMs = timeoutMs;
        return client.call(serviceMethod, args, own);
      });
    });
  }

  /** A call whose argument is a stream: others may try as long as nobody has read of it. */
  async #sendItems(
    call: RoutedCall,
    args: AsyncIterable<unknown>,
    options: CallOptions,
  ): Promise<unknown> {
    const items = new UnreadItems(boundIterable(args));
    try {
      return await this.#route.attempt(call, (client, timeoutMs) =>
        client
          .call(call.serviceMethod, items, { ...options, timeoutMs })
          .catch((thrown: unknown) => {
            throw items.failureOf(thrown);
          }),
      );
    } catch (thrown) {
      await items.close();
      throw thrown;
    }
  }

  /** @throws RpcError as xCallTerms */
  #termsOf(args: unknown, options: CallOptions): XCallTerms {
    return xCallTerms(args, options, this.#clock, this.#callTimeoutMs);
  }
}
