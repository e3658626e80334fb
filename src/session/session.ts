import { Alarm } from "../base/alarm.ts";
import type { Clock, Timer } from "../base/clock.ts";
import type { Codec, Form, Settings } from "../codec/codec.ts";
import { RpcError } from "../errors.ts";
import { type OnEvent, quiet } from "../events.ts";
import type { Interceptor } from "../service/interceptor.ts";
import type { Peer } from "../service/context.ts";
import type { Services } from "../service/services.ts";
import { silentPeer } from "../service/silent-peer.ts";
import { Outbox, type OutboxOwner } from "../transport/outbox.ts";
import type { Pipe, PipeHandler } from "../transport/pipe.ts";
import { pieceBytes } from "../wire/frame.ts";
import { defaultLimits, type Limits } from "../wire/limits.ts";
import { isLineFeed, protocolVersion } from "../wire/option.ts";
import type { Metadata } from "../wire/metadata.ts";
import type { SendBuffer } from "../wire/send-buffer.ts";
import { Callee, drainError } from "./callee.ts";
import { Caller, lostError } from "./caller.ts";
import { ControlBudget } from "./control-budget.ts";
import { Flow } from "./flow.ts";
import { KeepAlive, type KeepAliveOptions } from "./keepalive.ts";
import type { PendingCall } from "./pending-call.ts";
import { type ConnectionInbound, Routing } from "./routing.ts";
import { Sender } from "./sender.ts";
import { ownWindows, type PeerWindows } from "./windows.ts";
import { SessionPeer } from "./session-peer.ts";

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
  /** What a call of this end's waits that does not say, in ms; 0 is for ever. */
  callTimeoutMs: number;
  keepAlive: KeepAliveOptions;
  /** Stand around the calls that are served, and those that are made to the peer by its handlers. */
  interceptors: readonly Interceptor[];
  /** What the Option said of the dialling end's windows; the accepting end's come with its settings. */
  peerWindows?: PeerWindows;
  /** What both ends have agreed on, for the accepting end's settings. */
  compression?: "zstd" | undefined;
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
export class Session implements PipeHandler, OutboxOwner, ConnectionInbound {
  readonly #pipe: Pipe;
  readonly #options: SessionOptions;
  readonly #codec: Codec;
  readonly #outbox: Outbox;
  readonly #sender: Sender;
  readonly #flow: Flow;
  readonly #caller: Caller;
  readonly #callee: Callee;
  readonly #routing: Routing;
  readonly #keepAlive: KeepAlive | undefined;
  readonly #budget: ControlBudget;
  readonly #accepted = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<void>();
  #mayBeginWithLineFeed: boolean;
  readonly #onEvent: OnEvent;
  /** Rings while requests are half here. */
  readonly #stalledRequests: Alarm;
  /** Why the connection ends as soon as nothing runs. */
  #finishing: RpcError | undefined;
  /** Why this end starts no more calls: the peer takes none. */
  #refusal: RpcError | undefined;
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
      codec.dropStalled?.(this.#routing);
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
    this.#flow = new Flow(this.#sender, limits);
    this.#caller = new Caller(this.#sender, this.#flow, clock);
    this.#callee = new Callee(this.#sender, this.#flow, {
      services: options.services,
      clock,
      handleTimeoutMs: options.handleTimeoutMs,
      maxRunning: limits.maxRunningHandlers,
      maxStreams: limits.maxStreams,
      interceptors: options.interceptors,
      onEvent: this.#onEvent,
      peer: this.#peerOf(options),
      yieldsToCongestion: role === "accept",
      onFlooded: () => this.#cutFlood(),
      setPaused: (isPaused) => this.#setPaused(isPaused),
      onSettled: () => this.#closeIfFinished(),
    });
    this.#routing = new Routing(this.#caller, this.#callee, this.#flow, this);
    this.#budget = new ControlBudget(clock, () => this.#workCount);
    if (codec.session !== undefined) {
      this.#keepAlive = new KeepAlive(clock, options.keepAlive, {
        isBusy: () => this.#activeCount > 0,
        ping: () => this.#sender.ping(0),
        dead: () => this.#cutDead(),
      });
    }
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
    if (this.#ending !== undefined || this.#refusal !== undefined) return false;
    // Handlers that still run may call back, however long this end has been draining.
    return this.#finishing === undefined || this.#activeCount > 0;
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
    else {
      if (this.#codec.features.settings) this.#sender.settings(this.#settings);
      this.#openFlow(this.#options.peerWindows ?? {});
      this.#keepAlive?.start();
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
  notify(
    serviceMethod: string,
    args: unknown,
    form?: Form,
    metadata?: Metadata,
  ): void {
    if (!this.isAvailable) throw this.#lostError();
    this.#caller.notify(serviceMethod, args, form, metadata);
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
   * finish, and what that calls over this connection, then ends in order.
   * Resolves when the connection is gone.
   */
  finish(): Promise<void> {
    const lastSeq = this.#callee.refuseRequests();
    if (this.#finishing === undefined) {
      this.#finishing = drainError();
      if (this.#sender.hasSession && this.#ending === undefined) {
        this.#sender.goaway(lastSeq, this.#finishing);
      }
    }
    this.#closeIfFinished();
    return this.closed;
  }

  // ConnectionInbound: what the peer says of the connection

  settings(settings: Settings): void {
    const { protocol } = settings;
    if (protocol !== protocolVersion) {
      throw new RpcError(
        "unimplemented",
        `the peer speaks version ${protocol} of the protocol, this end ${protocolVersion}`,
      );
    }
    this.#openFlow(settings);
    // Until now the time limit of the handshake has held.
    this.#keepAlive?.start();
    this.#accepted.resolve();
  }

  givenUp(error: RpcError): void {
    this.#leave(error);
  }

  /**
   * The peer drains: what it has taken it answers, the rest may go elsewhere.
   * It may go on asking, so an accepting end leaves it to the peer to end.
   */
  goaway(lastSeq: number, error: RpcError): void {
    this.#refusal = error;
    if (this.#options.role === "dial") this.#finishing ??= error;
    this.#caller.leave(lastSeq, error);
  }

  ping(number: number): void {
    this.#budget.spendPing();
    this.#sender.pong(number);
  }

  control(): void {
    this.#budget.spend();
  }

  // PipeHandler: what the connection does

  data(chunk: Uint8Array): void {
    if (this.#ending !== undefined) return;
    this.#hasHeard = true;
    this.#keepAlive?.heard();
    let broken: unknown;
    try {
      this.#codec.push(this.#withoutLineFeed(chunk));
      while (this.#ending === undefined && this.#codec.read(this.#routing));
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
    // Its kernel has made room.
    this.#keepAlive?.heard();
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
    this.#refusal = reason;
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
    // Reading first: what waits to be asked would fill the room again, and an
    // accepting end whose own calls always wait would never read their answers.
    this.#callee.resume();
    this.#caller.sendWaiting();
    this.#flow.wake();
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

  /** Who calls, for handlers. Where a codec has nothing but calls and answers, the dialling end would take a request for an answer. */
  #peerOf(options: SessionOptions): Peer {
    const { role, codec, clock, callTimeoutMs, interceptors } = options;
    const { peer } = this.#pipe;
    if (role === "accept" && codec.session === undefined) {
      return silentPeer(peer);
    }
    return new SessionPeer(this, peer, {
      clock,
      callTimeoutMs,
      interceptors,
    });
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
    if (this.#activeCount > 0) return;
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
      this.#keepAlive?.pause();
      this.#pipe.pause();
    } else {
      this.#keepAlive?.resume();
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

  #cutDead(): void {
    const { peer } = this.#pipe;
    const error = new RpcError(
      "unavailable",
      `${peer} has vanished: it did not answer a ping`,
    );
    this.abort(error);
    this.#onEvent({ kind: "connection-cut", peer, error });
  }

  get #activeCount(): number {
    return this.#caller.inFlightCount + this.#callee.activeCount;
  }

  /** Requests, answers and items so far: what explains control frames. */
  get #workCount(): number {
    return (
      this.#caller.startedCount + this.#callee.takenCount + this.#flow.itemCount
    );
  }

  get #settings(): Settings {
    const { limits, compression } = this.#options;
    const { maxMessageBytes } = limits;
    return {
      protocol: protocolVersion,
      maxMessageBytes,
      ...ownWindows(limits),
      ...(compression && { compression }),
    };
  }

  #openFlow({ streamWindowBytes, connectionWindowBytes }: PeerWindows): void {
    this.#flow.open(
      streamWindowBytes ?? defaultLimits.streamWindowBytes,
      connectionWindowBytes ?? defaultLimits.connectionWindowBytes,
    );
  }

  #lostError(): RpcError {
    const reason =
      this.#ending ?? this.#refusal ?? this.#finishing ?? drainError();
    return lostError(reason, false);
  }

  /** The one path to the end; the first reason counts. */
  #end(reason: RpcError, isFlushed: boolean): void {
    if (this.#ending !== undefined) return;
    this.#ending = reason;
    this.#stalledRequests.stop();
    this.#keepAlive?.stop();
    this.#accepted.reject(reason);
    this.#flow.end();
    this.#callee.end(reason);
    this.#caller.end(reason, isFlushed);
  }
}
