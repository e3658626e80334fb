import type { Form, Settings } from "../codec/codec.ts";
import { type Code, RpcError } from "../errors.ts";
import { quiet } from "../events.ts";
import { Outbox, type OutboxOwner } from "../transport/outbox.ts";
import type { Pipe, PipeHandler } from "../transport/pipe.ts";
import { pieceBytes } from "../wire/frame.ts";
import type { Metadata } from "../wire/metadata.ts";
import type { SendBuffer } from "../wire/send-buffer.ts";
import { Callee, type CalleeOwner } from "./callee.ts";
import { Caller } from "./caller.ts";
import { Ending, type EndingOwner } from "./ending.ts";
import { Flow } from "./flow.ts";
import { Intake } from "./intake.ts";
import { KeepAlive, type KeepAliveOwner } from "./keepalive.ts";
import { Opening } from "./opening.ts";
import type { PendingCall } from "./pending-call.ts";
import { type ConnectionInbound, Routing } from "./routing.ts";
import { Sender } from "./sender.ts";
import type { SessionOptions } from "./session-options.ts";
import { peerOf } from "./session-peer.ts";

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
 * It ends on one path, that of its Ending: by shutdown(), abort() or finish(),
 * by the peer, by broken framing or by a peer that takes no bytes.
 */
