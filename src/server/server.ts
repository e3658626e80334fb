import { type Clock, systemClock } from "../base/clock.ts";
import { createCodec, hasCodec } from "../codec/table.ts";
import { RpcError } from "../errors.ts";
import { cutText, type OnEvent } from "../events.ts";
import type { Method } from "../service/method.ts";
import { type ServiceOptions, Services } from "../service/services.ts";
import { Session } from "../session/session.ts";
import { parseAddress } from "../transport/address.ts";
import { type Listener, listenPipes } from "../transport/listen.ts";
import type { Pipe } from "../transport/pipe.ts";
import { defaultLimits, type Limits } from "../wire/limits.ts";
import type { ParsedOption } from "../wire/option.ts";
import { encodeRefusal } from "../wire/refusal.ts";
import { Handshake, type HandshakeOptions } from "./handshake.ts";
import { HttpBridge } from "./http-bridge.ts";
import { HttpSide } from "./http.ts";
import { maxOpenConnections } from "./open-files.ts";

const nanosecondsPerMs = 1e6;

export interface ServerOptions {
  /** The longest that a handler may take, in ms; a caller can ask for less. 0 is no limit. Default 0. */
  handleTimeoutMs?: number;
  limits?: Partial<Limits>;
  /** What `GET /readyz` says besides "not draining", for example that a registry knows this server. */
  isReady?: () => boolean;
  clock?: Clock;
  onEvent?: OnEvent;
}

/**
 * Serves any number of services on any number of listeners and pipes.
 *
 * Register first, then listen: a service's `start()` runs before the first
 * listener accepts, its `[Symbol.asyncDispose]()` when the server has closed.
 */
export class Server implements AsyncDisposable {
  readonly #services = new Services();
  readonly #options: Required<Omit<ServerOptions, "limits">>;
  readonly #limits: Limits;
  readonly #maxConnections: number;
  readonly #http: HttpSide;
  readonly #bridge: HttpBridge;
  readonly #listeners: Listener[] = [];
  readonly #pipes = new Set<Pipe>();
  readonly #sessions = new Set<Session>();
  readonly #handshake: HandshakeOptions;
  #started: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #isDraining = false;

