import { type Clock, systemClock } from "../base/clock.ts";
import type { GobRegistry } from "../codec/gob/gob-registry.ts";
import type { GobType } from "../codec/gob/gob-type.ts";
import { Inferences } from "../codec/gob/inferences.ts";
import { binaryCodecType } from "../codec/table.ts";
import { RpcError } from "../errors.ts";
import { type OnEvent, quiet } from "../events.ts";
import { type Limits, resolveLimits } from "../wire/limits.ts";

export interface CallOptions {
  /** How long the caller waits, in ms; 0 is for ever. Default 5,000. */
  timeoutMs?: number;
  /** Gives the call up when it aborts; the handler's signal aborts, too. */
  signal?: AbortSignal;
  /** Forces a body encoding: "json" skips the check of what JSON would change, other names are the user's own. */
  body?: string;
  /** On gob connections: the argument's Go type, where its value alone does not tell. */
  gob?: GobType;
}

export interface ClientOptions {
  /**
   * What the connection speaks. Default `application/x-geerpc`, or what the
   * address says (`gorpc@`, `gorpc+http@`, `jsonrpc@`).
   */
  codec?: string;
  /** For dial, TLS and handshake together, in ms; 0 is none. Default 10,000. */
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
  limits?: Partial<Limits>;
  clock?: Clock;
  onEvent?: OnEvent;
  /** Gives dialling up when it aborts. */
  signal?: AbortSignal;
}

/** ClientOptions with every default filled in. */
export type ResolvedClientOptions = Required<
  Omit<ClientOptions, "signal" | "limits" | "gobRegistry">
> & {
  limits: Limits;
  signal: AbortSignal | undefined;
  gobRegistry: GobRegistry | undefined;
};

/** @throws RpcError invalid_argument  a timeout that is no number from 0 */
export function resolveOptions(options: ClientOptions): ResolvedClientOptions {
  const resolved = {
    codec: options.codec ?? binaryCodecType,
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    callTimeoutMs: options.callTimeoutMs ?? 5_000,
    handleTimeoutMs: options.handleTimeoutMs ?? 0,
    bodies: options.bodies ?? [],
    gobTypes: options.gobTypes ?? {},
    gobRegistry: options.gobRegistry,
    inferences: options.inferences ?? new Inferences(),
    limits: resolveLimits(options.limits),
    clock: options.clock ?? systemClock,
    onEvent: options.onEvent ? quiet(options.onEvent) : () => {},
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

/** @throws RpcError invalid_argument */
export function checkTimeout(name: string, timeoutMs: number): void {
  if (typeof timeoutMs === "number" && timeoutMs >= 0) return;
  throw new RpcError(
    "invalid_argument",
    `${name} is ${timeoutMs}: write a number of milliseconds from 0 (0 is no limit)`,
  );
}
