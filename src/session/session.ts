import type { Clock } from "../base/clock.ts";
import { Queue } from "../base/queue.ts";
import type { Codec, Inbound, RequestHead, Settings } from "../codec/codec.ts";
import { RpcError } from "../errors.ts";
import type { OnEvent } from "../events.ts";
import { type Answerer, Handlers } from "../service/handlers.ts";
import { Invocation } from "../service/invocation.ts";
import type { Services } from "../service/services.ts";
import { Outbox, type OutboxOwner } from "../transport/outbox.ts";
import type { Pipe, PipeHandler } from "../transport/pipe.ts";
import { pieceBytes } from "../wire/frame.ts";
import type { Limits } from "../wire/limits.ts";
import { isLineFeed, protocolVersion } from "../wire/option.ts";
import type { SendBuffer } from "../wire/send-buffer.ts";
import { CallsInFlight, deadlineError } from "./calls-in-flight.ts";
import type { PendingCall } from "./pending-call.ts";

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
 * first handler starts. Answers go to the calls in flight, requests to the
 * handlers. Out: everything is encoded into the outbox, in order. The
 * accepting end stops reading while too much is queued; the dialling end
 * never does, its next calls wait instead (two ends that both stop reading
 * would wait for each other for ever).
 *
 * It ends on one path, #end: by close() or drain(), by the peer, by broken
 * framing or by a peer that takes no bytes.
 */
export class Session implements PipeHandler, OutboxOwner, Inbound, Answerer {
  readonly #pipe: Pipe;
  readonly #options: SessionOptions;
  readonly #codec: Codec;
  readonly #outbox: Outbox;
  readonly #calls: CallsInFlight;
  readonly #handlers: Handlers;
  readonly #openedAt: number;
  readonly #accepted = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<void>();
  /** Requests that were read and whose handlers have not started. */
  readonly #ready = new Queue<Invocation>();
  /** Calls that wait for room in the outbox. */
  readonly #waiting = new Queue<PendingCall>();
  #seq = 0;
  /** Requests that were cancelled while they were ready. */
  readonly #cancelled = new Set<number>();
  #mayBeginWithLineFeed: boolean;
  #isAdvancing = false;
  #isSendingWaiting = false;
  #isPaused = false;
  #isDraining = false;
  /** Why no more is read or written; the pipe may live on until it is flushed. */
  #ending: RpcError | undefined;
  #isClosed = false;

