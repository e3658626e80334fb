import { isAsyncIterable } from "../base/async-values.ts";
import { boundIterable } from "../base/bound-iterable.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { createPicker } from "../balance/select-mode.ts";
import { detach } from "../service/call-context.ts";
import type { Interceptor } from "../service/interceptor.ts";
import { Call } from "../session/call.ts";
import { termsOf } from "../session/call-terms.ts";
import { interceptCall } from "../session/intercept-call.ts";
import { Client } from "../client/client.ts";
import { type ClientOptions, resolveOptions } from "../client/options.ts";
import type { CallOptions, NotifyOptions } from "../service/call-options.ts";
import { type Remote, remote } from "../service/remote.ts";
import type { Discovery, Endpoint } from "../discovery/discovery.ts";
import { RpcError } from "../errors.ts";
import { quiet } from "../events.ts";
import {
  type BroadcastCall,
  firstReply,
  type Settled,
  settledReplies,
} from "./broadcast.ts";
import { Candidates } from "./candidates.ts";
import { ClientPool, type Dial } from "./client-pool.ts";
import { CallTime } from "./deadline.ts";
import { OriginalFallback } from "./original-fallback.ts";
import { Route } from "./route.ts";
import { UnreadItems } from "./unread-items.ts";

export interface XClientOptions extends Omit<ClientOptions, "signal"> {
  /** How a call's server is chosen: "random" (default), "round-robin" or one of the user's own. */
  mode?: string;
  /** Connections to each server, used in turns. Default 1. */
  connectionsPerAddress?: number;
  random?: Random;
  /** Opens a connection; Client.dial by default. */
  dial?: Dial;
}

/** What holds for a call over all of its attempts, and for each of them. */
interface XCallTerms {
  time: CallTime;
  options: CallOptions;
}

/**
 * Calls to many servers: discovery says where they are, a picker chooses one
 * per call, and one client per address is kept connected.
 *
 * Only servers known to have the service are picked; one that did not tell
 * counts as having all. A call of which nothing was sent, because its dial
 * failed or took too long, or because its server refused it as not started,
 * goes to the other servers once each, within its deadline. When none is left
 * the list is asked for anew. Anything else is its result.
 */
export class XClient implements AsyncDisposable {
  readonly #discovery: Discovery;
  readonly #route: Route;
  readonly #pool: ClientPool;
  readonly #clock: Clock;
  readonly #callTimeoutMs: number;
  readonly #interceptors: readonly Interceptor[];

  /**
   * @param discovery belongs to the client from now on, which closes it
   * @throws RpcError invalid_argument  no such mode, a timeout that is no number from 0
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
    const picker = createPicker(mode, random);
    this.#clock = options.clock ?? systemClock;
    const { callTimeoutMs, inferences, interceptors } = resolveOptions(options);
    this.#callTimeoutMs = callTimeoutMs;
    // Around a call, not around each of its attempts.
    this.#interceptors = interceptors;
    const { dial } = new OriginalFallback(
      options.dial ?? Client.dial,
      this.#clock,
    );
    const onEvent = options.onEvent && quiet(options.onEvent);
    this.#pool = new ClientPool(
      {
        ...options,
        inferences,
        interceptors: [],
        ...(onEvent && { onEvent }),
      },
      connectionsPerAddress,
      dial,
    );
    const candidates = new Candidates(
      discovery,
      this.#clock,
      random,
      (addresses) => this.#pool.retain(addresses),
    );
    this.#route = new Route(candidates, picker, this.#pool);
  }

  /**
   * Calls one of the servers that have the service. `args` must not change
   * until the reply is here.
   *
   * @throws RpcError as Client.call, and
   *   invalid_argument  serviceMethod is not of the form Service.Method
   *   unavailable       no server is known, or none could be reached; sent is false
   */
  call<Reply = unknown>(
    serviceMethod: string,
    args?: unknown,
    options?: CallOptions,
  ): Promise<Reply> {
    return this.#call(serviceMethod, args, options) as Promise<Reply>;
  }

