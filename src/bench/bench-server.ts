import { Server } from "../server/server.ts";
import { parseAddress } from "../transport/address.ts";
import { type Listener, listenPipes } from "../transport/listen.ts";
import type { Pipe } from "../transport/pipe.ts";
import { LimitServer } from "./limit-server.ts";
import { itemsOf, largeItems, smallItems } from "./stream-workload.ts";

/** The method of the measured process that tells its CPU time, in µs since its start. */
export const cpuMethod = "_bench.cpuUs";

const anyPort = "tcp@127.0.0.1:0";

/**
 * The measured half of a run, in a process of its own: a server with the
 * services that are called, and beside it the raw-socket limit's. Both live in
 * one process so that both have the same cores to compete for.
 */
export class BenchServer implements AsyncDisposable {
  readonly #server = new Server();
  readonly #limitPipes = new Set<Pipe>();
  #limit: Listener | undefined;

  /** @param services by their names */
  constructor(services: Record<string, object>) {
    for (const [name, service] of Object.entries(services)) {
      this.#server.register(service, name);
    }
    this.#server.register(
      {
        cpuUs,
        smallItems: () => itemsOf(smallItems()),
        largeItems: () => itemsOf(largeItems()),
      },
      "_bench",
    );
  }

  /** Resolves with the line that the other process waits for. */
  async listen(): Promise<{ listening: string; limit: string }> {
    const listening = await this.#server.listen(anyPort);
    this.#limit = await listenPipes(parseAddress(anyPort), (pipe) => {
      this.#limitPipes.add(pipe);
      new LimitServer(pipe, () => this.#limitPipes.delete(pipe));
    });
    return { listening, limit: this.#limit.address };
  }

  async close(): Promise<void> {
    this.#limit?.close();
    for (const pipe of this.#limitPipes) pipe.abort();
    await this.#server.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** CPU time of this process, user's and system's, in µs. */
export function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
