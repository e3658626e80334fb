import { availableParallelism, loadavg } from "node:os";
import { type Clock, systemClock } from "../base/clock.ts";
import { codecTypeOf } from "../client/choose-codec.ts";
import { Client } from "../client/client.ts";
import { RpcError } from "../errors.ts";
import { Histogram } from "../metrics/histogram.ts";
import { parseAddress } from "../transport/address.ts";
import { dialPipe } from "../transport/dial.ts";
import { cpuMethod, cpuUs } from "./bench-server.ts";
import { type FrameSizes, frameSizes } from "./frame-sizes.ts";
import { LimitClient } from "./limit-client.ts";
import { Load } from "./load.ts";
import type { BenchReport, CaseReport, Machine } from "./report.ts";
import { ServerProcess } from "./server-process.ts";
import {
  figuresOf,
  planSlices,
  rateOf,
  type Slice,
  type SlicePair,
} from "./slices.ts";
import type { Workload } from "./workload.ts";

export interface BenchOptions {
  workload: Workload;
  /** The codec's full name; by default binary, or what the address says. */
  codec?: string;
  connections: number;
  /** Calls in flight on each connection: one case for each number. */
  inFlight: readonly number[];
  /** For each case, in ms, shared by geerpc and the limit. */
  durationMs: number;
  /** Somebody's server, or the command of a process that runs a BenchServer. */
  target:
    | { address: string }
    | {
        command: readonly string[];
        env?: Readonly<Record<string, string | undefined>>;
      };
  /** Ends the run early: it rejects with `cancelled`, and nothing stays behind. */
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
  clock?: Clock;
}

export interface Progress {
  inFlight: number;
  /** Of the whole run, 0 to 1. */
  fraction: number;
  /** Of the last slice; 0 while warming up. */
  callsPerSecond: number;
}

/** How long code runs before it is measured, so that it has been compiled. */
const warmUpMs = 1_000;

/**
 * Measures a server, case by case.
 *
 * @throws RpcError unavailable  no server, or no connection to it; then sent is false
 * @throws RpcError cancelled    options.signal
 * @throws RpcError              what the first call of the method failed with
 */
export async function runBench(options: BenchOptions): Promise<BenchReport> {
  const machine = describeMachine();
  await using opened = new AsyncDisposableStack();
  const { signal, target } = options;
  throwIfAborted(signal);
  let address: string;
  let limitAddress: string | undefined;
  if ("command" in target) {
    const server = await ServerProcess.start(target.command, target.env);
    opened.defer(() => server.close());
    address = server.listening;
    limitAddress = server.limit;
  } else address = target.address;
  const run = await BenchRun.open(options, address, limitAddress);
  opened.defer(() => run.close());
  const onAbort = () => void run.close();
  signal?.addEventListener("abort", onAbort);
  opened.defer(() => signal?.removeEventListener("abort", onAbort));
  try {
    return { cases: await run.measure(), machine };
  } catch (thrown) {
    throwIfAborted(signal);
    throw thrown;
  }
}

/** The connections of one run, and what goes over them. */
class BenchRun {
  readonly #options: BenchOptions;
  readonly #codec: string;
  readonly #clock: Clock;
  readonly #clients: readonly Client[];
  readonly #limits: readonly LimitClient[];
  readonly #sizes: FrameSizes;
  #doneFraction = 0;

  private constructor(
    options: BenchOptions,
    codec: string,
    clients: readonly Client[],
    limits: readonly LimitClient[],
    sizes: FrameSizes,
  ) {
    this.#options = options;
    this.#codec = codec;
    this.#clock = options.clock ?? systemClock;
    this.#clients = clients;
    this.#limits = limits;
    this.#sizes = sizes;
  }

  static async open(
    options: BenchOptions,
    address: string,
    limitAddress: string | undefined,
  ): Promise<BenchRun> {
    const { workload, connections, clock = systemClock } = options;
    const codec = codecTypeOf(parseAddress(address).protocol, options.codec);
    const { signal } = options;
    const clientOptions = { codec, clock, ...(signal ? { signal } : {}) };
    const clients: Client[] = [];
    const limits: LimitClient[] = [];
    try {
      for (let at = 0; at < connections; at++) {
        clients.push(await Client.dial(address, clientOptions));
      }
      const args = workload.argsOf(0);
      const reply = await clients[0]?.call(workload.method, args);
      const sizes = frameSizes(codec, workload.method, args, reply);
      if (limitAddress !== undefined) {
        const dial = { timeoutMs: 10_000, signal, clock };
        for (let at = 0; at < connections; at++) {
          const pipe = await dialPipe(parseAddress(limitAddress), dial);
          limits.push(new LimitClient(pipe, sizes, clock));
        }
      }
      return new BenchRun(options, codec, clients, limits, sizes);
    } catch (thrown) {
      await closeAll(clients, limits);
      throw thrown;
    }
  }