  /** Starts a call and returns it; its `done` resolves when it is over. */
  go(serviceMethod: string, args?: unknown, options?: CallOptions): Call {
    const call = new Call(serviceMethod, args);
    call.follow(this.#call(serviceMethod, args, options));
    return call;
  }

  /** Sends a call that gets no answer to one of the servers. Resolves when it is queued there. */
  async notify(
    serviceMethod: string,
    args?: unknown,
    options: NotifyOptions = {},
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
    const signal =
      options.signal === undefined
        ? failing.signal
        : AbortSignal.any([options.signal, failing.signal]);
    const calls = await this.#callAll(serviceMethod, args, {
      ...options,
      signal,
    });
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
    return settledReplies(await this.#callAll(serviceMethod, args, options));
  }

  /** A view of this client on which services are properties and methods are typed functions. */
  as<Services>(): Remote<Services> {
    return remote<Services>((serviceMethod, args, options) =>
      this.call(serviceMethod, args, options),
    );
  }

  /** Ends every connection; calls in flight fail with `unavailable`. */
  async close(): Promise<void> {
    this.#route.close();
    this.#discovery.close();
    await this.#pool.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #notify(
    serviceMethod: string,
    args: unknown,
    options: NotifyOptions,
  ): Promise<void> {
    const { time, options: own } = this.#termsOf(args, options);
    return detach(() =>
      this.#route.attempt(serviceMethod, time, (client) =>
        client.notify(serviceMethod, args, own),
      ),
    );
  }

  #call(
    serviceMethod: string,
    args: unknown,
    options: CallOptions | undefined,
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
    );
  }

  async #attempt(
    serviceMethod: string,
    args: unknown,
    options: CallOptions = {},
  ): Promise<unknown> {
    const terms = this.#termsOf(args, options);
    const { time } = terms;
    const callOver = (client: Client, passed: unknown) =>
      client.call(serviceMethod, passed, {
        ...terms.options,
        timeoutMs: time.leftMs(),
      });
    // All that is inherited has been, and dials are not this call's alone.
    return detach(async () => {
      if (!isAsyncIterable(args)) {
        return this.#route.attempt(serviceMethod, time, (client) =>
          callOver(client, args),
        );
      }
      const items = new UnreadItems(boundIterable(args));
      try {
        return await this.#route.attempt(serviceMethod, time, (client) =>
          callOver(client, items).catch((thrown: unknown) => {
            throw items.failureOf(thrown);
          }),
        );
      } catch (thrown) {
        await items.close();
        throw thrown;
      }
    });
  }

  /** How long a call may take in all, and what each of its attempts is made with. */
  #termsOf(args: unknown, options: CallOptions): XCallTerms {
    const clock = this.#clock;
    const terms = termsOf(args, options, clock, this.#callTimeoutMs);
    const { timeoutMs, isUntilReply, signal, metadata } = terms;
    return {
      time: new CallTime(clock, timeoutMs, signal),
      options: {
        ...options,
        timeoutUntil: isUntilReply ? "reply" : "end",
        ...(signal && { signal }),
        ...(metadata && { metadata }),
      },
    };
  }

  async #callAll(
    serviceMethod: string,
    args: unknown,
    options: CallOptions,
  ): Promise<BroadcastCall[]> {
    if (isAsyncIterable(args)) {
      throw new RpcError(
        "invalid_argument",
        "a stream is read once and cannot go to several servers: broadcast a value, or call each server",
        { sent: false },
      );
    }
    const { time, options: own } = this.#termsOf(args, options);
    const all = await this.#route.all(serviceMethod, time);
    return all.map((endpoint) => ({
      address: endpoint.address,
      reply: this.#callOne(endpoint, serviceMethod, args, own, time),
    }));
  }

  async #callOne(
    endpoint: Endpoint,
    serviceMethod: string,
    args: unknown,
    options: CallOptions,
    time: CallTime,
  ): Promise<unknown> {
    try {
      const got = this.#pool.get(endpoint);
      const client = got instanceof Promise ? await time.wait(got) : got;
      const timeoutMs = time.leftMs();
      return await client.call(serviceMethod, args, { ...options, timeoutMs });
    } finally {
      this.#pool.called();
    }
  }
}
