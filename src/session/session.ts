import type { Clock } from "../base/clock.ts";
import type {
  Codec,
  Form,
  Inbound,
  RequestHead,
  Settings,
} from "../codec/codec.ts";
import { RpcError } from "../errors.ts";
import type { OnEvent } from "../events.ts";
import type { Services } from "../service/services.ts";
import { Outbox, type OutboxOwner } from "../transport/outbox.ts";
import type { Pipe, PipeHandler } from "../transport/pipe.ts";
import { pieceBytes } from "../wire/frame.ts";
import type { Limits } from "../wire/limits.ts";
import { isLineFeed, protocolVersion } from "../wire/option.ts";
import type { SendBuffer } from "../wire/send-buffer.ts";
import { Callee, drainError } from "./callee.ts";
import { Caller, lostError } from "./caller.ts";
import type { PendingCall } from "./pending-call.ts";
import { Sender } from "./sender.ts";

export interface SessionOptions {
  role: "dial" | "accept";
  codec: Codec;
  services: Services;
  limits: Limits;
  clock: Clock;
  /** The longest that a handler may take, in ms; 0 is no limit. */
  handleTimeoutMs: number;
  onEvent: OnEvent;
  /** Told once, when the connection is gone. */
  onClose(session: Session): void;
}

/**
 * One connection, at either end, from behind its Option to its end.
 *
 * In: the pipe's bytes go through the codec; a chunk is read whole before its
 * first handler starts. Answers go to the caller's half, requests to the
 * callee's. Out: everything goes through one sender, in order. The accepting
 * end stops reading while too much is queued; the dialling end never does, its
 * next calls wait instead (two ends that both stop reading would wait for each
 * other for ever).
 *
 * It ends on one path, #end: by shutdown(), abort() or finish(), by the peer,
 * by broken framing or by a peer that takes no bytes.
 */
export class Session implements PipeHandler, OutboxOwner, Inbound {
  readonly #pipe: Pipe;
  readonly #options: SessionOptions;
  readonly #codec: Codec;
  readonly #outbox: Outbox;
  readonly #sender: Sender;
  readonly #caller: Caller;
  readonly #callee: Callee;
  readonly #accepted = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<void>();
  #mayBeginWithLineFeed: boolean;
  #isFinishing = false;
  #hasHeard = false;
  /** Why nothing more is read or written; the pipe may live on until it is flushed. */
  #ending: RpcError | undefined;
  #isClosed = false;

