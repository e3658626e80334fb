import { type Clock, systemClock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Picker } from "../balance/picker.ts";
import { createPicker } from "../balance/select-mode.ts";
import { Call } from "../client/call.ts";
import { Client } from "../client/client.ts";
import {
  type CallOptions,
  type ClientOptions,
  checkTimeout,
  resolveOptions,
} from "../client/options.ts";
import { type Remote, remote } from "../client/remote.ts";
import type { Discovery, Endpoint } from "../discovery/discovery.ts";
import { RpcError } from "../errors.ts";
import type { Outcome } from "../session/pending-call.ts";
import { ClientPool, type Dial } from "./client-pool.ts";
import { CallTime } from "./deadline.ts";
import { OriginalFallback } from "./original-fallback.ts";

export interface XClientOptions extends Omit<ClientOptions, "signal"> {
  /** How a call's server is chosen: "random" (default), "round-robin" or one of the user's own. */
  mode?: string;
  /** Connections to each server, used in turns. Default 1. */
  connectionsPerAddress?: number;
  random?: Random;
  /** Opens a connection; Client.dial by default. */
  dial?: Dial;
}

/** What one server made of a broadcast. */
export type Settled = { reply: unknown } | { error: RpcError };

/**
 * Calls to many servers: discovery says where they are, a picker chooses one
 * per call, and one client per address is kept connected.
 *
 * Only servers known to have the service are picked; one that did not tell
 * counts as having all. A call of which nothing was sent, because its dial
 * failed or its server refused it as not started, goes to the other servers
 * once each, within its deadline. Anything else is its result.
 */
export class XClient implements AsyncDisposable {
  readonly #discovery: Discovery;
  readonly #picker: Picker;
  readonly #pool: ClientPool;
  readonly #clock: Clock;
  readonly #callTimeoutMs: number;
  /** Discovery's last answer: it gives the same promise until the list changes. */
  #answer: Promise<readonly Endpoint[]> | undefined;
  #listed: readonly Endpoint[] = [];
  /** Endpoints by service, of the list last seen. */
  readonly #byService = new Map<string, readonly Endpoint[]>();
  #isClosed = false;

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
    this.#picker = createPicker(mode, random);
    this.#clock = options.clock ?? systemClock;
    this.#callTimeoutMs = resolveOptions(options).callTimeoutMs;
    const { dial } = new OriginalFallback(
      options.dial ?? Client.dial,
      this.#clock,
    );
    this.#pool = new ClientPool(options, connectionsPerAddress, dial);
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
    settleInto(call, this.#call(serviceMethod, args, options));
    return call;
  }

  /** Sends a call that gets no answer to one of the servers. Resolves when it is queued there. */
  async notify(
    serviceMethod: string,
    args?: unknown,
    options: Pick<CallOptions, "body" | "gob"> = {},
  ): Promise<void> {
    await this.#attempt(serviceMethod, this.#time({}), (client) =>
      client.notify(serviceMethod, args, options),
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
    let first: { reply: unknown } | undefined;
    try {
      await Promise.all(
        calls.map(async ({ reply }) => {
          const value = await reply;
          first ??= { reply: value };
        }),
      );
      return first?.reply as Reply;
    } catch (thrown) {
      failing.abort(
        new RpcError(
          "cancelled",
          "another server's call of the broadcast failed",
        ),
      );
      throw thrown;
    }
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
    const calls = await this.#callAll(serviceMethod, args, options);
    const settled = calls.map(
      async ({ address, reply }): Promise<[string, Settled]> => [
        address,
        await reply.then(
          (value) => ({ reply: value }),
          (thrown) => ({ error: RpcError.from(thrown) }),
        ),
      ],
    );
    return new Map(await Promise.all(settled));
  }

  /** A view of this client on which services are properties and methods are typed functions. */
  as<Services>(): Remote<Services> {
    return remote<Services>((serviceMethod, args, options) =>
      this.call(serviceMethod, args, options),
    );
  }

