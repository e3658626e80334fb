import type { RpcError } from "../errors.ts";
import type { Limits } from "../wire/limits.ts";
import type { SendBuffer } from "../wire/send-buffer.ts";
import type { GobRegistry } from "./gob/gob-registry.ts";
import type { GobType } from "./gob/gob-type.ts";
import type { Inferences } from "./gob/inferences.ts";

/** What the accepting end tells of itself in its first message, where the codec has one. */
export interface Settings {
  protocol: number;
  maxMessageBytes: number;
}

/** What can be said over a connection besides a request and its answer. */
export interface CodecFeatures {
  /** The accepting end's first message says that the Option was accepted. */
  settings: boolean;
  /** A caller can take a request back. */
  cancel: boolean;
  /** A request can say that it wants no answer. */
  oneWay: boolean;
}

/** A request's fixed part. */
export interface RequestHead {
  /** 1 to 2^53-1, counted by the caller. */
  seq: number;
  serviceMethod: string;
  /** What is left of the call's time, in ms; 0 is no limit. Codecs without deadlines leave it out. */
  timeoutMs: number;
  /** The sender's ms since the handshake, mod 2^32. */
  sentAtMs: number;
  oneWay: boolean;
}

/**
 * Who is told what a codec has read: one method per message of the protocol.
 *
 * Values belong to the receiver, free of views into the chunk. A message whose
 * content cannot be decoded arrives as `badRequest` or as `error`: it fails
 * that call only.
 */
export interface Inbound {
  settings(settings: Settings): void;
  request(head: RequestHead, args: unknown): void;
  badRequest(head: RequestHead, error: RpcError): void;
  response(seq: number, reply: unknown): void;
  /** A call failed; seq 0: the connection was refused or is being given up. */
  error(seq: number, error: RpcError): void;
  cancel(seq: number): void;
  /** Whether the answer to this seq is still waited for: asked before anything is kept for one that comes in pieces. */
  awaits(seq: number): boolean;
}

/**
 * Values to bytes and back, for one connection and both of its directions.
 *
 * One instance lives as long as its connection and may keep state (types
 * already defined, methods already named), so everything it writes must go
 * out, in order. Reading: `push(chunk)`, then `read(inbound)` until it returns
 * false, then the next push. `read` tells of at most one message, and an RpcError
 * that it throws means that the framing is broken: the owner sends
 * `writeError(out, 0, …)` and closes. Writing: each method appends whole
 * messages to `out` or throws RpcError (`invalid_argument` with the path of
 * the culprit, `unimplemented`, `resource_exhausted`) and leaves `out` as it
 * found it. Large bodies may be kept and follow in pieces: while
 * `heldBytes` is above 0 the owner calls `writePiece(out)` whenever `out` runs low. Bytes that stand
 * in an argument or a reply must not change until they are sent.
 *
 * No I/O, no timers. Implementations that lack a message have it throw
 * `unimplemented` and say so in `features`.
 */
export interface Codec {
  readonly features: CodecFeatures;
  push(chunk: Uint8Array): void;
  read(inbound: Inbound): boolean;
  writeSettings(out: SendBuffer, settings: Settings): void;
  writeRequest(
    out: SendBuffer,
    head: RequestHead,
    args: unknown,
    form?: Form,
  ): void;
  writeResponse(
    out: SendBuffer,
    seq: number,
    serviceMethod: string,
    reply: unknown,
  ): void;
  writeError(
    out: SendBuffer,
    seq: number,
    serviceMethod: string,
    error: RpcError,
  ): void;
  writeCancel(out: SendBuffer, seq: number): void;
  /** Bytes of bodies that are still to follow in pieces. */
  readonly heldBytes: number;
  /** Appends one piece. Only called while heldBytes is above 0. */
  writePiece(out: SendBuffer): void;
  /** Requests whose body is half here; codecs without pieces leave it out. */
  readonly partialRequests?: number;
  /**
   * Fails, as badRequest, the requests whose body has begun and has not grown
   * since the last call of this: its owner calls it at an interval while
   * partialRequests is above 0.
   */
  dropStalled?(inbound: Inbound): void;
}

/** How a caller wants one argument encoded: the name of a body encoding, or its Go type. */
export type Form = string | GobType;

/** Go types that were declared for a method. */
export interface DeclaredTypes {
  args?: GobType | undefined;
  reply?: GobType | undefined;
}

/** A number that was sent both whole and with a fraction, and that nobody declared. */
export interface AmbiguousType {
  serviceMethod: string;
  /** Where it stands; empty for the value itself. */
  path: string;
  /** The whole type as it is sent now, to correct and declare. */
  declaration: string;
}

export interface CodecContext {
  /** Which end of the connection this is: codecs whose requests and answers look alike need to know. */
  role: "dial" | "accept";
  limits: Limits;
  /** Names of the user's body encodings that the Option agreed on. */
  bodies: readonly string[];
  /** Whether the other end is known to be geerpc, and not the original. */
  isGeerpcPeer?: boolean;
  /** For codecs whose wire has types that JavaScript does not. */
  declaredTypes?: (serviceMethod: string) => DeclaredTypes | undefined;
  /** For the same: names of types inside interfaces, and what the bytes of opaque types mean. */
  gobRegistry?: GobRegistry | undefined;
  /** For the same: what this end's other connections have learnt of what it sends. */
  inferences?: Inferences;
  /** Told once per such position. */
  onAmbiguousType?: (ambiguity: AmbiguousType) => void;
}

/**
 * Makes the codec of one connection.
 *
 * @throws RpcError unimplemented  the Option asks for something that it does not have
 */
export type CodecFactory = (context: CodecContext) => Codec;