  close(): Promise<void> {
    return closeAll(this.#clients, this.#limits);
  }

  async measure(): Promise<CaseReport[]> {
    const { inFlight, durationMs } = this.#options;
    const most = Math.max(...inFlight);
    this.#tell(most, 0, 0);
    await this.#warmUp(most, Math.min(warmUpMs, durationMs));
    const cases: CaseReport[] = [];
    for (const count of inFlight) cases.push(await this.#measureCase(count));
    return cases;
  }

  async #warmUp(inFlight: number, durationMs: number): Promise<void> {
    await this.#callFor(this.#load(inFlight), durationMs, new Histogram());
    await this.#limitFor(inFlight, durationMs / 4);
  }

  async #measureCase(inFlight: number): Promise<CaseReport> {
    const { durationMs, workload, connections } = this.#options;
    const hasLimit = this.#limits.length > 0;
    const plan = planSlices(durationMs, hasLimit);
    const fractionBefore = this.#doneFraction;
    const load = this.#load(inFlight);
    const latenciesUs = new Histogram();
    const pairs: SlicePair[] = [];
    let clientUs = 0;
    let serverUs = 0;
    await this.#warmUp(inFlight, plan.sliceMs);
    for (let pair = 1; pair <= plan.pairs; pair++) {
      const limit = await this.#limitFor(inFlight, plan.sliceMs);
      const serverBefore = await this.#serverCpuUs();
      const clientBefore = cpuUs();
      const geerpc = await this.#callFor(load, plan.sliceMs, latenciesUs);
      clientUs += cpuUs() - clientBefore;
      serverUs += (await this.#serverCpuUs()) - serverBefore;
      pairs.push({ limit, geerpc });
      const share = pair / plan.pairs / this.#options.inFlight.length;
      this.#tell(inFlight, fractionBefore + share, rateOf(geerpc));
    }
    const calls = Math.max(1, load.calls);
    const elapsedMs = pairs.reduce(
      (sum, { geerpc }) => sum + geerpc.elapsedMs,
      0,
    );
    return {
      method: workload.method,
      codec: this.#codec,
      connections,
      inFlight,
      calls: load.calls,
      errors: load.errors,
      ...figuresOf(pairs),
      p50Us: latenciesUs.quantile(0.5),
      p99Us: latenciesUs.quantile(0.99),
      p999Us: latenciesUs.quantile(0.999),
      cpuUsPerCall: hasLimit ? (clientUs + serverUs) / calls : null,
      clientCpuUsPerCall: clientUs / calls,
      coresUsed: hasLimit ? (clientUs + serverUs) / 1000 / elapsedMs : null,
      requestBytes: this.#sizes.request,
      responseBytes: this.#sizes.response,
      ...(load.firstFailure === undefined
        ? {}
        : { firstFailure: load.firstFailure.reason }),
    };
  }

  #load(inFlight: number): Load {
    const { workload } = this.#options;
    const calls = this.#clients.map(
      (client) => (serviceMethod: string, args: unknown) =>
        client.call(serviceMethod, args),
    );
    return new Load({ calls, inFlight, workload, clock: this.#clock });
  }

  async #callFor(
    load: Load,
    durationMs: number,
    latenciesUs: Histogram,
  ): Promise<Slice> {
    const slice = await load.run(durationMs, latenciesUs);
    throwIfAborted(this.#options.signal);
    return slice;
  }

  async #limitFor(
    inFlight: number,
    durationMs: number,
  ): Promise<Slice | undefined> {
    if (this.#limits.length === 0) return undefined;
    const slices = await Promise.all(
      this.#limits.map((limit) => limit.run(inFlight, durationMs)),
    );
    return {
      count: slices.reduce((sum, { count }) => sum + count, 0),
      elapsedMs: Math.max(...slices.map(({ elapsedMs }) => elapsedMs)),
    };
  }

  /** 0 for somebody else's server, which does not tell. */
  async #serverCpuUs(): Promise<number> {
    const [client] = this.#clients;
    if (this.#limits.length === 0 || client?.isAvailable !== true) return 0;
    return client.call<number>(cpuMethod);
  }

  #tell(inFlight: number, fraction: number, callsPerSecond: number): void {
    this.#doneFraction = fraction;
    this.#options.onProgress?.({ inFlight, fraction, callsPerSecond });
  }
}

async function closeAll(
  clients: readonly Client[],
  limits: readonly LimitClient[],
): Promise<void> {
  for (const limit of limits) limit.shutdown();
  await Promise.all(clients.map((client) => client.close()));
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw RpcError.fromAbort(signal);
}

function describeMachine(): Machine {
  return {
    cores: availableParallelism(),
    loadAverage: loadavg(),
    bun: Bun.version,
    platform: `${process.platform} ${process.arch}`,
  };
}
