import { type Clock, systemClock } from "../base/clock.ts";
import type { GobRegistry } from "../codec/gob/gob-registry.ts";
import type { GobType } from "../codec/gob/gob-type.ts";
import type { Compression } from "../codec/codec.ts";
import { resolveCompression } from "../codec/compression-option.ts";
import { Inferences } from "../codec/gob/inferences.ts";
import { binaryCodecType } from "../codec/table.ts";
import { type OnEvent, quiet } from "../events.ts";
import { checkInterceptors, type Interceptor } from "../service/interceptor.ts";
import {
  defaultKeepAlive,
  type KeepAliveOptions,
  resolveKeepAlive,
} from "../session/keepalive.ts";
import { checkTimeout, defaultCallTimeoutMs } from "../service/call-options.ts";
import { defaultLimits, type Limits, resolveLimits } from "../wire/limits.ts";

export interface ClientOptions {
  /**
   * What the connection speaks. Default `application/x-geerpc`, or what the
   * address says (`gorpc@`, `gorpc+http@`, `jsonrpc@`).
   */
  codec?: string;
  /** For dial and handshake together, in ms; 0 is none. Default 10,000. */
  connectTimeoutMs?: number;
  /** What a call waits that does not say, in ms; 0 is for ever. Default 5,000. */
  callTimeoutMs?: number;
  /** What the server may spend on one call of this connection, in ms; 0 is its own limit. Default 0. */
  handleTimeoutMs?: number;
  /** Names of the user's own body encodings, registered with registerBody. */
  bodies?: readonly string[];
  /** On gob connections: the Go types of arguments, by serviceMethod. */
  gobTypes?: Readonly<Record<string, GobType>>;
  /** On gob connections: names of types inside interfaces, and what the bytes of opaque types mean. */
  gobRegistry?: GobRegistry;
  /** On gob connections: what was learnt of arguments' types. Each client has its own; an XClient gives its to all of its clients. */
  inferences?: Inferences;
  /** Services that the server may call over this connection, by name: instances, or objects of functions. */
  services?: Readonly<Record<string, object>>;
  /** Compresses bodies of so many bytes and more, where the server does, too. Off by default. */
  compression?: Partial<Compression> | boolean;
  /** When to ask a silent server whether it is there; 0 is never. */
  keepAlive?: Partial<KeepAliveOptions>;
  /** Stand around each call, the first one outermost: those that the client makes, and those that it serves. */
  interceptors?: readonly Interceptor[];
  /** Stand around the calls that the client serves, and those of its services to the server. Default `interceptors`. */
  servedInterceptors?: readonly Interceptor[];
  /**
   * For one of many connections that are called at once: what is written waits
   * for the end of the event loop's turn, so that replies which have come over
   * several of them are answered in fewer and larger writes. What is much does
   * not wait, nor does a call without an answer, since its process may exit
   * then. Default false; an XClient's are so.
   */
  isOneOfMany?: boolean;
  limits?: Partial<Limits>;
  clock?: Clock;
  onEvent?: OnEvent;
  /** Gives dialling up when it aborts. */
  signal?: AbortSignal;
}

/** ClientOptions with every default filled in. */
export type ResolvedClientOptions = Required<
  Omit<
    ClientOptions,
    "signal" | "limits" | "gobRegistry" | "compression" | "keepAlive"
  >
> & {
  compression: Compression | undefined;
  keepAlive: KeepAliveOptions;
  limits: Limits;
  signal: AbortSignal | undefined;
  gobRegistry: GobRegistry | undefined;
};

const none: readonly never[] = [];
const nothing = {};
const ignore = (): void => {};

/** @throws RpcError invalid_argument  a timeout that is no number from 0, a limit that is none, interceptors that are no list */
export function resolveOptions(options: ClientOptions): ResolvedClientOptions {
  const interceptors = checkInterceptors(options.interceptors ?? none);
  const resolved = {
    codec: options.codec ?? binaryCodecType,
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    callTimeoutMs: options.callTimeoutMs ?? defaultCallTimeoutMs,
    handleTimeoutMs: options.handleTimeoutMs ?? 0,
    bodies: options.bodies ?? none,
    gobTypes: options.gobTypes ?? nothing,
    gobRegistry: options.gobRegistry,
    inferences: options.inferences ?? new Inferences(),
    services: options.services ?? nothing,
    compression: resolveCompression(options.compression),
    // What is the default is shared: a process may have thousands of clients.
    keepAlive: options.keepAlive
      ? resolveKeepAlive(options.keepAlive)
      : defaultKeepAlive,
    interceptors,
    isOneOfMany: options.isOneOfMany ?? false,
    servedInterceptors: checkInterceptors(
      options.servedInterceptors ?? interceptors,
    ),
    limits: options.limits ? resolveLimits(options.limits) : defaultLimits,
    clock: options.clock ?? systemClock,
    onEvent: options.onEvent ? quiet(options.onEvent) : ignore,
    signal: options.signal,
  };
  for (const name of [
    "connectTimeoutMs",
    "callTimeoutMs",
    "handleTimeoutMs",
  ] as const) {
    checkTimeout(name, resolved[name]);
  }
  return resolved;
}
