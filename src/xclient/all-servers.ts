import { isAsyncIterable } from "../base/async-values.ts";
import type { Clock } from "../base/clock.ts";
import type { Endpoint } from "../discovery/discovery.ts";
import { RpcError } from "../errors.ts";
import type { CallOptions } from "../service/call-options.ts";
import type { Interceptor } from "../service/interceptor.ts";
import { interceptCall } from "../session/intercept-call.ts";
import type { BroadcastCall } from "./broadcast.ts";
import { type Attempt, CallError } from "./call-error.ts";
import type { ClientPool } from "./client-pool.ts";
import type { CallTime } from "./call-time.ts";
import { FirstReply } from "./first-reply.ts";
import type { MethodServers } from "./method-servers.ts";
import { Quorum } from "./quorum.ts";
import { either, type XCallTerms } from "./terms.ts";

/**
 * Makes one call to every server that has its service, all at once, with the
 * interceptors around each. No picker chooses, nobody is left out, and nothing
 * is tried again.
 */
export class AllServers {
  readonly #servers: MethodServers;
  readonly #pool: ClientPool;
  readonly #interceptors: readonly Interceptor[];
  readonly #clock: Clock;

  constructor(
    servers: MethodServers,
    pool: ClientPool,
    interceptors: readonly Interceptor[],
    clock: Clock,
  ) {
    this.#servers = servers;
    this.#pool = pool;
    this.#interceptors = interceptors;
    this.#clock = clock;
  }

  /** @throws RpcError invalid_argument  the argument is a stream; as MethodServers.all */
  async calls(
    serviceMethod: string,
    args: unknown,
    { time, options }: XCallTerms,
  ): Promise<BroadcastCall[]> {
    const all = await this.#all(serviceMethod, args, time);
    return all.map((endpoint) => ({
      address: endpoint.address,
      reply: this.#call(endpoint, serviceMethod, args, options, time),
    }));
  }

  /**
   * The reply that comes first; the other calls are cancelled.
   *
   * @throws RpcError as calls
   * @throws CallError every server has failed: as the first of them by address
   */
  async fork(
    serviceMethod: string,
    args: unknown,
    { time, options, signal }: XCallTerms,
  ): Promise<unknown> {
    const all = await this.#all(serviceMethod, args, time);
    const first = new FirstReply();
    const failures: Attempt[] = [];
    let mayHaveRun = false;
    for (const endpoint of all) {
      const { address } = endpoint;
      first.start((losing) => {
        const own = { ...options, signal: either(signal, losing) };
        const reply = this.#call(endpoint, serviceMethod, args, own, time);
        return reply.catch((thrown: unknown) => {
          const error = RpcError.from(thrown);
          failures.push({ address, code: error.code });
          if (error.sent !== false) mayHaveRun = true;
          throw error;
        });
      });
    }
    return first.reply.catch((thrown: unknown) => {
      throw CallError.of(RpcError.from(thrown), mayHaveRun, failures);
    });
  }

  /**
   * The first `count` replies, by address; the other calls go on.
   *
   * @throws RpcError as calls
   * @throws RpcError invalid_argument  count is no whole number from 1
   * @throws RpcError unavailable       fewer servers have the service; sent is false
   * @throws CallError as Quorum.of
   */
  async quorum(
    count: number,
    serviceMethod: string,
    args: unknown,
    { time, options }: XCallTerms,
  ): Promise<Map<string, unknown>> {
    if (!Number.isInteger(count) || count < 1) {
      throw new RpcError(
        "invalid_argument",
        `a quorum of ${count} is none: write a whole number from 1`,
        { sent: false },
      );
    }
    const all = await this.#all(serviceMethod, args, time);
    if (all.length < count) {
      throw new RpcError(
        "unavailable",
        `only ${all.length} of ${count} servers for a quorum have ${serviceMethod}`,
        { sent: false },
      );
    }
    const calls = all.map((endpoint) => ({
      address: endpoint.address,
      reply: this.#call(endpoint, serviceMethod, args, options, time),
    }));
    return Quorum.of(calls, count);
  }

  async #all(
    serviceMethod: string,
    args: unknown,
    time: CallTime,
  ): Promise<readonly Endpoint[]> {
    if (!isAsyncIterable(args)) return this.#servers.all(serviceMethod, time);
    throw new RpcError(
      "invalid_argument",
      "a stream is read once and cannot go to several servers: broadcast a value, or call each server",
      { sent: false },
    );
  }

  #call(
    endpoint: Endpoint,
    serviceMethod: string,
    args: unknown,
    options: CallOptions,
    time: CallTime,
  ): Promise<unknown> {
    if (this.#interceptors.length === 0) {
      return this.#callAt(endpoint, serviceMethod, args, options, time);
    }
    return interceptCall(
      this.#interceptors,
      serviceMethod,
      args,
      options,
      (...passed) => this.#callAt(endpoint, ...passed, time),
      this.#clock,
    );
  }

  async #callAt(
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
