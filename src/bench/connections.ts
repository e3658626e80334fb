import { type Clock, systemClock } from "../base/clock.ts";
import { codecTypeOf } from "../client/choose-codec.ts";
import { Client } from "../client/client.ts";
import { parseAddress } from "../transport/address.ts";
import { dialPipe } from "../transport/dial.ts";
import { cpuMethod } from "./bench-server.ts";
import { CallLoad } from "./call-load.ts";
import type { BenchCase } from "./cases.ts";
import {
  type FrameSizes,
  frameSizes,
  streamFrameSizes,
} from "./frame-sizes.ts";
import { LimitClient } from "./limit-client.ts";
import { type LimitFrames, mostAskedBytes } from "./limit-server.ts";
import { LoadBesideStream } from "./load-beside-stream.ts";
import type { SliceLoad } from "./slice-load.ts";
import type { Slice } from "./slices.ts";
import { StreamLoad } from "./stream-load.ts";
import type { StreamWorkload } from "./stream-workload.ts";
import type { Workload } from "./workload.ts";

export interface ConnectionOptions {
  benchCase: BenchCase;
  /** The codec's full name; by default binary, or what the address says. */
  codec?: string;
  /** How many. */
  connections: number;
  signal?: AbortSignal;
  clock?: Clock;
}

/** Requests that the limit of a stream has in flight: the next is there before one is answered. */
const limitStreams = 2;

/** The connections of a run: to the server, and as many raw ones where calls or streams take turns with them. */
export class Connections implements AsyncDisposable {
  readonly codec: string;
  /** Of the case's calls; where it has none, of its stream. */
  readonly sizes: FrameSizes;
  /** Whether the server is one of ours, which tells its CPU time: somebody else's does not. */
  readonly hasOwnServer: boolean;
  readonly #benchCase: BenchCase;
  readonly #clock: Clock;
  readonly #clients: readonly Client[];
  readonly #limits: readonly LimitClient[];

  private constructor(
    { benchCase, clock = systemClock }: ConnectionOptions,
    codec: string,
    sizes: FrameSizes,
    clients: readonly Client[],
    limits: readonly LimitClient[],
    hasOwnServer: boolean,
  ) {
    this.codec = codec;
    this.sizes = sizes;
    this.hasOwnServer = hasOwnServer;
    this.#benchCase = benchCase;
    this.#clock = clock;
    this.#clients = clients;
    this.#limits = limits;
  }

  /**
   * @param limitAddress where a server of ours also serves raw sockets
   * @throws RpcError unavailable  no connection; then sent is false
   * @throws RpcError              what the first call of the method failed with
   */
  static async open(
    options: ConnectionOptions,
    address: string,
    limitAddress: string | undefined,
  ): Promise<Connections> {
    const { benchCase, connections, clock = systemClock, signal } = options;
    const codec = codecTypeOf(parseAddress(address).protocol, options.codec);
    const clientOptions = { codec, clock, ...(signal ? { signal } : {}) };
    const clients: Client[] = [];
    const limits: LimitClient[] = [];
    try {
      for (let at = 0; at < connections; at++) {
        clients.push(await Client.dial(address, clientOptions));
      }
      const sizes = await sizesOf(benchCase, codec, clients[0] as Client);
      const frames = limitFrames(benchCase, sizes);
      if (limitAddress !== undefined && frames !== undefined) {
        const dial = { timeoutMs: 10_000, signal, clock };
        for (let at = 0; at < connections; at++) {
          const pipe = await dialPipe(parseAddress(limitAddress), dial);
          limits.push(new LimitClient(pipe, frames, clock));
        }
      }
      const isOwn = limitAddress !== undefined;
      return new Connections(options, codec, sizes, clients, limits, isOwn);
    } catch (thrown) {
      await closeAll(clients, limits);
      throw thrown;
    }
  }

