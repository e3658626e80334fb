import { Alarm } from "../base/alarm.ts";
import type { Clock, Timer } from "../base/clock.ts";
import type {
  Codec,
  Form,
  Inbound,
  RequestHead,
  Settings,
} from "../codec/codec.ts";
import { RpcError } from "../errors.ts";
import { type OnEvent, quiet } from "../events.ts";
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

/** How long what was said last has to arrive before a connection is reset whose peer has calls to answer. */
const resetAfterMs = 1_000;

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
  readonly #onEvent: OnEvent;
  /** Rings while requests are half here. */
  readonly #stalledRequests: Alarm;
  /** Why no more requests are taken, while what runs is let finish. */
  #finishing: RpcError | undefined;
  /** The peer has said that it sends no more. */
  #hasPeerEnded = false;
  #hasHeard = false;
  /** Why nothing more is read or written; the pipe may live on until it is flushed. */
  #ending: RpcError | undefined;
  #isClosed = false;
  #isPaused = false;
  /** Cuts a connection that the peer does not end. */
  #reset: Timer | undefined;

  constructor(pipe: Pipe, options: SessionOptions) {
    const { codec, limits, clock, role } = options;
    this.#pipe = pipe;
    this.#options = options;
    this.#codec = codec;
    this.#onEvent = quiet(options.onEvent);
    this.#stalledRequests = new Alarm(clock, () => {
      codec.dropStalled?.(this);
      this.#watchPartialRequests();
      return Infinity;
    });
    this.#mayBeginWithLineFeed = role === "accept";
    this.#outbox = new Outbox(pipe, this, {
      clock,
      stallTimeoutMs: limits.stallTimeoutMs,
      lowBytes: pieceBytes,
    });
    this.#sender = new Sender(codec, this.#outbox, limits);
    this.#caller = new Caller(this.#sender, clock);
    this.#callee = new Callee(this.#sender, {
      services: options.services,
      clock,
      handleTimeoutMs: options.handleTimeoutMs,
      maxRunning: limits.maxRunningHandlers,
      onEvent: this.#onEvent,
      peerAddress: pipe.peer,
      yieldsToCongestion: role === "accept",
      onFlooded: () => this.#cutFlood(),
      setPaused: (isPaused) => this.#setPaused(isPaused),
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
    return this.#ending === undefined && this.#finishing === undefined;
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
    const { code, message, details } = error;
    const refusal = new RpcError(code, message, { details, sent: false });
    this.#sender.error(0, "", refusal);
    void this.shutdown(refusal);
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
    // A peer that cannot be told to stop goes on, and ends only behind its last answer.
    const isAwaited = this.inFlightCount > 0 && !this.#sender.canCancel;
    this.#end(reason, true);
    this.#outbox.shutdown();
    if (isAwaited && this.#options.role === "dial" && !this.#isClosed) {
      this.#reset = this.#options.clock
        .after(resetAfterMs, () => this.#pipe.abort())
        .unref();
    }
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
    this.#finishing ??= drainError();
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

  awaits(seq: number): boolean {
    return this.#caller.awaits(seq);
  }

  // PipeHandler: what the connection does

  data(chunk: Uint8Array): void {
    if (this.#ending !== undefined) return;
    this.#hasHeard = true;
    let broken: unknown;
    try {
      this.#codec.push(this.#withoutLineFeed(chunk));
      while (this.#ending === undefined && this.#codec.read(this));
    } catch (thrown) {
      broken = thrown;
    }
    // What came before the break is served, however the chunks were cut.
    this.#callee.advance();
    if (broken !== undefined) this.#cut(RpcError.from(broken, "internal"));
    this.#watchPartialRequests();
    this.#closeIfFinished();
  }

  drain(): void {
    this.#outbox.drain();
  }

  end(): void {
    const { peer } = this.#pipe;
    const reason = new RpcError("unavailable", `${peer} closed the connection`);
    const { role, codec } = this.#options;
    // Where a codec has cancels no dialling end half-closes: with a FIN it has
    // gone, or its process has died.
    if (
      this.#ending !== undefined ||
      role === "dial" ||
      codec.features.cancel
    ) {
      this.#leave(reason);
      return;
    }
    // In the others it may have said all that it had to, and wait for the answers.
    this.#hasPeerEnded = true;
    this.#finishing = reason;
    this.#caller.end(reason, true);
    void this.finish();
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
    this.#reset?.cancel();
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
    this.#closeIfFinished();
  }

  stalled(): void {
    const { stallTimeoutMs } = this.#options.limits;
    const { peer } = this.#pipe;
    const error = new RpcError(
      "unavailable",
      `${peer} took no bytes for ${stallTimeoutMs} ms`,
    );
    this.abort(error);
    this.#onEvent({ kind: "connection-cut", peer, error });
  }

  /** The Option's line may end with an LF, which can also come alone. */
  #withoutLineFeed(chunk: Uint8Array): Uint8Array {
    if (!this.#mayBeginWithLineFeed || chunk.length === 0) return chunk;
    this.#mayBeginWithLineFeed = false;
    return isLineFeed(chunk[0]) ? chunk.subarray(1) : chunk;
  }

  #closeIfFinished(): void {
    const reason = this.#finishing;
    if (reason === undefined || this.#ending !== undefined) return;
    if (this.#caller.inFlightCount + this.#callee.activeCount > 0) return;
    // Behind the last piece: what is left unanswered then was not started.
    if (!this.#sender.isWhole) return;
    this.#end(reason, true);
    const isHeard = this.#options.role === "accept" && !this.#hasPeerEnded;
    if (isHeard && this.#sender.canSayNotStarted) {
      this.#sender.error(0, "", reason);
    }
    this.#outbox.shutdown();
  }

  #setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused;
    if (isPaused) {
      // While this end does not read, nobody is late.
      this.#stalledRequests.stop();
      this.#pipe.pause();
    } else {
      this.#watchPartialRequests();
      this.#pipe.resume();
    }
  }

  /** A request that has stopped half-way is given up after limits.stallTimeoutMs, at twice that at the latest. */
  #watchPartialRequests(): void {
    if (!this.#codec.partialRequests || this.#isPaused) return;
    if (this.#ending !== undefined) return;
    const { clock, limits } = this.#options;
    this.#stalledRequests.by(clock.now() + limits.stallTimeoutMs);
  }

  /** The peer breaks the protocol: it is told, then the connection ends in order. */
  #cut(error: RpcError): void {
    if (this.#ending !== undefined) return;
    const { peer } = this.#pipe;
    if (this.#options.role === "accept") this.#sender.error(0, "", error);
    this.#leave(error);
    this.#onEvent({ kind: "connection-cut", peer, error });
  }

  /** The dialling end reads on however much is queued, so a peer that asks and does not read is cut. */
  #cutFlood(): void {
    if (this.#ending !== undefined) return;
    const { peer } = this.#pipe;
    const error = new RpcError(
      "resource_exhausted",
      `${peer} sends requests and does not read the answers`,
    );
    this.abort(error);
    this.#onEvent({ kind: "connection-cut", peer, error });
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
    const reason = this.#ending ?? this.#finishing ?? drainError();
    return lostError(reason, false);
  }

  /** The one path to the end; the first reason counts. */
  #end(reason: RpcError, isFlushed: boolean): void {
    if (this.#ending !== undefined) return;
    this.#ending = reason;
    this.#stalledRequests.stop();
    this.#accepted.reject(reason);
    this.#callee.end(reason);
    this.#caller.end(reason, isFlushed);
  }
}
