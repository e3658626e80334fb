import type { Clock, Timer } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import type { OnEvent } from "../events.ts";
import type { Outbox } from "../transport/outbox.ts";
import type { Pipe } from "../transport/pipe.ts";
import { type Callee, drainError } from "./callee.ts";
import { type Caller, lostError } from "./caller.ts";
import type { Sender } from "./sender.ts";

/** How long what was said last has to arrive before a connection is reset whose peer has calls to answer. */
const resetAfterMs = 1_000;

export interface EndingOptions {
  role: "dial" | "accept";
  pipe: Pipe;
  outbox: Outbox;
  sender: Sender;
  caller: Caller;
  callee: Callee;
  clock: Clock;
  onEvent: OnEvent;
}

/** Whose ending it is; each is told once. */
export interface EndingOwner {
  /** In front of the calls: nothing more is read or granted. */
  ending(reason: RpcError): void;
  /** The connection is gone. */
  gone(): void;
}

/**
 * How one connection ends.
 *
 * | state     | what happens                                      | next      |
 * | --------- | ------------------------------------------------- | --------- |
 * | open      | drain(), a goaway at the dialling end, a half-close | finishing |
 * | finishing | nothing runs any more, and all is queued          | ending    |
 * | any       | shutdown(), abort(), cut(), leave(), peerEnded()  | ending    |
 * | any       | the pipe is gone: close()                         | closed    |
 *
 * Open and finishing ones serve; while finishing, calls start only where
 * something runs that may need them. From "ending" on every call is over and
 * nothing is read or written but what was queued. The first reason counts.
 */
export class Ending {
  readonly #owner: EndingOwner;
  readonly #options: EndingOptions;
  readonly #closed = Promise.withResolvers<void>();
  /** Why the connection ends as soon as nothing runs. */
  #finishing: RpcError | undefined;
  /** Why this end starts no more calls: the peer takes none. */
  #refusal: RpcError | undefined;
  /** The peer has said that it sends no more. */
  #hasPeerEnded = false;
  /** Why nothing more is read or written; the pipe may live on until it is flushed. */
  #reason: RpcError | undefined;
  #isClosed = false;
  /** Cuts a connection that the peer does not end. */
  #reset: Timer | undefined;

  constructor(owner: EndingOwner, options: EndingOptions) {
    this.#owner = owner;
    this.#options = options;
  }

  /** Resolves when the connection is gone. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Whether nothing more is read or written. */
  get hasBegun(): boolean {
    return this.#reason !== undefined;
  }

  /** Calls of either end's that are not over. */
  get activeCount(): number {
    const { caller, callee } = this.#options;
    return caller.inFlightCount + callee.activeCount;
  }

