import { type Clock, systemClock } from "../base/clock.ts";
import { codecTypeOf } from "../client/choose-codec.ts";
import { Client } from "../client/client.ts";
import { binaryCodecType } from "../codec/table.ts";
import { RpcError } from "../errors.ts";
import { parseAddress } from "../transport/address.ts";
import { dialPipe } from "../transport/dial.ts";
import type { Pipe } from "../transport/pipe.ts";
import {
  type Caller,
  closeCallers,
  type Destination,
  openCallers,
} from "./callers.ts";
import { cpuMethod, type OwnAddresses } from "./bench-server.ts";
import { caseFrameSizes, limitFrames } from "./case-frames.ts";
import type { BenchCase } from "./cases.ts";
import { FloorClient } from "./floor-client.ts";
import type { FrameSizes } from "./frame-sizes.ts";
import { LimitClient } from "./limit-client.ts";

export interface ConnectionOptions {
  benchCase: BenchCase;
  /** The codec's full name; by default the case's, binary, or what the address says. */
  codec?: string;
  /** How many; through a registry, so many to each server. */
  connections: number;
  /** Whether the floor takes turns with the case. */
  hasFloor?: boolean;
  /** Calls per second on all connections together; without it so many are kept in flight. */
  callsPerSecond?: number;
  signal?: AbortSignal;
  clock?: Clock;
}

/** How long a raw connection may take. */
const dialTimeoutMs = 10_000;

/** What a run has open: one of each for each connection, none where a side takes no turns. */
interface Opened {
  codec: string;
  sizes: FrameSizes;
  callers: readonly Caller[];
  references: readonly Caller[];
  limits: readonly LimitClient[];
  floors: readonly FloorClient[];
  /** To a server of ours, beside what is measured. */
  control: Client | undefined;
}

/** Of servers of somebody else's, which have only what is measured. */
const noSides = {
  references: [],
  limits: [],
  floors: [],
  control: undefined,
} satisfies Partial<Opened>;

/** The connections of a run: those that are measured, and those of the sides that take turns with them. */
export class Connections implements AsyncDisposable {
  /** What those that are measured speak. */
  readonly codec: string;
  /** Of the case's calls; where it has none, of its stream. */
  readonly sizes: FrameSizes;
  readonly callers: readonly Caller[];
  readonly references: readonly Caller[];
  readonly limits: readonly LimitClient[];
  readonly floors: readonly FloorClient[];
  readonly #control: Client | undefined;
  readonly #stack: AsyncDisposableStack;

  private constructor(opened: Opened, stack: AsyncDisposableStack) {
    this.codec = opened.codec;
    this.sizes = opened.sizes;
    this.callers = opened.callers;
    this.references = opened.references;
    this.limits = opened.limits;
    this.floors = opened.floors;
    this.#control = opened.control;
    this.#stack = stack;
  }

  /**
   * @param target somebody's servers, or the server that this run started
   * @throws RpcError unavailable  no connection; then sent is false
   * @throws RpcError              what the first call of the method failed with
   */
  static async open(
    options: ConnectionOptions,
    target: Destination | OwnAddresses,
  ): Promise<Connections> {
    const { benchCase, clock = systemClock } = options;
    await using stack = new AsyncDisposableStack();
    const dialler = new Dialler(options, stack);
    const own = "listening" in target ? target : undefined;
    const measured =
      "listening" in target ? destinationIn(target, benchCase) : target;
    const asked = options.codec ?? benchCase.codec;
    const callers = await dialler.callers(measured, asked);
    const codec = codecOf(measured, asked);
    const sizes = await caseFrameSizes(benchCase, codec, callers[0] as Caller);
    const connections = { codec, sizes, callers, ...noSides };
    if (own === undefined) return new Connections(connections, stack.move());

    const { listening: address, limit, floor } = own;
    const { reference } = benchCase;
    const control = await Client.dial(address, { clock });
    stack.use(control);
    const hasReferences = reference === "binary" || reference === "plain";
    const frames = limitFrames(benchCase, sizes);
    const opened: Opened = {
      ...connections,
      control,
      references: hasReferences
        ? await dialler.callers({ address }, binaryCodecType)
        : [],
      limits:
        frames === undefined
          ? []
          : await dialler.raw(
              limit,
              (pipe) => new LimitClient(pipe, frames, clock),
            ),
      floors: options.hasFloor
        ? await dialler.raw(floor, (pipe) => new FloorClient(pipe))
        : [],
    };
    return new Connections(opened, stack.move());
  }

  /** Whether calls find a way again when a connection was lost. */
  get reconnects(): boolean {
    return !(this.callers[0] instanceof Client);
  }

  /** Whether the server is one of ours, which tells its CPU time: somebody else's does not. */
  get hasOwnServer(): boolean {
    return this.#control !== undefined;
  }

  /** CPU time of the server, in µs; 0 where it does not tell. */
  async serverCpuUs(): Promise<number> {
    if (this.#control?.isAvailable !== true) return 0;
    return this.#control.call<number>(cpuMethod);
  }

  /** Ends all of them, and with them what runs over them. Twice is once. */
  close(): Promise<void> {
    return this.#stack.disposeAsync();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Opens as many connections as the options say, each to be closed with the stack. */
class Dialler {
  readonly #options: ConnectionOptions;
  readonly #stack: AsyncDisposableStack;

  constructor(options: ConnectionOptions, stack: AsyncDisposableStack) {
    this.#options = options;
    this.#stack = stack;
  }

  async callers(
    destination: Destination,
    codec: string | undefined,
  ): Promise<Caller[]> {
    const { connections, clock = systemClock, signal } = this.#options;
    const callers = await openCallers(destination, {
      connections,
      clock,
      ...(codec !== undefined && { codec }),
      ...(signal && { signal }),
    });
    this.#stack.defer(() => closeCallers(callers));
    return callers;
  }

  async raw<T>(address: string, over: (pipe: Pipe) => T): Promise<T[]> {
    const { connections, clock = systemClock, signal } = this.#options;
    const dial = { timeoutMs: dialTimeoutMs, signal, clock };
    const opened: T[] = [];
    for (let at = 0; at < connections; at++) {
      const pipe = await dialPipe(parseAddress(address), dial);
      this.#stack.defer(() => pipe.abort());
      opened.push(over(pipe));
    }
    return opened;
  }
}

/** @throws RpcError invalid_argument  a case for a fleet, and there is none */
function destinationIn(
  { listening, registry }: OwnAddresses,
  { name, hasFleet }: BenchCase,
): Destination {
  if (hasFleet !== true) return { address: listening };
  if (registry !== undefined) return { targets: [registry] };
  throw new RpcError(
    "invalid_argument",
    `${name} needs a server that was started with a fleet`,
  );
}

/** What is spoken there; whoever finds its servers by itself finds that out, too, where it is not said. */
function codecOf(destination: Destination, asked: string | undefined): string {
  if ("targets" in destination) return asked ?? binaryCodecType;
  return codecTypeOf(parseAddress(destination.address).protocol, asked);
}