export class Session
  implements
    PipeHandler,
    OutboxOwner,
    ConnectionInbound,
    CalleeOwner,
    KeepAliveOwner,
    EndingOwner
{
  readonly #pipe: Pipe;
  readonly #options: SessionOptions;
  readonly #outbox: Outbox;
  readonly #sender: Sender;
  readonly #flow: Flow;
  readonly #caller: Caller;
  readonly #callee: Callee;
  readonly #intake: Intake;
  readonly #ending: Ending;
  readonly #keepAlive: KeepAlive | undefined;
  readonly #opening: Opening;

  constructor(pipe: Pipe, options: SessionOptions) {
    const { codec, limits, clock, role } = options;
    const { stallTimeoutMs } = limits;
    const onEvent = quiet(options.onEvent);
    this.#pipe = pipe;
    this.#options = options;
    this.#outbox = new Outbox(pipe, this, {
      clock,
      stallTimeoutMs,
      lowBytes: pieceBytes,
      waitsForTurn: options.waitsForTurn,
    });
    this.#sender = new Sender(codec, this.#outbox, limits);
    this.#flow = new Flow(this.#sender, limits);
    this.#caller = new Caller(this.#sender, this.#flow, clock);
    this.#callee = new Callee(this.#sender, this.#flow, this, {
      services: options.services,
      clock,
      handleTimeoutMs: options.handleTimeoutMs,
      maxRunning: limits.maxRunningHandlers,
      maxStreams: limits.maxStreams,
      interceptors: options.interceptors,
      onEvent,
      peer: peerOf(this, pipe.peer, options),
      yieldsToCongestion: role === "accept",
    });
    if (codec.session !== undefined) {
      this.#keepAlive = new KeepAlive(clock, options.keepAlive, this);
    }
    const routing = new Routing(
      this.#caller,
      this.#callee,
      this.#flow,
      clock,
      this,
    );
    this.#intake = new Intake(routing, {
      pipe,
      codec,
      clock,
      stallTimeoutMs,
      mayBeginWithLineFeed: role === "accept",
      keepAlive: this.#keepAlive,
    });
    this.#ending = new Ending(this, {
      role,
      pipe,
      outbox: this.#outbox,
      sender: this.#sender,
      caller: this.#caller,
      callee: this.#callee,
      clock,
      onEvent,
    });
    this.#opening = new Opening({
      codec,
      sender: this.#sender,
      flow: this.#flow,
      keepAlive: this.#keepAlive,
      limits,
      peerWindows: options.peerWindows ?? {},
      compression: options.compression,
    });
  }

  /** Resolves when the peer has accepted the Option, rejects when it refuses or the connection is lost first. */
  get accepted(): Promise<void> {
    return this.#opening.accepted;
  }

  /** Resolves when the connection is gone. */
  get closed(): Promise<void> {
    return this.#ending.closed;
  }

  /** Whether a call that starts now has a connection to go over. */
  get isAvailable(): boolean {
    return this.#ending.isAvailable;
  }

  /** Whether a byte of the peer has come. */
  get hasHeard(): boolean {
    return this.#intake.hasHeard;
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
    if (option === undefined) this.#opening.accept();
    else this.#opening.dial(option);
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
    else call.outcome.failed(this.#ending.lostError());
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
    if (!this.isAvailable) throw this.#ending.lostError();
    this.#caller.notify(serviceMethod, args, form, metadata);
  }

  /**
   * Ends the connection in order: calls in flight fail now, what is queued is
   * still sent. Resolves when it is gone.
   */
  shutdown(reason: RpcError): Promise<void> {
    return this.#ending.shutdown(reason);
  }

  /** Ends the connection now. */
  abort(reason: RpcError): void {
    this.#ending.abort(reason);
  }

  /**
   * Takes no more requests (they are answered as not started), lets what runs
   * finish, and what that calls over this connection, then ends in order.
   * Resolves when the connection is gone.
   */
  finish(): Promise<void> {
    return this.#ending.drain();
  }

  // ConnectionInbound: what the peer says of the connection

  settings(settings: Settings): void {
    this.#opening.accepts(settings);
  }

  givenUp(error: RpcError): void {
    this.#ending.leave(error);
  }

  goaway(lastSeq: number, error: RpcError): void {
    this.#ending.peerDrains(lastSeq, error);
  }

  ping(number: number): void {
    this.#sender.pong(number);
  }

  // PipeHandler: what the connection does

  data(chunk: Uint8Array): void {
    if (this.#ending.hasBegun) return;
    let broken: unknown;
    try {
      this.#intake.read(chunk);
    } catch (thrown) {
      broken = thrown;
    }
    // What came before the break is served, however the chunks were cut.
    this.#callee.advance();
    if (broken !== undefined) {
      this.#ending.cut(RpcError.from(broken, "internal"));
    }
    this.#intake.watchPartialRequests();
    this.#ending.endIfFinished();
  }

  drain(): void {
    // Its kernel has made room.
    this.#keepAlive?.heard();
    this.#outbox.drain();
  }

  end(): void {
    this.#ending.peerEnded();
  }

  close(error: RpcError | undefined): void {
    this.#ending.close(error);
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
    this.#ending.endIfFinished();
  }

  stalled(): void {
    const { stallTimeoutMs } = this.#options.limits;
    this.#cutNow("unavailable", `took no bytes for ${stallTimeoutMs} ms`);
  }

  // CalleeOwner

  /** The dialling end reads on however much is queued, so a peer that asks and does not read is cut. */
  flooded(): void {
    if (this.#ending.hasBegun) return;
    this.#cutNow(
      "resource_exhausted",
      "sends requests and does not read the answers",
    );
  }

  setPaused(isPaused: boolean): void {
    this.#intake.setPaused(isPaused);
  }

  settled(): void {
    this.#ending.endIfFinished();
  }

  // KeepAliveOwner

  isBusy(): boolean {
    return this.#ending.activeCount > 0;
  }

  sendPing(): void {
    this.#sender.ping(0);
  }

  vanished(): void {
    this.#cutNow("unavailable", "has vanished: it did not answer a ping");
  }

  // EndingOwner

  ending(reason: RpcError): void {
    this.#intake.stop();
    this.#opening.end(reason);
    this.#flow.end();
  }

  gone(): void {
    this.#options.onClose(this);
  }

  /** @param what the peer does, or does not */
  #cutNow(code: Code, what: string): void {
    this.#ending.cutNow(new RpcError(code, `${this.#pipe.peer} ${what}`));
  }
}
