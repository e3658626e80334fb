import type { RpcError } from "../errors.ts";

/** Who is told what happens on a pipe. Its methods must not throw. */
export interface PipeHandler {
  /**
   * Bytes came. The chunk is the handler's to keep and is not written to again.
   * Who hands it on to another handler has given it away.
   */
  data(chunk: Uint8Array): void;
  /** After a write() that took less than it was given: there is room again. */
  drain(): void;
  /**
   * The peer will send no more. Writing is still possible, unless shutdown()
   * came first: then the pipe is over, and close() may come in the place of
   * this.
   */
  end(): void;
  /**
   * The pipe is gone; the last call, made once. `error` is set where it did
   * not end in order: `unavailable`, with the system's reason as its cause.
   */
  close(error: RpcError | undefined): void;
}

/**
 * A byte stream in both directions: a socket, or something like one. Users
 * bring their own to `Client.over` and `Server.serve`.
 *
 * A pipe starts open. Events go to the handler that was attached last; until
 * the first attach() they wait. close() is always told, whoever ended it, and
 * may be told from inside shutdown() or abort().
 */
export interface Pipe {
  /** Who is at the other end, for people: `tcp@10.0.0.7:51234`. */
  readonly peer: string;
  attach(handler: PipeHandler): void;
  /**
   * Hands bytes over and returns how many were taken, at once and for good;
   * the rest is the caller's to send again after drain(). `bytes` may be
   * changed afterwards. Returns 0 on a pipe that is closed.
   */
  write(bytes: Uint8Array): number;
  /**
   * Stops data(); what was read already may still come. The peer's end may be
   * told only after resume() or shutdown().
   */
  pause(): void;
  resume(): void;
  /** Says that nothing more will be written. What was taken still arrives. */
  shutdown(): void;
  /** Ends both directions now; bytes on their way may be lost. */
  abort(): void;
}
