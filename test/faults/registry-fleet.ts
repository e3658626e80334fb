import type { RpcEvent } from "../../src/events.ts";
import { connect } from "../../src/xclient/connect.ts";
import type { XClient } from "../../src/xclient/xclient.ts";
import { RegistryLoad } from "./registry-load.ts";
import type { RegistryProcess } from "./registry-process.ts";
import {
  type Pace,
  type RegisteredServer,
  serveApart,
  serveHere,
} from "./registry-servers.ts";

const serverCount = 3;
/** How long anything here may take that has to happen at all. */
const patienceMs = 20_000;

type Serve = () => Promise<RegisteredServer>;

interface Manner {
  serve: Serve;
  events: RpcEvent[];
  /** Of the load. */
  pauseMs: number;
}

/**
 * Three servers that register, and a client that finds them by the same
 * registries and calls them all the time. The registries belong to the caller.
 */
export class RegistryFleet implements AsyncDisposable {
  readonly load: RegistryLoad;
  /** Of the client; with a pace, of the servers' heartbeats, too. */
  readonly events: RpcEvent[];
  readonly #client: XClient;
  readonly #servers: RegisteredServer[];
  readonly #serve: Serve;

  private constructor(
    client: XClient,
    servers: RegisteredServer[],
    { serve, events, pauseMs }: Manner,
  ) {
    this.#client = client;
    this.#servers = servers;
    this.#serve = serve;
    this.events = events;
    this.load = new RegistryLoad(client, pauseMs);
  }

  /**
   * Resolves when all of them serve and are listed. With a pace the servers
   * are in this process, else `geerpc server` as it is.
   */
  static async open(
    registries: readonly RegistryProcess[],
    pace?: Pace,
  ): Promise<RegistryFleet> {
    const urls = registries.map(({ url }) => url);
    const events: RpcEvent[] = [];
    const onEvent = (event: RpcEvent) => void events.push(event);
    await using cleanup = new AsyncDisposableStack();
    const serve: Serve = () =>
      pace === undefined ? serveApart(urls) : serveHere(urls, pace, onEvent);
    const servers = await Promise.all(
      Array.from({ length: serverCount }, async () =>
        cleanup.use(await serve()),
      ),
    );
    const { refreshAfterMs, timeoutMs } = pace ?? {};
    const client = await connect(urls, {
      mode: "round-robin",
      onEvent,
      discovery: {
        ...(refreshAfterMs !== undefined && { refreshAfterMs }),
        ...(timeoutMs !== undefined && { timeoutMs }),
      },
    });
    cleanup.move();
    const pauseMs = pace === undefined ? 10 : 1;
    return new RegistryFleet(client, servers, { serve, events, pauseMs });
  }

  /** Where the servers are, sorted. */
  get addresses(): readonly string[] {
    return this.#servers.map(({ address }) => address).sort();
  }

  /** One more server; resolves when it is registered, or was told that it cannot be. */
  async grow(): Promise<void> {
    this.#servers.push(await this.#serve());
  }

  count(kind: RpcEvent["kind"]): number {
    return this.events.filter((event) => event.kind === kind).length;
  }

  /** Resolves when `registry` lists all of the servers; gives the ms that it took. */
  async listedBy(registry: RegistryProcess): Promise<number> {
    const startedAt = performance.now();
    await eventually(async () => {
      const listed = await registry.listed().catch((): string[] => []);
      return this.addresses.every((address) => listed.includes(address));
    });
    return performance.now() - startedAt;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.load[Symbol.asyncDispose]();
    await this.#client.close();
    await Promise.all(
      this.#servers.map((server) => server[Symbol.asyncDispose]()),
    );
  }
}

/** Waits until it is so: what other processes do, in real time. */
export async function eventually(
  isSo: () => boolean | Promise<boolean>,
): Promise<void> {
  const until = performance.now() + patienceMs;
  while (!(await isSo())) {
    if (performance.now() > until)
      throw new Error(`not within ${patienceMs} ms`);
    await Bun.sleep(10);
  }
}
