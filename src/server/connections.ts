import type { Clock } from "../base/clock.ts";
import type { Codec, CodecContext, Compression } from "../codec/codec.ts";
import type { GobRegistry } from "../codec/gob/gob-registry.ts";
import { Inferences } from "../codec/gob/inferences.ts";
import { createCodec } from "../codec/table.ts";
import { RpcError } from "../errors.ts";
import { cutText, type OnEvent } from "../events.ts";
import type { Interceptor } from "../service/interceptor.ts";
import type { Services } from "../service/services.ts";
import { drainError } from "../session/callee.ts";
import type { KeepAliveOptions } from "../session/keepalive.ts";
import type { SessionOptions } from "../session/session-options.ts";
import { Session } from "../session/session.ts";
import type { Pipe } from "../transport/pipe.ts";
import type { Limits } from "../wire/limits.ts";
import {
  nanosecondsPerMs,
  type Option,
  type ParsedOption,
} from "../wire/option.ts";
import { encodeRefusal } from "../wire/refusal.ts";
import { chooseCodec } from "./choose-codec.ts";
import { closingAnswer } from "./closing-answer.ts";
import { Handshake, type HandshakeOptions } from "./handshake.ts";
import type { HttpBridge } from "./http-bridge.ts";
import { maxOpenConnections } from "./open-files.ts";

/** A connection that carries HTTP has two more files: both ends of the pipe to Bun.serve. */
const filesPerHttp = 2;
/** Connections above the limit that may be there at a time to be told so; more are cut. */
const maxRefused = 32;
/** How long connections have for what is queued when the server closes. */
const closeTimeoutMs = 5_000;

export interface ConnectionsOptions {
  services: Services;
  limits: Limits;
  clock: Clock;
  handleTimeoutMs: number;
  /** Of calls to peers, in ms; 0 is for ever. */
  callTimeoutMs: number;
  keepAlive: KeepAliveOptions;
  compression: Compression | undefined;
  interceptors: readonly Interceptor[];
  onEvent: OnEvent;
  bridge: Pick<HttpBridge, "carry">;
  gobRegistry?: GobRegistry | undefined;
  /** Descriptors for connections; by default what the system allows. */
  maxFiles?: number;
  /** False while the server drains: who comes now is refused. */
  isAccepting(): boolean;
}

