import { RpcError } from "../errors.ts";

/**
 * What one peer may make the other keep or do. Every limit is enforced by the
 * receiver, whatever the sender was told, and names the attack it stops.
 */
export interface Limits {
  /** Bytes of the Option: a handshake that never ends. */
  maxOptionBytes: number;
  /** Ms from accept to the whole Option: connections that say nothing. */
  handshakeTimeoutMs: number;
  /** Bytes of one body, each way: a message that fills the memory. */
  maxMessageBytes: number;
  /** Nesting of a value: a few hundred bytes that exhaust the stack. */
  maxDepth: number;
  /** Asynchronous handlers running for one connection: requests sent faster than they are served. */
  maxRunningHandlers: number;
  /** Bytes of the arguments of one connection's calls that wait or run, before compression, of bodies over 16 KiB or compressed; one alone may be longer: large requests to slow handlers, and small ones that inflate. */
  maxArgumentBytes: number;
  /** Bytes of the metadata of one message: headers that grow with every hop. */
  maxMetadataBytes: number;
  /** Entries of the metadata of one message: tables that are slow to build. */
  maxMetadataKeys: number;
  /** Calls of one connection that the peer has open and whose argument or reply is a stream: streams that are begun and never ended. */
  maxStreams: number;
  /** Bytes of items of one stream that may be under way or wait for their reader: a fast sender before a slow reader. */
  streamWindowBytes: number;
  /** The same for all streams of one connection: many slow readers. */
  connectionWindowBytes: number;
  /** Bodies that arrive in pieces at the same time on one connection: half-sent messages that pile up. */
  maxPartialBodies: number;
  /** Bytes of answers queued at the accepting end before it stops reading: a peer that asks and never reads. */
  maxQueuedBytes: number;
  /** Ms with bytes queued of which the kernel took none, before the connection is cut: a peer that stopped for good. */
  stallTimeoutMs: number;
  /** Connections of one server, lowered to fit the limit of open files: a flood of connections. */
  maxConnections: number;
}

const kib = 1024;
const mib = 1024 * kib;

export const defaultLimits: Readonly<Limits> = {
  maxOptionBytes: 4 * kib,
  handshakeTimeoutMs: 5_000,
  maxMessageBytes: 4 * mib,
  maxDepth: 64,
  maxRunningHandlers: 1_024,
  maxArgumentBytes: 64 * mib,
  maxMetadataBytes: 8 * kib,
  maxMetadataKeys: 64,
  maxStreams: 1_024,
  streamWindowBytes: 1 * mib,
  connectionWindowBytes: 4 * mib,
  maxPartialBodies: 16,
  maxQueuedBytes: 1 * mib,
  stallTimeoutMs: 10_000,
  maxConnections: 10_000,
};

/** Where 0 is not "none of it" but a connection that waits for ever. */
const leastLimits: Readonly<Partial<Limits>> = {
  maxMessageBytes: 1,
  maxRunningHandlers: 1,
  streamWindowBytes: 1,
  connectionWindowBytes: 1,
  maxQueuedBytes: 1,
};

/**
 * The limits that are given, and the defaults for the rest. What is undefined
 * is not given: a comparison with it would let everything through.
 *
 * @throws RpcError invalid_argument  an unknown one, one that is no number
 *   from 0 (from 1 where nothing could go on with 0), one but a time that is
 *   neither whole nor Infinity
 */
export function resolveLimits(
  given: { readonly [Name in keyof Limits]?: number | undefined } = {},
): Limits {
  const limits: Limits = { ...defaultLimits };
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(defaultLimits, name)) continue;
    throw new RpcError(
      "invalid_argument",
      `there is no limits.${name}: write one of ${Object.keys(defaultLimits).join(", ")}`,
    );
  }
  for (const name of Object.keys(defaultLimits) as (keyof Limits)[]) {
    limits[name] = checkLimit(name, given[name] ?? limits[name]);
  }
  return limits;
}

function checkLimit(name: keyof Limits, value: number): number {
  if (name.endsWith("Ms")) return checkNumber(`limits.${name}`, value);
  const least = leastLimits[name] ?? 0;
  if (value === Infinity || (Number.isInteger(value) && value >= least)) {
    return value;
  }
  throw new RpcError(
    "invalid_argument",
    `limits.${name} is ${String(value)}: write a whole number from ${least}, or Infinity`,
  );
}

/**
 * Gives `value` back where it is a number from 0, such as a limit or a timeout.
 *
 * @throws RpcError invalid_argument
 */
export function checkNumber(name: string, value: number): number {
  if (typeof value === "number" && value >= 0) return value;
  throw new RpcError(
    "invalid_argument",
    `${name} is ${String(value)}: write a number from 0`,
  );
}