  /** Whether a call that starts now has a connection to go over. */
  get isAvailable(): boolean {
    if (this.#reason !== undefined || this.#refusal !== undefined) return false;
    // Handlers that still run may call back, however long this end has been draining.
    return this.#finishing === undefined || this.activeCount > 0;
  }

  /** What a call gets for which there is none. */
  lostError(): RpcError {
    const reason =
      this.#reason ?? this.#refusal ?? this.#finishing ?? drainError();
    return lostError(reason, false);
  }

  /**
   * Ends the connection in order: calls in flight fail now, what is queued is
   * still sent. Resolves when it is gone.
   */
  shutdown(reason: RpcError): Promise<void> {
    const { role, pipe, outbox, sender, caller, clock } = this.#options;
    // A peer that cannot be told to stop goes on, and ends only behind its last answer.
    const isAwaited = caller.inFlightCount > 0 && !sender.canCancel;
    this.#begin(reason, true);
    outbox.shutdown();
    if (isAwaited && role === "dial" && !this.#isClosed) {
      this.#reset = clock.after(resetAfterMs, () => pipe.abort()).unref();
    }
    return this.closed;
  }

  /** Ends the connection now. */
  abort(reason: RpcError): void {
    this.#begin(reason, false);
    this.#options.pipe.abort();
  }

  /** Ends the connection now, for what the peer does, or does not; also where that was to be in order. */
  cutNow(error: RpcError): void {
    this.abort(error);
    this.#tellCut(error);
  }

  /** The peer breaks the protocol: it is told, then the connection ends in order. */
  cut(error: RpcError): void {
    if (this.#reason !== undefined) return;
    const { role, sender } = this.#options;
    if (role === "accept") sender.error(0, "", error);
    this.leave(error);
    this.#tellCut(error);
  }

  /**
   * Ends a connection over which the peer takes no more requests. At the
   * accepting end what is queued is still sent. At the dialling end it is
   * dropped: requests, so that their callers, who are told that they were not
   * sent, may take them elsewhere, and with them answers to a peer that has gone.
   */
  leave(reason: RpcError): void {
    const { role, pipe, outbox } = this.#options;
    if (this.#reason !== undefined || role === "accept") {
      void this.shutdown(reason);
      return;
    }
    this.#begin(reason, false);
    outbox.close();
    pipe.shutdown();
  }

  /** As Session.finish. */
  drain(): Promise<void> {
    const { callee, sender } = this.#options;
    const lastSeq = callee.refuseRequests();
    if (this.#finishing === undefined) {
      this.#finishing = drainError();
      if (sender.hasSession && this.#reason === undefined) {
        sender.goaway(lastSeq, this.#finishing);
      }
    }
    this.endIfFinished();
    return this.closed;
  }

  /**
   * The peer drains: what it has taken it answers, the rest may go elsewhere.
   * It may go on asking, so an accepting end leaves it to the peer to end.
   */
  peerDrains(lastSeq: number, error: RpcError): void {
    const { role, caller } = this.#options;
    this.#refusal = error;
    if (role === "dial") this.#finishing ??= error;
    caller.leave(lastSeq, error);
  }

  /** The peer sends no more. */
  peerEnded(): void {
    const { role, pipe, sender, caller } = this.#options;
    const reason = new RpcError(
      "unavailable",
      `${pipe.peer} closed the connection`,
    );
    // Where a codec has cancels no dialling end half-closes: with a FIN it has
    // gone, or its process has died.
    if (this.#reason !== undefined || role === "dial" || sender.canCancel) {
      this.leave(reason);
      return;
    }
    // In the others it may have said all that it had to, and wait for the answers.
    this.#hasPeerEnded = true;
    this.#refusal = reason;
    this.#finishing = reason;
    caller.end(reason, true);
    void this.drain();
  }

  /** The pipe is gone. */
  close(error: RpcError | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { pipe, outbox } = this.#options;
    const closed = `the connection to ${pipe.peer} was closed`;
    this.#begin(error ?? new RpcError("unavailable", closed), false);
    outbox.close();
    this.#reset?.cancel();
    this.#closed.resolve();
    this.#owner.gone();
  }

  /** Ends a connection that is to, where nothing runs on it any more. */
  endIfFinished(): void {
    const reason = this.#finishing;
    if (reason === undefined || this.#reason !== undefined) return;
    if (this.activeCount > 0) return;
    const { role, outbox, sender } = this.#options;
    // Behind the last piece: what is left unanswered then was not started.
    if (!sender.isWhole) return;
    this.#begin(reason, true);
    const isHeard = role === "accept" && !this.#hasPeerEnded;
    if (isHeard && sender.canSayNotStarted) sender.error(0, "", reason);
    outbox.shutdown();
  }

  #tellCut(error: RpcError): void {
    const { pipe, onEvent } = this.#options;
    onEvent({ kind: "connection-cut", peer: pipe.peer, error });
  }

  /** The one path to the end; the first reason counts. */
  #begin(reason: RpcError, isFlushed: boolean): void {
    if (this.#reason !== undefined) return;
    const { caller, callee } = this.#options;
    this.#reason = reason;
    this.#owner.ending(reason);
    callee.end(reason);
    caller.end(reason, isFlushed);
  }
}
