import { type Clock, systemClock } from "../../src/base/clock.ts";
import { parseAddress } from "../../src/transport/address.ts";
import { FaultLink, type Faults, noFaults } from "./fault-link.ts";
import { Watchers } from "./watchers.ts";

/** `up` is from who dials the proxy to the target, `down` the way back. */
export type Direction = "up" | "down";

type Socket = Bun.Socket<Side>;

/**
 * A TCP proxy that does to connections what networks do: it delays, narrows,
 * slices, half-closes, resets and falls silent, each way on its own, per
 * connection or for all, and changes while it runs. Without a fault it carries
 * bytes, ends and resets as they come. Where the target is not there, who dials
 * is reset.
 */
export class FaultProxy implements AsyncDisposable {
  /** Those that live, in the order in which they were accepted. */
  readonly connections: ProxiedConnection[] = [];
  acceptedCount = 0;
  readonly #target: { host: string; port: number };
  readonly #clock: Clock;
  readonly #listener: Bun.TCPSocketListener<Side>;
  readonly #faults = { up: noFaults, down: noFaults };
  readonly #watchers = new Watchers();

  /** Listens on a free port of the loopback for connections to `target`, `tcp@host:port`. */
  constructor(target: string, clock: Clock = systemClock) {
    const address = parseAddress(target);
    if (address.protocol === "unix") throw new Error(`${target} is not TCP`);
    this.#target = address;
    this.#clock = clock;
    this.#listener = Bun.listen<Side>({
      hostname: "127.0.0.1",
      port: 0,
      allowHalfOpen: true,
      socket: { ...socketEvents, open: (socket) => this.#accept(socket) },
    });
  }

  /** Where it listens. */
  get address(): string {
    return `tcp@127.0.0.1:${this.#listener.port}`;
  }

  /** Sets faults for every connection, those to come among them, one way or both. */
  set(faults: Partial<Faults>, direction?: Direction): void {
    for (const way of waysOf(direction)) {
      this.#faults[way] = { ...this.#faults[way], ...faults };
    }
    for (const connection of this.connections) {
      connection.set(faults, direction);
    }
  }

  /** Resolves when `holds` does: now, or after something has come, passed or gone. */
  until(holds: () => boolean): Promise<void> {
    return this.#watchers.until(holds);
  }

  /** Accepts no more, and resets what is there. Resolves when every socket is gone. */
  async close(): Promise<void> {
    this.#listener.stop();
    const all = [...this.connections];
    for (const connection of all) connection.reset();
    await Promise.all(all.map(({ closed }) => closed));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(socket: Socket): void {
    const connection = new ProxiedConnection(socket, {
      target: this.#target,
      clock: this.#clock,
      faults: this.#faults,
      onEvent: () => this.#told(),
    });
    this.acceptedCount++;
    this.connections.push(connection);
    void connection.closed.then(() => {
      this.connections.splice(this.connections.indexOf(connection), 1);
      this.#told();
    });
    this.#told();
  }

  #told(): void {
    this.#watchers.look();
  }
}

interface ConnectionOptions {
  target: { host: string; port: number };
  clock: Clock;
  faults: Record<Direction, Faults>;
  onEvent: () => void;
}

export class ProxiedConnection {
  readonly up: FaultLink;
  readonly down: FaultLink;
  /** Resolves when both sockets are gone. */
  readonly closed: Promise<void>;
  readonly #near: Side;
  readonly #far: Side;

  constructor(accepted: Socket, options: ConnectionOptions) {
    const { target, clock, faults, onEvent } = options;
    this.#near = new Side(onEvent);
    this.#far = new Side(onEvent);
    this.up = join(this.#near, this.#far, clock, faults.up);
    this.down = join(this.#far, this.#near, clock, faults.down);
    this.closed = Promise.all([this.#near.closed, this.#far.closed]).then(
      () => {},
    );
    this.#near.opened(accepted);
    void this.#dial(target);
  }

  set(faults: Partial<Faults>, direction?: Direction): void {
    for (const way of waysOf(direction)) this[way].set(faults);
  }

  /** Says to one end that the other sends no more, behind what is on its way; what the other does send is lost. */
  halfClose(direction: Direction): void {
    this[direction].end();
  }

  /** Both ends see the connection reset, whatever the links are like. */
  reset(): void {
    this.up.stop();
    this.down.stop();
    this.#near.terminate();
    this.#far.terminate();
  }

  async #dial({ host, port }: ConnectionOptions["target"]): Promise<void> {
    try {
      await Bun.connect<Side>({
        hostname: host,
        port,
        allowHalfOpen: true,
        socket: { ...socketEvents, open: (far) => this.#far.opened(far) },
      });
    } catch {
      this.#far.gone(true);
    }
  }
}

/** One socket of a proxied connection. */
class Side {
  readonly closed: Promise<void>;
  /** To the other socket, and from it. */
  out!: FaultLink;
  in!: FaultLink;
  readonly onEvent: () => void;
  readonly #closed = Promise.withResolvers<void>();
  #socket: Socket | undefined;
  #isTerminated = false;
  #isGone = false;

  constructor(onEvent: () => void) {
    this.onEvent = onEvent;
    this.closed = this.#closed.promise;
  }

  opened(socket: Socket): void {
    socket.data = this;
    this.#socket = socket;
    if (this.#isTerminated) socket.terminate();
    else this.in.drain();
  }

  /** How many bytes were taken: none before it is open. */
  write(bytes: Uint8Array): number {
    return this.#isGone ? 0 : Math.max(0, this.#socket?.write(bytes) ?? 0);
  }

  shutdown(): void {
    if (!this.#isGone) this.#socket?.shutdown();
  }

  /** Resets it, also one that is still to open. */
  terminate(): void {
    this.#isTerminated = true;
    if (!this.#isGone) this.#socket?.terminate();
  }

  readOn(mayRead: boolean): void {
    if (this.#isGone) return;
    if (mayRead) this.#socket?.resume();
    else this.#socket?.pause();
  }

  data(bytes: Uint8Array): void {
    this.out.push(bytes);
    this.onEvent();
  }

  gone(isReset: boolean): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.in.stop();
    if (isReset) this.out.reset();
    else this.out.end();
    this.#closed.resolve();
    this.onEvent();
  }
}

const socketEvents = {
  data: (socket: Socket, chunk: Buffer) => socket.data.data(chunk),
  drain: (socket: Socket) => socket.data.in.drain(),
  end: (socket: Socket) => socket.data.out.end(),
  close: (socket: Socket, error?: Error) =>
    socket.data?.gone(error !== undefined),
  error(socket: Socket) {
    socket.data?.gone(true);
    socket.terminate();
  },
};

/** Makes the link from one socket to another. */
function join(from: Side, to: Side, clock: Clock, faults: Faults): FaultLink {
  const link = new FaultLink(
    {
      write: (bytes) => to.write(bytes),
      shutdown: () => to.shutdown(),
      reset: () => to.terminate(),
      readOn: (mayRead) => from.readOn(mayRead),
      passed: () => from.onEvent(),
    },
    clock,
    faults,
  );
  from.out = link;
  to.in = link;
  return link;
}

function waysOf(direction: Direction | undefined): readonly Direction[] {
  return direction === undefined ? ["up", "down"] : [direction];
}