  /** What the case measures, so many in flight on each connection. */
  load(inFlight: number): SliceLoad | LoadBesideStream {
    const { calls, stream } = this.#benchCase;
    if (calls === undefined) return this.#streamLoad(stream, inFlight);
    if (stream === undefined) return this.#callLoad(calls, inFlight);
    return new LoadBesideStream(
      this.#callLoad(calls, inFlight),
      this.#streamLoad(stream, 1),
    );
  }

  /** The calls of a case that has a stream beside them, without it. */
  quietLoad(inFlight: number): SliceLoad | undefined {
    const { calls, stream } = this.#benchCase;
    if (calls === undefined || stream === undefined) return undefined;
    return this.#callLoad(calls, inFlight);
  }

  get hasLimit(): boolean {
    return this.#limits.length > 0;
  }

  /**
   * A slice of the limit; undefined where there is none.
   *
   * @throws RpcError unavailable  a connection was lost
   */
  async limitFor(
    inFlight: number,
    durationMs: number,
  ): Promise<Slice | undefined> {
    if (!this.hasLimit) return undefined;
    const isStream = this.#benchCase.calls === undefined;
    const requests = isStream ? limitStreams : inFlight;
    const slices = await Promise.all(
      this.#limits.map((limit) => limit.run(requests, durationMs)),
    );
    return {
      count: slices.reduce((sum, { count }) => sum + count, 0),
      elapsedMs: Math.max(...slices.map(({ elapsedMs }) => elapsedMs)),
    };
  }

  /** CPU time of the server, in µs; 0 where it does not tell. */
  async serverCpuUs(): Promise<number> {
    const [client] = this.#clients;
    if (!this.hasOwnServer || client?.isAvailable !== true) return 0;
    return client.call<number>(cpuMethod);
  }

  close(): Promise<void> {
    return closeAll(this.#clients, this.#limits);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #callLoad(workload: Workload, inFlight: number): CallLoad {
    const calls = this.#clients.map(
      (client) => (serviceMethod: string, args: unknown) =>
        client.call(serviceMethod, args),
    );
    return new CallLoad({ calls, inFlight, workload, clock: this.#clock });
  }

  #streamLoad(workload: StreamWorkload, inFlight: number): StreamLoad {
    const streams = this.#clients.map(
      (client) => (serviceMethod: string) => openStream(client, serviceMethod),
    );
    return new StreamLoad({ streams, inFlight, workload, clock: this.#clock });
  }
}

function openStream(
  client: Client,
  serviceMethod: string,
): Promise<AsyncIterable<unknown>> {
  return client.call<AsyncIterable<unknown>>(serviceMethod, undefined, {
    timeoutMs: 0,
  });
}

/** The sizes of the case's frames. Calls it once, so a method that is not there shows before anything is measured. */
async function sizesOf(
  { calls, stream }: BenchCase,
  codec: string,
  client: Client,
): Promise<FrameSizes> {
  if (calls === undefined) {
    const { method, itemOf } = stream;
    const sizes = streamFrameSizes(codec, method, itemOf(0));
    for await (const _ of await openStream(client, method)) break;
    return sizes;
  }
  const args = calls.argsOf(0);
  const reply = await client.call(calls.method, args);
  return frameSizes(codec, calls.method, args, reply);
}

/** What goes over the raw sockets; undefined for calls beside a stream, which take turns with calls alone. */
function limitFrames(
  { calls, stream }: BenchCase,
  sizes: FrameSizes,
): LimitFrames | undefined {
  if (calls === undefined) {
    const responsesPerRequest = Math.floor(mostAskedBytes / 2 / sizes.response);
    return { ...sizes, responsesPerRequest: Math.max(1, responsesPerRequest) };
  }
  return stream === undefined
    ? { ...sizes, responsesPerRequest: 1 }
    : undefined;
}

async function closeAll(
  clients: readonly Client[],
  limits: readonly LimitClient[],
): Promise<void> {
  for (const limit of limits) limit.shutdown();
  await Promise.all(clients.map((client) => client.close()));
}