  constructor(pipe: Pipe, options: SessionOptions) {
    const { codec, limits, clock, role } = options;
    this.#pipe = pipe;
    this.#options = options;
    this.#codec = codec;
    this.#mayBeginWithLineFeed = role === "accept";
    this.#outbox = new Outbox(pipe, this, {
      clock,
      stallTimeoutMs: limits.stallTimeoutMs,
      lowBytes: pieceBytes,
    });
    this.#sender = new Sender(codec, this.#outbox, limits.maxQueuedBytes);
    this.#caller = new Caller(this.#sender, clock);
    this.#callee = new Callee(this.#sender, {
      services: options.services,
      clock,
      handleTimeoutMs: options.handleTimeoutMs,
      maxRunning: limits.maxRunningHandlers,
      onEvent: options.onEvent,
      peerAddress: pipe.peer,
      yieldsToCongestion: role === "accept",
      setPaused: (isPaused) => (isPaused ? pipe.pause() : pipe.resume()),
      onSettled: () => this.#closeIfFinished(),
    });
    // Without a listener a refusal would be an unhandled rejection.
    this.#accepted.promise.catch(() => {});
    if (!codec.features.settings) this.#accepted.resolve();
  }

  /** Resolves when the peer has accepted the Option, rejects when it refuses or the connection is lost first. */
  get accepted(): Promise<void> {
    return this.#accepted.promise;
  }

  /** Resolves when the connection is gone. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Whether a call that starts now has a connection to go over. */
  get isAvailable(): boolean {
    return this.#ending === undefined && !this.#isFinishing;
  }

  /** Whether a byte of the peer has come. */
  get hasHeard(): boolean {
    return this.#hasHeard;
  }

  /** Calls that have no answer yet. */
  get inFlightCount(): number {
    return this.#caller.inFlightCount;
  }

  /** Answers that came after their caller had given up. */
  get lateReplies(): number {
    return this.#caller.lateReplies;
  }

  /** Begins: the dialling end with its Option, the accepting end with its settings. */
  open(option?: Uint8Array): void {
    this.#pipe.attach(this);
    if (option !== undefined) this.#sender.bytes(option);
    else if (this.#codec.features.settings) {
      const { maxMessageBytes } = this.#options.limits;
      this.#sender.settings({ protocol: protocolVersion, maxMessageBytes });
    }
  }

  /** Turns the peer away instead of opening: in its codec's own error, seq 0. */
  refuse(error: RpcError): void {
    this.#pipe.attach(this);
    this.#sender.error(0, "", error);
    void this.shutdown(error);
  }

  /** Starts a call; its outcome is told exactly once, at its deadline at the latest. */
  start(call: PendingCall): void {
    if (this.isAvailable) this.#caller.start(call);
    else call.outcome.failed(this.#lostError());
  }

  /**
   * Sends a request that wants no answer.
   *
   * @throws RpcError unavailable  no connection; else as Caller.notify
   */
  notify(serviceMethod: string, args: unknown, form?: Form): void {
    if (!this.isAvailable) throw this.#lostError();
    this.#caller.notify(serviceMethod, args, form);
  }

  /**
   * Ends the connection in order: calls in flight fail now, what is queued is
   * still sent. Resolves when it is gone.
   */
  shutdown(reason: RpcError): Promise<void> {
    this.#end(reason, true);
    this.#outbox.shutdown();
    return this.closed;
  }

  /** Ends the connection now. */
  abort(reason: RpcError): void {
    this.#end(reason, false);
    this.#pipe.abort();
  }

  /**
   * Takes no more requests (they are answered as not started), lets what runs
   * finish, then ends in order. Resolves when the connection is gone.
   */
  finish(): Promise<void> {
    this.#isFinishing = true;
    this.#callee.refuseRequests();
    this.#closeIfFinished();
    return this.closed;
  }

  // Inbound: what the codec reads

  settings({ protocol }: Settings): void {
    if (protocol !== protocolVersion) {
      throw new RpcError(
        "unimplemented",
        `the peer speaks version ${protocol} of the protocol, this end ${protocolVersion}`,
      );
    }
    this.#accepted.resolve();
  }

  request(head: RequestHead, args: unknown): void {
    this.#callee.request(head, args);
  }

  badRequest(head: RequestHead, error: RpcError): void {
    this.#callee.badRequest(head, error);
  }

  response(seq: number, reply: unknown): void {
    this.#caller.settle(seq, reply);
  }

  error(seq: number, error: RpcError): void {
    // Seq 0: the peer gave the connection up, or never took it.
    if (seq === 0) this.#leave(error);
    else this.#caller.fail(seq, error);
  }

  cancel(seq: number): void {
    this.#callee.cancel(seq);
  }

  // PipeHandler: what the connection does

  data(chunk: Uint8Array): void {
    if (this.#ending !== undefined) return;
    this.#hasHeard = true;
    let broken: unknown;
    try {
      this.#codec.push(this.#withoutLineFeed(chunk));
      while (this.#codec.read(this));
    } catch (thrown) {
      broken = thrown;
    }
    // What came before the break is served, however the chunks were cut.
    this.#callee.advance();
    if (broken !== undefined) this.#cut(RpcError.from(broken, "internal"));
    this.#closeIfFinished();
  }

  drain(): void {
    this.#outbox.drain();
  }

  end(): void {
    const { peer } = this.#pipe;
    this.#leave(new RpcError("unavailable", `${peer} closed the connection`));
  }

  close(error: RpcError | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#end(
      error ??
        new RpcError(
          "unavailable",
          `the connection to ${this.#pipe.peer} was closed`,
        ),
      false,
    );
    this.#outbox.close();
    this.#closed.resolve();
    this.#options.onClose(this);
  }

  // OutboxOwner

  refill(buffer: SendBuffer): void {
    this.#sender.refill(buffer);
  }

  flushed(): void {
    this.#caller.sendWaiting();
    this.#callee.resume();
  }

  stalled(): void {
    const { stallTimeoutMs } = this.#options.limits;
    const { peer } = this.#pipe;
    const error = new RpcError(
      "unavailable",
      `${peer} took no bytes for ${stallTimeoutMs} ms`,
    );
    this.#options.onEvent({ kind: "connection-cut", peer, error });
    this.abort(error);
  }

  /** The Option's line may end with an LF, which can also come alone. */
  #withoutLineFeed(chunk: Uint8Array): Uint8Array {
    if (!this.#mayBeginWithLineFeed || chunk.length === 0) return chunk;
    this.#mayBeginWithLineFeed = false;
    return isLineFeed(chunk[0]) ? chunk.subarray(1) : chunk;
  }

  #closeIfFinished(): void {
    if (!this.#isFinishing || this.#ending !== undefined) return;
    if (this.#caller.inFlightCount + this.#callee.activeCount > 0) return;
    void this.shutdown(drainError());
  }

  /** The peer breaks the protocol: it is told, then the connection ends in order. */
  #cut(error: RpcError): void {
    if (this.#ending !== undefined) return;
    const { onEvent, role } = this.#options;
    onEvent({ kind: "connection-cut", peer: this.#pipe.peer, error });
    if (role === "accept") this.#sender.error(0, "", error);
    this.#leave(error);
  }

  /**
   * Ends a connection over which the peer takes no more requests. Answers that
   * are queued are still sent; requests are dropped, so that their callers,
   * who are told that they were not sent, may take them elsewhere.
   */
  #leave(reason: RpcError): void {
    if (this.#ending !== undefined || this.#options.role === "accept") {
      void this.shutdown(reason);
      return;
    }
    this.#end(reason, false);
    this.#outbox.close();
    this.#pipe.shutdown();
  }

  #lostError(): RpcError {
    return lostError(this.#ending ?? drainError(), false);
  }

  /** The one path to the end; the first reason counts. */
  #end(reason: RpcError, isFlushed: boolean): void {
    if (this.#ending !== undefined) return;
    this.#ending = reason;
    this.#accepted.reject(reason);
    this.#callee.end(reason);
    this.#caller.end(reason, isFlushed);
  }
}