  constructor(pipe: Pipe, options: SessionOptions) {
    const { codec, limits, clock, services, onEvent, handleTimeoutMs } =
      options;
    this.#pipe = pipe;
    this.#options = options;
    this.#codec = codec;
    this.#openedAt = clock.now();
    this.#mayBeginWithLineFeed = options.role === "accept";
    this.#outbox = new Outbox(pipe, this, {
      clock,
      stallTimeoutMs: limits.stallTimeoutMs,
      lowBytes: pieceBytes,
    });
    this.#calls = new CallsInFlight(clock, (call) => this.#expired(call));
    this.#handlers = new Handlers({
      services,
      answerer: this,
      clock,
      handleTimeoutMs,
      maxRunning: limits.maxRunningHandlers,
      onEvent,
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
    return this.#ending === undefined && !this.#isDraining;
  }

  /** Calls in flight and handlers running: what drain() waits for. */
  get activeCount(): number {
    return this.#calls.size + this.#handlers.runningCount + this.#ready.length;
  }

  get inFlightCount(): number {
    return this.#calls.size;
  }

  /** Answers that came after their caller had given up. */
  get lateReplies(): number {
    return this.#calls.lateReplies;
  }

  /** Begins: the dialling end with its Option, the accepting end with its settings. */
  open(option?: Uint8Array): void {
    const { buffer } = this.#outbox;
    this.#pipe.attach(this);
    if (option !== undefined) buffer.writeBytes(option);
    else if (this.#codec.features.settings) {
      this.#codec.writeSettings(buffer, {
        protocol: protocolVersion,
        maxMessageBytes: this.#options.limits.maxMessageBytes,
      });
    }
    this.#outbox.schedule();
  }

  /** Turns the peer away instead of opening: in its codec's own error, seq 0. */
  refuse(error: RpcError): void {
    this.#pipe.attach(this);
    this.#writeError(0, "", error);
    void this.shutdown(error);
  }

  // Calls of this end

  /** Starts a call; its outcome is told exactly once, at its deadline at the latest. */
  start(call: PendingCall): void {
    if (!this.isAvailable) {
      call.outcome.failed(this.#unavailable(call));
      return;
    }
    call.seq = ++this.#seq;
    if (call.timeoutMs > 0) {
      call.deadlineAt = this.#options.clock.now() + call.timeoutMs;
    }
    this.#calls.add(call);
    call.watch((signal) => this.#giveUp(call, RpcError.fromAbort(signal)));
    if (this.#isCongested || this.#waiting.length > 0) this.#waiting.push(call);
    else this.#send(call);
  }

  /**
   * Sends a request that wants no answer; waits for nothing.
   *
   * @throws RpcError unavailable        no connection
   * @throws RpcError unimplemented      the codec has no one-way calls
   * @throws RpcError invalid_argument   the argument cannot be encoded
   * @throws RpcError resource_exhausted too much is queued already
   */
  notify(serviceMethod: string, args: unknown, body?: string): void {
    if (!this.isAvailable) throw closedError(this.#ending, false);
    if (this.#isCongested) {
      throw new RpcError(
        "resource_exhausted",
        "too many bytes wait to be sent: the peer reads too slowly",
        { sent: false },
      );
    }
    const head = this.#headOf(++this.#seq, serviceMethod, 0, true);
    this.#codec.writeRequest(this.#outbox.buffer, head, args, body);
    this.#outbox.schedule();
  }

  #send(call: PendingCall): void {
    const { buffer, position } = this.#outbox;
    const { seq, serviceMethod, args, body, deadlineAt } = call;
    const leftMs =
      deadlineAt === Infinity
        ? 0
        : clampMs(deadlineAt - this.#options.clock.now());
    const head = this.#headOf(seq, serviceMethod, leftMs, false);
    try {
      this.#codec.writeRequest(buffer, head, args, body);
    } catch (thrown) {
      this.#calls.fail(seq, RpcError.from(thrown, "internal"));
      return;
    }
    call.position = position;
    this.#outbox.schedule();
  }

  #headOf(
    seq: number,
    serviceMethod: string,
    timeoutMs: number,
    oneWay: boolean,
  ): RequestHead {
    const sentAtMs =
      Math.trunc(this.#options.clock.now() - this.#openedAt) >>> 0;
    return { seq, serviceMethod, timeoutMs, sentAtMs, oneWay };
  }

  #expired(call: PendingCall): void {
    this.#giveUp(call, deadlineError(call));
  }

  #giveUp(call: PendingCall, error: RpcError): void {
    if (call.position !== undefined && this.#codec.features.cancel) {
      this.#codec.writeCancel(this.#outbox.buffer, call.seq);
      this.#outbox.schedule();
    }
    this.#calls.fail(call.seq, error);
  }

  #unavailable(call: PendingCall): RpcError {
    const { position = Infinity } = call;
    // A peer that refused the connection has run nothing of it.
    const wasSent =
      position < this.#outbox.takenBytes && this.#ending?.sent !== false;
    return closedError(this.#ending, wasSent);
  }

  // Inbound: what the codec reads

  settings(settings: Settings): void {
    if (settings.protocol !== protocolVersion) {
      throw new RpcError(
        "unimplemented",
        `the peer speaks version ${settings.protocol} of the protocol, this end ${protocolVersion}`,
      );
    }
    this.#accepted.resolve();
  }

  request(head: RequestHead, args: unknown): void {
    if (this.#isDraining) {
      this.badRequest(head, drainError());
      return;
    }
    const { seq, serviceMethod, timeoutMs, oneWay } = head;
    const peer = { address: this.#pipe.peer };
    this.#ready.push(
      new Invocation(seq, serviceMethod, args, timeoutMs, oneWay, peer),
    );
  }

  badRequest(head: RequestHead, error: RpcError): void {
    if (!head.oneWay) this.#writeError(head.seq, head.serviceMethod, error);
  }

  response(seq: number, reply: unknown): void {
    this.#calls.settle(seq, reply);
  }

  error(seq: number, error: RpcError): void {
    if (seq === 0) this.#refused(error);
    else this.#calls.fail(seq, error);
  }

  cancel(seq: number): void {
    if (this.#ready.length > 0) this.#cancelled.add(seq);
    this.#handlers.cancel(seq);
  }

  // Answerer: what handlers give

  reply({ seq, serviceMethod }: Invocation, value: unknown): void {
    if (this.#ending !== undefined) return;
    try {
      this.#codec.writeResponse(this.#outbox.buffer, seq, serviceMethod, value);
    } catch (thrown) {
      const { code, message } = RpcError.from(thrown);
      const error = new RpcError(
        code === "resource_exhausted" ? code : "internal",
        `the reply cannot be sent: ${message}`,
      );
      this.#writeError(seq, serviceMethod, error);
      return;
    }
    this.#outbox.schedule();
  }

  fail({ seq, serviceMethod }: Invocation, error: RpcError): void {
    this.#writeError(seq, serviceMethod, error);
  }

  settled(): void {
    if (this.#isPaused) this.#advance();
    this.#closeIfDrained();
  }

  #writeError(seq: number, serviceMethod: string, error: RpcError): void {
    if (this.#ending !== undefined) return;
    this.#codec.writeError(this.#outbox.buffer, seq, serviceMethod, error);
    this.#outbox.schedule();
  }

  // PipeHandler: what the connection does

  data(chunk: Uint8Array): void {
    if (this.#ending !== undefined) return;
    const bytes = this.#withoutLineFeed(chunk);
    let broken: unknown;
    try {
      this.#codec.push(bytes);
      while (this.#codec.read(this));
    } catch (thrown) {
      broken = thrown;
    }
    // What came before the break is served, however the chunks were cut.
    this.#advance();
    if (broken !== undefined) this.#cut(RpcError.from(broken, "internal"));
  }

  /** The Option's line may end with an LF, which can also come alone. */
  #withoutLineFeed(chunk: Uint8Array): Uint8Array {
    if (!this.#mayBeginWithLineFeed || chunk.length === 0) return chunk;
    this.#mayBeginWithLineFeed = false;
    return isLineFeed(chunk[0]) ? chunk.subarray(1) : chunk;
  }

  /** Starts the handlers of what was read, as far as there is room; reads on when there is. */
  #advance(): void {
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    while (this.#ending === undefined && !this.#mustWait) {
      const invocation = this.#ready.shift();
      if (invocation === undefined) break;
      if (!this.#cancelled.delete(invocation.seq)) {
        this.#handlers.start(invocation);
      }
    }
    this.#isAdvancing = false;
    if (this.#ready.length === 0) this.#cancelled.clear();
    this.#pauseIf(this.#mustWait);
    this.#closeIfDrained();
  }

  get #isCongested(): boolean {
    const queuedBytes = this.#outbox.queuedBytes + this.#codec.heldBytes;
    return queuedBytes >= this.#options.limits.maxQueuedBytes;
  }

  /** Whether requests have to wait. A codec with cancels must be read on: they, and answers, must get through. */
  get #mustWait(): boolean {
    if (this.#options.role === "dial") return false;
    return (
      this.#isCongested ||
      (this.#handlers.isFull && !this.#codec.features.cancel)
    );
  }

  #pauseIf(mustPause: boolean): void {
    if (mustPause === this.#isPaused) return;
    this.#isPaused = mustPause;
    if (mustPause) this.#pipe.pause();
    else this.#pipe.resume();
  }

  drain(): void {
    this.#outbox.drain();
  }

  end(): void {
    this.#end(
      new RpcError("unavailable", `${this.#pipe.peer} closed the connection`),
    );
    this.#outbox.shutdown();
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
    );
    this.#outbox.close();
    this.#closed.resolve();
    this.#options.onClose(this);
  }

  // OutboxOwner

  refill(buffer: SendBuffer): void {
    while (this.#codec.heldBytes > 0 && buffer.length < pieceBytes) {
      this.#codec.writePiece(buffer);
    }
  }

  flushed(): void {
    if (this.#waiting.length > 0) this.#sendWaiting();
    if (this.#isPaused) this.#advance();
  }

  #sendWaiting(): void {
    if (this.#isSendingWaiting) return;
    this.#isSendingWaiting = true;
    while (!this.#isCongested) {
      const call = this.#waiting.shift();
      if (call === undefined) break;
      if (this.#calls.has(call.seq)) this.#send(call);
    }
    this.#isSendingWaiting = false;
  }

  stalled(): void {
    const { stallTimeoutMs } = this.#options.limits;
    const error = new RpcError(
      "unavailable",
      `${this.#pipe.peer} took no bytes for ${stallTimeoutMs} ms`,
    );
    this.#options.onEvent({
      kind: "connection-cut",
      peer: this.#pipe.peer,
      error,
    });
    this.abort(error);
  }

  // The end

  /**
   * Ends the connection in order: calls in flight fail now, what is queued is
   * still sent. Resolves when it is gone.
   */
  shutdown(reason: RpcError): Promise<void> {
    this.#end(reason);
    this.#outbox.shutdown();
    return this.closed;
  }

  /** Ends the connection now. */
  abort(reason: RpcError): void {
    this.#end(reason);
    this.#pipe.abort();
  }

  /**
   * Takes no more requests (they are answered as not started), lets what runs
   * finish, then ends in order. Resolves when the connection is gone.
   */
  finish(): Promise<void> {
    this.#isDraining = true;
    this.#closeIfDrained();
    return this.closed;
  }

  #closeIfDrained(): void {
    if (!this.#isDraining || this.activeCount > 0) return;
    if (this.#ending === undefined) void this.shutdown(drainError());
  }

  /** The peer breaks the protocol: it is told, then the connection ends in order. */
  #cut(error: RpcError): void {
    if (this.#ending !== undefined) return;
    const { onEvent } = this.#options;
    onEvent({ kind: "connection-cut", peer: this.#pipe.peer, error });
    if (this.#options.role === "accept") this.#writeError(0, "", error);
    void this.shutdown(error);
  }

  /** The peer gave the connection up, or never took it: nothing more will be answered. */
  #refused(error: RpcError): void {
    void this.shutdown(error);
  }

  /** The one path to the end; the first reason counts. */
  #end(reason: RpcError): void {
    if (this.#ending !== undefined) return;
    this.#ending = reason;
    this.#accepted.reject(reason);
    this.#handlers.abortAll(reason);
    this.#ready.clear();
    this.#waiting.clear();
    this.#calls.failAll((call) => this.#unavailable(call));
  }
}

function drainError(): RpcError {
  return new RpcError("unavailable", "the server is shutting down", {
    sent: false,
  });
}

/** What a call gets when its connection ends, or has ended, for `reason`. */
function closedError(reason: RpcError | undefined, wasSent: boolean): RpcError {
  return new RpcError(
    "unavailable",
    reason?.message ?? "the connection is closing",
    { sent: wasSent, cause: reason },
  );
}

/** What is left of a deadline as a request carries it: whole ms from 1, in 32 bits. */
function clampMs(leftMs: number): number {
  return Math.min(0xffff_ffff, Math.max(1, Math.ceil(leftMs)));
}