  constructor(options: ServerOptions = {}) {
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#options = {
      handleTimeoutMs: options.handleTimeoutMs ?? 0,
      isReady: options.isReady ?? (() => true),
      clock: options.clock ?? systemClock,
      onEvent: options.onEvent ?? (() => {}),
    };
    const { clock, onEvent, handleTimeoutMs } = this.#options;
    this.#maxConnections = Math.min(
      this.#limits.maxConnections,
      maxOpenConnections(),
    );
    this.#http = new HttpSide({
      services: this.#services,
      limits: this.#limits,
      clock,
      handleTimeoutMs,
      onEvent,
      isAccepting: () => !this.#isDraining,
      isReady: () => !this.#isDraining && this.#options.isReady(),
    });
    this.#bridge = new HttpBridge((request) => this.fetch(request));
    this.#handshake = {
      limits: this.#limits,
      clock,
      onOption: (pipe, option, rest) => this.#accept(pipe, option, rest),
      onHttp: (pipe, bytes) =>
        this.#bridge.carry(pipe, bytes, () => this.#pipes.delete(pipe)),
      onRefused: (pipe, error) => this.#refused(pipe, error),
      onGone: (pipe) => this.#pipes.delete(pipe),
    };
    this.#services.register(
      { list: () => ({ services: this.#names() }) },
      "_geerpc",
    );
  }

  /** Names of the services, sorted: what a registration carries. */
  get services(): string[] {
    return this.#services.names;
  }

  /** Methods with their counters, by service, both sorted. */
  get methods(): ReadonlyMap<string, readonly Method[]> {
    return this.#services.list();
  }

  /** Connections that are open, whatever they speak. */
  get connectionCount(): number {
    return this.#pipes.size;
  }

  /**
   * Adds a service: an instance of a class, under its class's name, or a plain
   * object of functions with a name. What is exposed is decided now: the
   * methods that its class declares, but for `start` and names that begin with `_`.
   *
   * @throws RpcError invalid_argument  no name, nothing to expose
   * @throws RpcError already_exists    the name is taken
   */
  register(service: object, nameOrOptions?: string | ServiceOptions): this {
    this.#services.register(service, nameOrOptions);
    return this;
  }

  /** Runs the services' start() hooks, once; listen() does it, too. */
  start(): Promise<void> {
    this.#started ??= this.#services.start();
    return this.#started;
  }

  /**
   * Accepts connections at `address`; port 0 takes a free one. Resolves with
   * the address that it got.
   *
   * @throws RpcError invalid_argument  no such address
   * @throws RpcError unavailable       in use, or the server is closing
   */
  async listen(address = "tcp@127.0.0.1:0"): Promise<string> {
    const parsed = parseAddress(address);
    await this.start();
    if (this.#isDraining) throw closingError();
    const listener = await listenPipes(parsed, (pipe) => this.serve(pipe));
    this.#listeners.push(listener);
    this.#options.onEvent({ kind: "listening", address: listener.address });
    return listener.address;
  }

  /** Serves one connection that is open already; it belongs to the server from now on. */
  serve(pipe: Pipe): void {
    const isFull = this.#pipes.size >= this.#maxConnections;
    this.#pipes.add(pipe);
    const handshake = new Handshake(pipe, this.#handshake);
    if (isFull) {
      handshake.refuse(
        new RpcError(
          "resource_exhausted",
          `${this.#maxConnections} connections are open, which is the limit`,
          { sent: false },
        ),
      );
    } else if (this.#isDraining) handshake.refuse(closingError());
  }

  /** Answers the HTTP side: calls by POST, the debug page, health. For use inside somebody's Bun.serve, too. */
  fetch(request: Request): Promise<Response> {
    return this.#http.fetch(request);
  }

  /**
   * Accepts nothing more, lets calls that run finish for up to `timeoutMs`,
   * then closes. New calls are refused as not started.
   */
  async drain(timeoutMs = 30_000): Promise<void> {
    this.#isDraining = true;
    this.#stopListening();
    const { clock } = this.#options;
    const timeout = Promise.withResolvers<void>();
    const timer = clock.after(timeoutMs, timeout.resolve);
    const sessions = [...this.#sessions].map((session) => session.finish());
    await Promise.race([
      Promise.all([...sessions, this.#http.finish()]),
      timeout.promise,
    ]);
    timer.cancel();
    await this.close();
  }

  /** Ends everything now: handlers' signals abort, what is queued is still sent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#isDraining = true;
    this.#stopListening();
    await Promise.all(
      [...this.#sessions].map((session) => session.shutdown(closingError())),
    );
    for (const pipe of this.#pipes) pipe.abort();
    await this.#bridge.close();
    if (this.#started !== undefined) await this.#services.dispose();
  }

  #stopListening(): void {
    for (const listener of this.#listeners.splice(0)) listener.close();
  }

  /** An Option came: its peer becomes a session, or is told why not. */
  #accept(pipe: Pipe, { option, error }: ParsedOption, rest: Uint8Array): void {
    const { handleTimeoutMs, clock, onEvent } = this.#options;
    const { CodecType, Bodies = [], HandleTimeout } = option;
    const limits = this.#limits;
    let codec: ReturnType<typeof createCodec>;
    try {
      if (!hasCodec(CodecType) && error !== undefined) throw error;
      codec = createCodec(CodecType, {
        role: "accept",
        limits,
        bodies: Bodies,
      });
    } catch (thrown) {
      const refusal = RpcError.from(thrown);
      pipe.write(encodeRefusal(refusal));
      pipe.shutdown();
      this.#refused(pipe, refusal);
      return;
    }
    const session = new Session(pipe, {
      role: "accept",
      codec,
      services: this.#services,
      limits,
      clock,
      handleTimeoutMs: shorter(
        handleTimeoutMs,
        HandleTimeout / nanosecondsPerMs,
      ),
      onEvent,
      onClose: () => {
        this.#sessions.delete(session);
        this.#pipes.delete(pipe);
      },
    });
    this.#sessions.add(session);
    const refusal = error ?? (this.#isDraining ? closingError() : undefined);
    if (refusal !== undefined) {
      this.#refused(pipe, refusal);
      session.refuse(refusal);
      return;
    }
    session.open();
    if (rest.length > 0) session.data(rest);
  }

  #refused(pipe: Pipe, error: RpcError): void {
    const { code, message } = error;
    this.#options.onEvent({
      kind: "peer-refused",
      peer: pipe.peer,
      error: new RpcError(code, cutText(message)),
    });
  }

  #names(): Record<string, string[]> {
    return Object.fromEntries(
      [...this.#services.list()].map(([name, methods]) => [
        name,
        methods.map(({ serviceMethod }) =>
          serviceMethod.slice(name.length + 1),
        ),
      ]),
    );
  }
}

/** The shorter of two timeouts, of which 0 is none. */
function shorter(left: number, right: number): number {
  if (left === 0 || right === 0) return left + right;
  return Math.min(left, right);
}

function closingError(): RpcError {
  return new RpcError("unavailable", "the server is shutting down", {
    sent: false,
  });
}
