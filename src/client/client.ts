import { outside } from "../base/outside.ts";
import type { Codec } from "../codec/codec.ts";
import { RpcError } from "../errors.ts";
import { Services } from "../service/services.ts";
import { Session } from "../session/session.ts";
import { parseAddress } from "../transport/address.ts";
import { dialPipe } from "../transport/dial.ts";
import type { Pipe } from "../transport/pipe.ts";
import type { Call } from "../session/call.ts";
import type { Outcome } from "../session/pending-call.ts";
import { Calls } from "../session/calls.ts";
import { codecOf, codecTypeOf } from "./choose-codec.ts";
import { optionBytes } from "./option.ts";
import type { CallOptions, NotifyOptions } from "../service/call-options.ts";
import {
  type ClientOptions,
  type ResolvedClientOptions,
  resolveOptions,
} from "./options.ts";
import { type Remote, remote } from "../service/remote.ts";
import { UnansweredError } from "./unanswered-error.ts";

/**
 * One connection to one server, for any number of calls at a time.
 *
 * A client does not dial again: once its connection is gone `isAvailable` is
 * false and every call fails with `unavailable`. XClient dials anew.
 */
export class Client implements AsyncDisposable {
  readonly #session: Session;
  readonly #calls: Calls;
  readonly #options: ResolvedClientOptions;

  private constructor(session: Session, options: ResolvedClientOptions) {
    this.#session = session;
    this.#calls = new Calls(session, options);
    this.#options = options;
  }

  /**
   * Connects to `address` (`tcp@host:port`, `http@host:port`, `unix@path`) and
   * resolves once the server has accepted: with the binary codec when its
   * settings have come, with others, which get no answer, when the Option is
   * on its way. Nothing of the connection keeps the asynchronous context that
   * dialled.
   *
   * @throws RpcError invalid_argument  no such address, or an option that is none
   * @throws RpcError unimplemented     no such codec or body encoding
   * @throws RpcError unavailable       no connection within connectTimeoutMs; sent is false
   * @throws RpcError cancelled         options.signal was aborted
   * @throws RpcError                   whatever the server refuses with
   */
  static dial(address: string, options: ClientOptions = {}): Promise<Client> {
    return outside(() => Client.#dial(address, options));
  }

  static async #dial(address: string, options: ClientOptions): Promise<Client> {
    const parsed = parseAddress(address);
    const codecType = codecTypeOf(parsed.protocol, options.codec);
    const resolved = resolveOptions({ ...options, codec: codecType });
    const { clock, connectTimeoutMs, signal } = resolved;
    const codec = codecOf(resolved);
    const services = servicesOf(resolved.services);
    const startedAt = clock.now();
    const pipe = await dialPipe(parsed, {
      timeoutMs: connectTimeoutMs,
      signal,
      clock,
    });
    const client = Client.#over(pipe, resolved, codec, services);
    const leftMs = startedAt + connectTimeoutMs - clock.now();
    await client.#accepted(connectTimeoutMs === 0 ? undefined : leftMs);
    return client;
  }

  /**
   * Speaks over a pipe that is open already. Calls may start at once; they
   * fail if the server refuses. The pipe belongs to the client from now on.
   *
   * @throws RpcError unimplemented  no codec of that name
   */
  static over(pipe: Pipe, options: ClientOptions = {}): Client {
    const resolved = resolveOptions(options);
    const services = servicesOf(resolved.services);
    return Client.#over(pipe, resolved, codecOf(resolved), services);
  }

