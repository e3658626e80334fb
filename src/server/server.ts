import { type Clock, systemClock } from "../base/clock.ts";
import type { GobRegistry } from "../codec/gob/gob-registry.ts";
import type { Compression } from "../codec/codec.ts";
import { resolveCompression } from "../codec/compression-option.ts";
import { type OnEvent, quiet } from "../events.ts";
import {
  type AdaptiveLimitOptions,
  resolveAdaptiveLimit,
} from "../service/adaptive-limit-option.ts";
import type { Method } from "../service/method.ts";
import { type ServiceOptions, Services } from "../service/services.ts";
import { defaultCallTimeoutMs } from "../service/call-options.ts";
import { checkInterceptors, type Interceptor } from "../service/interceptor.ts";
import {
  type KeepAliveOptions,
  resolveKeepAlive,
} from "../session/keepalive.ts";
import { drainError } from "../session/callee.ts";
import { parseAddress } from "../transport/address.ts";
import {
  type Listener,
  type ListenOptions,
  listenPipes,
} from "../transport/listen.ts";
import type { Pipe } from "../transport/pipe.ts";
import { checkNumber, type Limits, resolveLimits } from "../wire/limits.ts";
import { Connections } from "./connections.ts";
import {
  type DebugReport,
  debugReport,
  type ServerReport,
} from "./debug/report.ts";
import { type Tally, tallyOf } from "./debug/tally.ts";
import { HttpBridge } from "./http-bridge.ts";
import { HttpSide } from "./http.ts";

export interface ServerOptions {
  /** The longest that a handler may take, in ms; a caller can ask for less. 0 is no limit. Default 0. */
  handleTimeoutMs?: number;
  /** What a call to a peer waits that does not say, in ms; 0 is for ever. Default 5,000. */
  callTimeoutMs?: number;
  /** On gob connections: names of types inside interfaces, and what the bytes of opaque types mean. */
  gobRegistry?: GobRegistry;
  /** Compresses bodies of so many bytes and more towards clients that ask for it. Off by default. */
  compression?: Partial<Compression> | boolean;
  /** When to ask a silent client whether it is there; 0 is never. */
  keepAlive?: Partial<KeepAliveOptions>;
  /** Stand around each call, the first one outermost: those that the server serves, and those that it makes to its peers. */
  interceptors?: readonly Interceptor[];
  limits?: Partial<Limits>;
  /**
   * Refuses calls early that could not be finished in time: each method gets a
   * limit on its running handlers, over all connections, as soon as its calls
   * take much longer than they did. Refused calls are `resource_exhausted` and
   * not sent, so an XClient takes them to another server. Off by default, since
   * latency can rise for other reasons, and a method that waits by design has
   * to be declared: `static rpc = { methods: { poll: { adaptiveLimit: false } } }`.
   */
  adaptiveLimit?: Partial<AdaptiveLimitOptions> | boolean;
  /** What `GET /readyz` says besides "not draining", for example that a registry knows this server. */
  isReady?: () => boolean;
  /**
   * What `GET /debug/geerpc` shows instead of this server's own figures: where
   * several processes are one server, the sum of what `tally()` gives in each.
   */
  debugReport?: () => DebugReport | Promise<DebugReport>;
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
  readonly #services: Services;
  readonly #clock: Clock;
  readonly #onEvent: OnEvent;
  readonly #startedAt: number;
  readonly #http: HttpSide;
  readonly #bridge: HttpBridge;
  readonly #connections: Connections;
  readonly #listeners: Listener[] = [];
  #started: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #isDraining = false;

