import type { Socket } from "bun";
import { outside } from "../base/outside.ts";
import { RpcError } from "../errors.ts";
import { giveChunk } from "../wire/chunk-memory.ts";
import { EarlyEvents } from "./early-events.ts";
import type { Pipe, PipeHandler } from "./pipe.ts";

/** How long a connection that is being ended in order may take, before it is cut. */
const closeTimeoutMs = 5_000;

/**
 * How long a TCP connection is silent before the kernel asks whether its peer
 * is still there: one whose machine is gone never says so.
 */
export const keepAliveMs = 30_000;

/** The pipe of one Bun socket. It is the socket's data, and the only caller of its write(). */
export class SocketPipe implements Pipe {
  readonly peer: string;
  readonly #socket: Socket<SocketPipe>;
  #handler: PipeHandler = new EarlyEvents();
  #isClosed = false;
  #closeTimer: NodeJS.Timeout | undefined;

  constructor(socket: Socket<SocketPipe>, peer: string) {
    this.#socket = socket;
    this.peer = peer;
  }

  get handler(): PipeHandler {
    return this.#handler;
  }

  attach(handler: PipeHandler): void {
    const before = this.#handler;
    this.#handler = handler;
    if (!(before instanceof EarlyEvents)) return;
    // One of the events may make the handler attach another.
    for (const event of before.take()) event(this.#handler);
  }

  write(bytes: Uint8Array): number {
    return this.#isClosed ? 0 : Math.max(0, this.#socket.write(bytes));
  }

  pause(): void {
    if (!this.#isClosed) this.#socket.pause();
  }

  resume(): void {
    if (!this.#isClosed) this.#socket.resume();
  }

  /**
   * Bun's end() is close(2) and loses bytes on their way, so: FIN, then wait
   * for the peer's, reading on, and cut only when that takes too long.
   */
  shutdown(): void {
    if (this.#isClosed || this.#closeTimer !== undefined) return;
    this.#closeTimer = outside(() =>
      setTimeout(() => this.abort(), closeTimeoutMs).unref(),
    );
    this.#socket.shutdown();
    this.resume();
  }

  abort(): void {
    if (!this.#isClosed) this.#socket.terminate();
  }

  /** The socket's close event. */
  closed(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#closeTimer);
    this.#handler.close(
      error === undefined ? undefined : connectionLost(this.peer, error),
    );
  }
}

/** The handlers that every socket shares; each finds its pipe in `socket.data`. */
export const socketEvents = {
  data(socket: Socket<SocketPipe>, chunk: Buffer): void {
    giveChunk(chunk);
    socket.data.handler.data(chunk);
  },
  drain(socket: Socket<SocketPipe>): void {
    socket.data.handler.drain();
  },
  end(socket: Socket<SocketPipe>): void {
    socket.data.handler.end();
  },
  close(socket: Socket<SocketPipe>, error?: Error): void {
    // A socket that never opened has no pipe.
    socket.data?.closed(error);
  },
  error(socket: Socket<SocketPipe>, error: Error): void {
    socket.data?.closed(error);
    socket.terminate();
  },
};

function connectionLost(peer: string, cause: Error): RpcError {
  return new RpcError(
    "unavailable",
    `the connection to ${peer} was lost: ${cause.message}`,
    { cause },
  );
}