/**
 * The connections of one server, from accept to their end. Each is in one of
 * three states: greeting, then a session or HTTP; one that is refused is there
 * until its peer has gone.
 */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #handshake: HandshakeOptions;
  readonly #codecContext: Omit<CodecContext, "bodies" | "isGeerpcPeer">;
  readonly #maxFiles: number;
  readonly #pipes = new Set<Pipe>();
  readonly #greeting = new Map<Pipe, Handshake>();
  readonly #sessions = new Set<Session>();
  #httpCount = 0;
  #emptied: (() => void) | undefined;

  constructor(options: ConnectionsOptions) {
    const { limits, clock } = options;
    this.#options = options;
    this.#maxFiles = options.maxFiles ?? maxOpenConnections();
    const { services, onEvent, gobRegistry } = options;
    this.#codecContext = {
      role: "accept",
      limits,
      declaredTypes: (serviceMethod) => ({
        reply: services.peek(serviceMethod)?.replyType,
      }),
      gobRegistry,
      inferences: new Inferences(),
      onAmbiguousType: (ambiguity) =>
        onEvent({ kind: "ambiguous-type", side: "reply", ...ambiguity }),
    };
    this.#handshake = {
      limits,
      clock,
      onOption: (pipe, option, rest) => this.#accept(pipe, option, rest),
      onForeign: (pipe, codecType, bytes) =>
        this.#acceptForeign(pipe, codecType, bytes),
      onHttp: (pipe, bytes) => this.#carry(pipe, bytes),
      onRefused: (pipe, error) => this.#refused(pipe, error),
      onGone: (pipe) => this.#gone(pipe),
    };
  }

  /** Connections that are open, whatever they speak. */
  get count(): number {
    return this.#pipes.size;
  }

  /** Takes a connection over that is open already. */
  serve(pipe: Pipe): void {
    const { limits, isAccepting } = this.#options;
    if (this.#pipes.size >= limits.maxConnections + maxRefused) {
      pipe.abort();
      return;
    }
    const handshake = new Handshake(pipe, this.#handshake);
    if (this.#isFull) handshake.refuse(fullError(this.#pipes.size));
    else if (!isAccepting()) handshake.refuse(drainError());
    else this.#greeting.set(pipe, handshake);
    this.#pipes.add(pipe);
    handshake.begin();
  }

  /** Lets the calls finish that run over sessions; resolves when these are gone. */
  async finish(): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session.finish()));
  }

  /** Ends every connection in order; those that take longer than 5 s are cut. */
  async close(): Promise<void> {
    const reason = drainError();
    for (const handshake of [...this.#greeting.values()]) {
      handshake.dismiss(reason);
    }
    for (const session of this.#sessions) void session.shutdown(reason);
    if (this.#pipes.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#emptied = resolve;
    const timer = this.#options.clock.after(closeTimeoutMs, resolve);
    await promise;
    timer.cancel();
    for (const pipe of this.#pipes) pipe.abort();
  }

  #gone(pipe: Pipe): void {
    this.#greeting.delete(pipe);
    this.#pipes.delete(pipe);
    if (this.#pipes.size === 0) this.#emptied?.();
  }

  get #isFull(): boolean {
    return (
      this.#pipes.size >= this.#options.limits.maxConnections ||
      this.#openFiles >= this.#maxFiles
    );
  }

  get #openFiles(): number {
    return this.#pipes.size + filesPerHttp * this.#httpCount;
  }

  /** HTTP came: it goes to Bun.serve. */
  #carry(pipe: Pipe, bytes: Uint8Array): void {
    this.#greeting.delete(pipe);
    if (this.#openFiles + filesPerHttp > this.#maxFiles) {
      this.#refused(pipe, fullError(this.#pipes.size));
      pipe.write(
        closingAnswer("503 Service Unavailable", "too many connections"),
      );
      pipe.shutdown();
      return;
    }
    this.#httpCount++;
    this.#options.bridge.carry(pipe, bytes, () => {
      this.#httpCount--;
      this.#gone(pipe);
    });
  }

  /** An Option came: its peer becomes a session, or is told why not. */
  #accept(pipe: Pipe, parsed: ParsedOption, rest: Uint8Array): void {
    this.#greeting.delete(pipe);
    const { isAccepting } = this.#options;
    const compression = this.#agreedCompression(parsed.option);
    const context = { ...this.#codecContext, compression };
    const { codec, refusal: flaw } = chooseCodec(parsed, context);
    const refusal = flaw ?? (isAccepting() ? undefined : drainError());
    if (refusal !== undefined) this.#refused(pipe, refusal);
    if (codec === undefined) {
      pipe.write(encodeRefusal(refusal as RpcError));
      pipe.shutdown();
      return;
    }
    const { handleTimeoutMs } = this.#options;
    const askedMs = parsed.option.HandleTimeout / nanosecondsPerMs;
    const { StreamWindow, ConnectionWindow } = parsed.option;
    const session = this.#open(pipe, codec, shorter(handleTimeoutMs, askedMs), {
      peerWindows: {
        streamWindowBytes: StreamWindow,
        connectionWindowBytes: ConnectionWindow,
      },
      compression: compression && "zstd",
    });
    if (refusal !== undefined) {
      session.refuse(refusal);
      return;
    }
    session.open();
    if (rest.length > 0) session.data(rest);
  }

  /** A peer came that sends no Option. */
  #acceptForeign(pipe: Pipe, codecType: string, bytes: Uint8Array): void {
    this.#greeting.delete(pipe);
    const { isAccepting, handleTimeoutMs } = this.#options;
    if (!isAccepting()) {
      this.#refused(pipe, drainError());
      pipe.shutdown();
      return;
    }
    const context = { ...this.#codecContext, bodies: [] };
    const codec = createCodec(codecType, context);
    const session = this.#open(pipe, codec, handleTimeoutMs);
    session.open();
    if (bytes.length > 0) session.data(bytes);
  }

  /** How bodies are compressed: where this server does, and the peer asks for it. */
  #agreedCompression({ Compression = [] }: Option): Compression | undefined {
    return Compression.includes("zstd") ? this.#options.compression : undefined;
  }

  #open(
    pipe: Pipe,
    codec: Codec,
    handleTimeoutMs: number,
    agreed: Pick<SessionOptions, "peerWindows" | "compression"> = {},
  ): Session {
    const { services, limits, clock, onEvent } = this.#options;
    const { callTimeoutMs, keepAlive, interceptors } = this.#options;
    const session = new Session(pipe, {
      role: "accept",
      codec,
      services,
      limits,
      clock,
      handleTimeoutMs,
      callTimeoutMs,
      keepAlive,
      interceptors,
      ...agreed,
      onEvent,
      onClose: () => {
        this.#sessions.delete(session);
        this.#gone(pipe);
      },
    });
    this.#sessions.add(session);
    return session;
  }

  #refused(pipe: Pipe, error: RpcError): void {
    this.#greeting.delete(pipe);
    const { code, message } = error;
    this.#options.onEvent({
      kind: "peer-refused",
      peer: pipe.peer,
      error: new RpcError(code, cutText(message)),
    });
  }
}

/** The shorter of two timeouts, of which 0 is none. */
function shorter(left: number, right: number): number {
  if (left === 0 || right === 0) return left + right;
  return Math.min(left, right);
}

function fullError(count: number): RpcError {
  return new RpcError(
    "resource_exhausted",
    `${count} connections are open, which is the limit`,
    { sent: false },
  );
}
