import { Server } from "../server/server.ts";
import { parseAddress } from "../transport/address.ts";
import { listenPipes } from "../transport/listen.ts";
import type { Pipe } from "../transport/pipe.ts";
import { Fleet } from "./fleet.ts";
import { FloorServer } from "./floor-server.ts";
import { LimitServer } from "./limit-server.ts";
import { itemsOf, largeItems, smallItems } from "./stream-workload.ts";

/** Where it listens, by what is spoken there. */
export interface OwnAddresses {
  readonly listening: string;
  readonly limit: string;
  readonly floor: string;
  /** Where its fleet is listed, if it has one. */
  readonly registry?: string;
}

/** The method of the measured process that tells its CPU time, in µs since its start. */
export const cpuMethod = "_bench.cpuUs";

const anyPort = "tcp@127.0.0.1:0";

/**
 * The measured half of a run, in a process of its own: a server with the
 * services that are called, and beside it the raw-socket limit's and the
 * floor's. All live in one process so that all have the same cores to compete
 * for; so do the servers of a fleet.
 */
export class BenchServer implements AsyncDisposable {
  readonly #services: Readonly<Record<string, object>>;
  readonly #opened = new AsyncDisposableStack();

  /** @param services by their names */
  constructor(services: Readonly<Record<string, object>>) {
    this.#services = services;
  }

  /**
   * Resolves with what the other process waits for, as JSON on a line.
   *
   * @param hasFleet whether there are three more servers, and a registry that lists them
   */
  async listen(hasFleet = false): Promise<OwnAddresses> {
    const limit = await this.#listenRaw((pipe, onClose) => {
      new LimitServer(pipe, onClose);
    });
    const floor = await this.#listenRaw((pipe, onClose) => {
      new FloorServer(pipe, onClose);
    });
    const server = new Server();
    for (const [name, service] of Object.entries(this.#services)) {
      server.register(service, name);
    }
    server.register(
      {
        cpuUs,
        smallItems: () => itemsOf(smallItems()),
        largeItems: () => itemsOf(largeItems()),
      },
      "_bench",
    );
    this.#opened.use(server);
    const listening = await server.listen(anyPort);
    if (!hasFleet) return { listening, limit, floor };
    const fleet = await Fleet.start(this.#services);
    this.#opened.use(fleet);
    return { listening, limit, floor, registry: fleet.registry };
  }

  close(): Promise<void> {
    return this.#opened.disposeAsync();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #listenRaw(
    serve: (pipe: Pipe, onClose: () => void) => void,
  ): Promise<string> {
    const pipes = new Set<Pipe>();
    const listener = await listenPipes(parseAddress(anyPort), (pipe) => {
      pipes.add(pipe);
      serve(pipe, () => pipes.delete(pipe));
    });
    this.#opened.defer(() => {
      listener.close();
      for (const pipe of pipes) pipe.abort();
    });
    return listener.address;
  }
}

/** CPU time of this process, user's and system's, in µs. */
export function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