  static #over(
    pipe: Pipe,
    options: ResolvedClientOptions,
    codec: Codec,
    services: Services,
  ): Client {
    const { limits, clock, onEvent, callTimeoutMs, keepAlive } = options;
    const { servedInterceptors: interceptors, isOneOfMany } = options;
    const session = new Session(pipe, {
      role: "dial",
      codec,
      services,
      limits,
      clock,
      handleTimeoutMs: 0,
      callTimeoutMs,
      keepAlive,
      interceptors,
      waitsForTurn: isOneOfMany,
      onEvent,
      onClose: ignore,
    });
    session.open(optionBytes(options));
    return new Client(session, options);
  }

  /** Whether a call that starts now has a connection. */
  get isAvailable(): boolean {
    return this.#session.isAvailable;
  }

  /** Whether the server has sent anything. */
  get hasHeard(): boolean {
    return this.#session.hasHeard;
  }

  /** Calls that have no answer yet. */
  get inFlight(): number {
    return this.#session.inFlightCount;
  }

  /** Answers that came after their caller had given up, and were dropped. */
  get lateReplies(): number {
    return this.#session.lateReplies;
  }

  /** Why no call can start any more: what each would fail with. Undefined while the connection is there. */
  get lost(): RpcError | undefined {
    if (this.isAvailable) return undefined;
    try {
      this.#session.notify("", undefined);
      return undefined;
    } catch (thrown) {
      return RpcError.from(thrown);
    }
  }

  /** Resolves when the connection is gone, for whatever reason. */
  get closed(): Promise<void> {
    return this.#session.closed;
  }

  /**
   * Calls `Service.Method` and resolves with its reply. `args` must not change
   * until then. An async iterable as `args` is sent as a stream of items; a
   * reply that is a stream resolves as an async iterable, an ItemStream.
   *
   * @throws RpcError the handler's own, or
   *   invalid_argument   the argument cannot be sent
   *   deadline_exceeded  no answer within timeoutMs
   *   cancelled          signal was aborted
   *   unavailable        the connection is gone; `sent` says whether the call may have run
   */
  call<Reply = unknown>(
    serviceMethod: string,
    args?: unknown,
    options?: CallOptions,
  ): Promise<Reply> {
    return this.#calls.call(serviceMethod, args, options) as Promise<Reply>;
  }

  /** As Calls.begin: for those that route calls, and are told the outcome. */
  begin(
    serviceMethod: string,
    args: unknown,
    outcome: Outcome,
    timeoutMs: number,
  ): void {
    this.#calls.begin(serviceMethod, args, outcome, timeoutMs);
  }

  /** Starts a call and returns it; its `done` resolves when it is over. */
  go(serviceMethod: string, args?: unknown, options?: CallOptions): Call {
    return this.#calls.go(serviceMethod, args, options);
  }

  /**
   * Sends a call that gets no answer, not even an error. Resolves when it is
   * queued; says nothing of whether it arrived.
   *
   * @throws RpcError unavailable, invalid_argument, resource_exhausted (too much is queued), unimplemented (the codec has no one-way calls)
   */
  notify(
    serviceMethod: string,
    args?: unknown,
    options?: NotifyOptions,
  ): Promise<void> {
    return this.#calls.notify(serviceMethod, args, options);
  }

  /** A view of this client on which services are properties and methods are typed functions. */
  as<Services>(): Remote<Services> {
    return remote<Services>((serviceMethod, args, options) =>
      this.call(serviceMethod, args, options),
    );
  }

  /**
   * Ends the connection. Calls in flight fail with `unavailable`; what was
   * queued before is still sent. Resolves when it is gone.
   */
  close(): Promise<void> {
    return this.#session.shutdown(
      new RpcError("unavailable", "the client was closed"),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Waits for the server to accept, for what is left of the connect timeout. */
  async #accepted(leftMs: number | undefined): Promise<void> {
    const { clock, connectTimeoutMs, signal } = this.#options;
    const session = this.#session;
    const onAbort = () =>
      session.abort(RpcError.fromAbort(signal as AbortSignal));
    const timer =
      leftMs === undefined
        ? undefined
        : clock.after(Math.max(0, leftMs), () =>
            session.abort(
              new RpcError(
                "unavailable",
                `the server did not answer the handshake within ${connectTimeoutMs} ms`,
                { sent: false },
              ),
            ),
          );
    signal?.addEventListener("abort", onAbort);
    try {
      if (signal?.aborted) onAbort();
      await session.accepted;
    } catch (thrown) {
      const error = RpcError.from(thrown);
      if (wasClosedByPeer(session, error)) {
        throw new UnansweredError(error.message);
      }
      if (error.code !== "unavailable" || error.sent === false) throw error;
      // Nothing was called yet, however far the connection came.
      throw new RpcError("unavailable", error.message, {
        sent: false,
        cause: error,
      });
    } finally {
      timer?.cancel();
      signal?.removeEventListener("abort", onAbort);
    }
  }
}

function wasClosedByPeer(session: Session, error: RpcError): boolean {
  return (
    error.code === "unavailable" &&
    error.sent === undefined &&
    // An end in order has no cause, a reset the system's.
    error.cause === undefined &&
    !session.hasHeard
  );
}

/** Shared by all clients that serve nothing, which most do. */
let noServices: Services | undefined;
const ignore = (): void => {};

function servicesOf(given: Readonly<Record<string, object>>): Services {
  const entries = Object.entries(given);
  if (entries.length === 0) return (noServices ??= new Services());
  const services = new Services();
  for (const [name, service] of entries) services.register(service, name);
  return services;
}
