import { type Clock, systemClock } from "../../src/base/clock.ts";
import { Client } from "../../src/client/client.ts";
import type { ClientOptions } from "../../src/client/options.ts";
import { RpcError } from "../../src/errors.ts";
import { Server, type ServerOptions } from "../../src/server/server.ts";
import { memoryPipe } from "../../src/transport/memory.ts";
import type { Pipe } from "../../src/transport/pipe.ts";

/** Servers by address, reached through memory; what they are asked is counted. */
export class Fleet implements AsyncDisposable {
  readonly #servers = new Map<string, Server>();
  readonly #held = new Map<string, PromiseWithResolvers<void>>();
  readonly #pipes = new Map<string, Pipe[]>();
  readonly #refusals = new Map<string, RpcError>();
  readonly #clock: Clock;
  /** Addresses in the order in which they were dialled. */
  readonly dials: string[] = [];

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** Adds a server with `service` under the name Foo. */
  add(address: string, service: object, options: ServerOptions = {}): Server {
    const server = new Server({
      clock: this.#clock,
      keepAlive: { busyMs: 0, idleMs: 0 },
      ...options,
    });
    server.register(service, "Foo");
    this.#servers.set(address, server);
    return server;
  }

  /** Nothing answers at the address any more; its connections break. */
  kill(address: string): void {
    this.#servers.delete(address);
    for (const pipe of this.#pipes.get(address) ?? []) pipe.abort();
  }

  /** Dials to the address hang until the returned function is called. */
  hold(address: string): () => void {
    const held = Promise.withResolvers<void>();
    this.#held.set(address, held);
    return held.resolve;
  }

  /** Dials to the address fail with `error`, or no longer. */
  refuse(address: string, error: RpcError | undefined): void {
    if (error === undefined) this.#refusals.delete(address);
    else this.#refusals.set(address, error);
  }

  readonly dial = async (
    address: string,
    options: ClientOptions,
  ): Promise<Client> => {
    this.dials.push(address);
    await this.#held.get(address)?.promise;
    const refusal = this.#refusals.get(address);
    if (refusal !== undefined) throw refusal;
    const server = this.#servers.get(address);
    if (server === undefined) {
      throw new RpcError("unavailable", `${address} is down`, { sent: false });
    }
    const [near, far] = memoryPipe();
    this.#pipes.set(address, [...(this.#pipes.get(address) ?? []), far]);
    server.serve(far);
    return Client.over(near, { clock: this.#clock, ...options });
  };

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers.values()) await server.close();
  }
}

/** A service that says which server answered, and can fail or wait. */
export function foo(name: string) {
  const waits: { signal: AbortSignal; finish: (value: string) => void }[] = [];
  return {
    waits,
    whoami: () => name,
    fail: () => {
      throw new RpcError("failed_precondition", `${name} fails`);
    },
    wait: (_args: unknown, { signal }: { signal: AbortSignal }) =>
      new Promise<string>((resolve) => {
        waits.push({ signal, finish: resolve });
      }),
  };
}