  /** @throws RpcError invalid_argument  a limit, tolerance or timeout that is none, interceptors that are no list */
  constructor(options: ServerOptions = {}) {
    const { clock = systemClock } = options;
    const onEvent = quiet(options.onEvent ?? (() => {}));
    const { isReady = () => true } = options;
    this.#clock = clock;
    this.#onEvent = onEvent;
    this.#startedAt = clock.now();
    this.#services = new Services(resolveAdaptiveLimit(options.adaptiveLimit));
    const shared = {
      services: this.#services,
      limits: resolveLimits(options.limits),
      clock,
      handleTimeoutMs: checkNumber(
        "handleTimeoutMs",
        options.handleTimeoutMs ?? 0,
      ),
      interceptors: checkInterceptors(options.interceptors ?? []),
      onEvent,
      isAccepting: () => !this.#isDraining,
    };
    this.#http = new HttpSide({
      ...shared,
      isReady: () => !this.#isDraining && isReady(),
      report:
        options.debugReport ??
        (() => debugReport(this.#services.list(), this.#report())),
    });
    this.#bridge = new HttpBridge((request) => this.fetch(request), clock);
    const { gobRegistry } = options;
    const bridge = this.#bridge;
    this.#connections = new Connections({
      ...shared,
      bridge,
      gobRegistry,
      callTimeoutMs: checkNumber(
        "callTimeoutMs",
        options.callTimeoutMs ?? defaultCallTimeoutMs,
      ),
      keepAlive: resolveKeepAlive(options.keepAlive),
      compression: resolveCompression(options.compression),
    });
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
    return this.#connections.count;
  }

  /** The figures of the debug page as plain data that add up with those of other processes. */
  tally(): Tally {
    return tallyOf(this.#services.list(), this.#report());
  }

  /**
   * Adds a service: an instance of a class, under its class's name, or a plain
   * object of functions with a name. What is exposed is decided now: the
   * methods that its class declares, but for `start` and names that begin with `_`.
   *
   * @throws RpcError invalid_argument  no name, nothing to expose
   * @throws RpcError already_exists    the name is taken
   * @throws RpcError failed_precondition  the services have been started: by start(), listen() or close()
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
   * @throws RpcError invalid_argument  no such address, or none that processes can share
   * @throws RpcError unavailable       in use, or the server is closing
   */
  async listen(
    address = "tcp@127.0.0.1:0",
    options: ListenOptions = {},
  ): Promise<string> {
    const parsed = parseAddress(address);
    await this.start();
    if (this.#isDraining) throw drainError();
    const serve = (pipe: Pipe) => this.serve(pipe);
    const listener = await listenPipes(parsed, serve, options);
    if (this.#isDraining) {
      listener.close();
      throw drainError();
    }
    this.#listeners.push(listener);
    this.#onEvent({ kind: "listening", address: listener.address });
    return listener.address;
  }

  /**
   * Serves one connection that is open already; it belongs to the server from
   * now on. Services' start() hooks are not run by this: see start().
   */
  serve(pipe: Pipe): void {
    this.#connections.serve(pipe);
  }

  /**
   * Answers the HTTP side: calls by POST, the debug page, health. For use
   * inside somebody's Bun.serve, too; `remoteHost` is where the request came
   * from, for handlers: `server.requestIP(request)?.address`.
   */
  fetch(request: Request, remoteHost?: string): Promise<Response> {
    return this.#http.fetch(request, remoteHost);
  }

  /**
   * Accepts nothing more, lets calls that run finish for up to `timeoutMs`,
   * then closes. New calls are refused as not started. Of several drains the
   * shortest counts.
   *
   * @throws RpcError invalid_argument  a time that is no number from 0; nothing is drained
   */
  async drain(timeoutMs = 30_000): Promise<void> {
    checkNumber("timeoutMs", timeoutMs);
    this.#isDraining = true;
    this.#stopListening();
    const limit = Promise.withResolvers<void>();
    const timer = this.#clock.after(timeoutMs, limit.resolve);
    const finished = [this.#connections.finish(), this.#http.finish()];
    await Promise.race([Promise.all(finished), limit.promise]);
    timer.cancel();
    await this.close();
  }

  /**
   * Ends everything now: handlers' signals abort, what is queued is still sent
   * to peers that take it within 5 s. Then the services are disposed of.
   */
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
    this.#http.close(drainError());
    void this.#bridge.finish();
    await this.#connections.close();
    await this.#bridge.close();
    // A service is disposed of once, and not while it still starts.
    await this.#started?.catch(() => {});
    await this.#services.dispose();
  }

  #stopListening(): void {
    for (const listener of this.#listeners.splice(0)) listener.close();
  }

  #report(): ServerReport {
    return {
      state: this.#isDraining ? "draining" : "serving",
      uptimeMs: Math.round(this.#clock.now() - this.#startedAt),
      connections: this.connectionCount,
      addresses: this.#listeners.map(({ address }) => address),
      pid: process.pid,
    };
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