  /** Ends every connection; calls in flight fail with `unavailable`. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#discovery.close();
    await this.#pool.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #call(
    serviceMethod: string,
    args: unknown,
    options: CallOptions = {},
  ): Promise<unknown> {
    const time = this.#time(options);
    return this.#attempt(serviceMethod, time, (client) =>
      client.call(serviceMethod, args, {
        ...options,
        timeoutMs: time.leftMs(),
      }),
    );
  }

  #time({ timeoutMs = this.#callTimeoutMs, signal }: CallOptions): CallTime {
    checkTimeout("timeoutMs", timeoutMs);
    return new CallTime(this.#clock, timeoutMs, signal);
  }

  /** Tries `use` with one server after the other, for as long as nothing was sent. */
  async #attempt<T>(
    serviceMethod: string,
    time: CallTime,
    use: (client: Client) => Promise<T>,
  ): Promise<T> {
    let candidates = await this.#candidates(serviceMethod, time);
    for (;;) {
      const { address } = this.#picker.pick(candidates, { serviceMethod });
      try {
        return await use(await this.#client(address, time));
      } catch (thrown) {
        const error = RpcError.from(thrown);
        candidates = candidates.filter(
          (endpoint) => endpoint.address !== address,
        );
        if (!isMovable(error) || candidates.length === 0 || this.#isClosed)
          throw error;
      }
    }
  }

  async #callAll(
    serviceMethod: string,
    args: unknown,
    options: CallOptions,
  ): Promise<{ address: string; reply: Promise<unknown> }[]> {
    const time = this.#time(options);
    const candidates = await this.#candidates(serviceMethod, time);
    const [first] = candidates;
    // Throws the picker's own error where there is nobody.
    if (first === undefined) this.#picker.pick(candidates, { serviceMethod });
    return candidates.map(({ address }) => ({
      address,
      reply: this.#callOne(address, serviceMethod, args, options, time),
    }));
  }

  async #callOne(
    address: string,
    serviceMethod: string,
    args: unknown,
    options: CallOptions,
    time: CallTime,
  ): Promise<unknown> {
    const client = await this.#client(address, time);
    return client.call(serviceMethod, args, {
      ...options,
      timeoutMs: time.leftMs(),
    });
  }

  #client(address: string, time: CallTime): Client | Promise<Client> {
    const client = this.#pool.get(address);
    return client instanceof Promise ? time.wait(client) : client;
  }

  /** The servers that have the call's service: at once while the list is the one last seen. */
  #candidates(
    serviceMethod: string,
    time: CallTime,
  ): readonly Endpoint[] | Promise<readonly Endpoint[]> {
    const service = serviceOf(serviceMethod);
    if (this.#isClosed) {
      throw new RpcError("unavailable", "the client was closed", {
        sent: false,
      });
    }
    const answer = this.#discovery.all();
    if (answer === this.#answer) return this.#having(service);
    return time.wait(answer).then((listed) => {
      this.#answer = answer;
      if (listed !== this.#listed) this.#relist(listed);
      return this.#having(service);
    });
  }

  #having(service: string): readonly Endpoint[] {
    let having = this.#byService.get(service);
    if (having === undefined) {
      having = this.#listed.filter(
        ({ services }) =>
          services === undefined ||
          isOwn(service) ||
          services.includes(service),
      );
      this.#byService.set(service, having);
    }
    return having;
  }

  /** Another list of servers: forgets what was derived from the one before. */
  #relist(listed: readonly Endpoint[]): void {
    this.#listed = listed;
    this.#byService.clear();
    this.#pool.retain(new Set(listed.map(({ address }) => address)));
  }
}

/** Whether a failed call has not run and may go to another server. */
function isMovable({ code, sent }: RpcError): boolean {
  return code === "unavailable" && sent === false;
}

/** geerpc's own services are on every server and in no list. */
function isOwn(service: string): boolean {
  return service.startsWith("_geerpc");
}

function serviceOf(serviceMethod: string): string {
  const dot = serviceMethod.lastIndexOf(".");
  if (dot > 0) return serviceMethod.slice(0, dot);
  throw new RpcError(
    "invalid_argument",
    `"${serviceMethod}" is no method: write Service.Method`,
  );
}

function settleInto(outcome: Outcome, work: Promise<unknown>): void {
  work.then(
    (reply) => outcome.succeeded(reply),
    (thrown) => outcome.failed(RpcError.from(thrown)),
  );
}
