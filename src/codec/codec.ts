import type { RpcError } from "../errors.ts";
import type { Limits } from "../wire/limits.ts";
import type { Metadata } from "../wire/metadata.ts";
import type { SendBuffer } from "../wire/send-buffer.ts";
import type { GobRegistry } from "./gob/gob-registry.ts";
import type { GobType } from "./gob/gob-type.ts";
import type { Inferences } from "./gob/inferences.ts";

/** What the accepting end tells of itself in its first message, where the codec has one. */
export interface Settings {
  protocol: number;
  maxMessageBytes: number;
  /** Bytes of items that a stream towards it may have under way before the first credit; by default as in wire/limits.ts. */
  streamWindowBytes?: number;
  /** The same for all streams of the connection together. */
  connectionWindowBytes?: number;
  /** How bodies towards it may be compressed, where both ends agreed. */
  compression?: "zstd" | undefined;
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
  /** timeoutMs is for a lone reply or the beginning of a stream: the stream itself has no limit. */
  untilReply?: boolean;
  /** The argument is a stream: its items follow, and the body is nothing. */
  isStream?: boolean;
  /** Set where the argument's body came and is of more than 16 KiB, or was compressed: its bytes, before that. */
  argumentBytes?: number;
  metadata?: Metadata | undefined;
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
  response(seq: number, reply: unknown, metadata?: Metadata): void;
  /** The reply is a stream: its items follow. */
  streamed(seq: number, metadata?: Metadata): void;
  /** A call failed; seq 0: the connection was refused or is being given up. */
  error(seq: number, error: RpcError, metadata?: Metadata): void;
  cancel(seq: number): void;
  /**
   * Whether this seq is still waited for: `isAnswer`, the answer to a call of
   * this end's or its next item; else the next item of the argument of one of
   * the peer's. Asked before anything is kept for an answer in pieces, and
   * before a large answer or an item is decoded.
   */
  awaits(seq: number, isAnswer: boolean): boolean;
  /**
   * The sum of argumentBytes of the requests that are held: those that wait,
   * and those whose handlers run. Asked before a large argument is decoded,
   * and before its pieces are kept.
   */
  readonly heldArgumentBytes: number;
  /** The same of those that wait only. */
  readonly waitingArgumentBytes: number;
  /** A frame came that says nothing: a piece without bytes, or one of an unknown kind that may be ignored. */
  idle(): void;
  /**
   * The next item of a stream, once it is whole. `isAnswer`: of the reply to a
   * call of this end's, else of the argument of one of the peer's.
   * `chargedBytes` is what it takes of both windows: its body before
   * compression, at least 64. Also told, as undefined and by its first frame,
   * where nobody awaits it: it has taken its part of the connection's window
   * all the same. Small items of other streams may overtake one in pieces.
   */
  item(
    seq: number,
    isAnswer: boolean,
    item: unknown,
    chargedBytes: number,
  ): void;
  /** An item that cannot be decoded, or an end whose metadata cannot (it takes 0 of the window): its stream fails. */
  badItem(
    seq: number,
    isAnswer: boolean,
    error: RpcError,
    chargedBytes: number,
  ): void;
  /** Half-close: no more items of that stream. */
  halfClose(seq: number, isAnswer: boolean, metadata?: Metadata): void;
  /**
   * The peer takes so many more bytes of items. `isAnswer`: of the argument of
   * a call of this end's (it is the callee that says so), else of the reply to
   * one of the peer's. seq 0: of all streams together.
   */
  credit(seq: number, isAnswer: boolean, bytes: number): void;
  /** The peer takes no requests behind `lastSeq`: later ones were not started. */
  goaway(lastSeq: number, error: RpcError): void;
  ping(number: number): void;
  pong(number: number): void;
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
 * `heldBytes` is above 0 the owner calls `writePiece(out)` whenever `out` runs
 * low. writeCancel and writeError give up what is left of their call's own
 * pieces, also of an item: who wants it to arrive waits while `holds`. Bytes
 * that stand in an argument, a reply or an item must not change until they are
 * sent.
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
    metadata?: Metadata,
  ): void;
  writeError(
    out: SendBuffer,
    seq: number,
    serviceMethod: string,
    error: RpcError,
    metadata?: Metadata,
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
  /**
   * Streams, metadata and what an end says of the connection. Codecs that lack
   * all of it leave it out: a request with metadata or a stream is
   * `unimplemented` there, and the metadata of answers is dropped.
   */
  readonly session?: SessionMessages;
}

/**
 * What a codec with streams writes besides calls. `isAnswer` is as the frame's
 * flag: set where `seq` counts the receiver's calls. Metadata over the limits
 * is thrown as `resource_exhausted`, and `out` left as it was; writeError alone
 * leaves it out instead, since an error must always get through.
 */
export interface SessionMessages {
  /** The reply to `seq` is a stream, whose items follow. */
  writeStreamed(out: SendBuffer, seq: number, metadata?: Metadata): void;
  /**
   * Appends an item, and returns what it takes of the window.
   *
   * @throws RpcError as writeRequest; nothing is written then
   */
  writeItem(
    out: SendBuffer,
    seq: number,
    isAnswer: boolean,
    item: unknown,
  ): number;
  writeEnd(
    out: SendBuffer,
    seq: number,
    isAnswer: boolean,
    metadata?: Metadata,
  ): void;
  /** Forgets what is left of an item that goes out in pieces: its stream is over. */
  dropItem(seq: number, isAnswer: boolean): void;
  /**
   * Forgets what has come of an item in pieces, which is told then no more,
   * and returns what it takes of the connection's window, to be given back; 0
   * where there is none. Called whenever a stream that comes in is over,
   * whatever has ended it. `isAnswer` as for Inbound.item.
   */
  forgetItem(seq: number, isAnswer: boolean): number;
  /** Whether pieces of this stream's last item are still to follow: then its next item, its end and its error must wait. */
  holds(seq: number, isAnswer: boolean): boolean;
  writeCredit(
    out: SendBuffer,
    seq: number,
    isAnswer: boolean,
    bytes: number,
  ): void;
  writeGoaway(out: SendBuffer, lastSeq: number, error: RpcError): void;
  writePing(out: SendBuffer, number: number): void;
  writePong(out: SendBuffer, number: number): void;
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

/** How bodies are compressed: with zstd. */
export interface Compression {
  /** Bodies of fewer bytes go as they are. */
  minBytes: number;
}

export interface CodecContext {
  /** Which end of the connection this is: codecs whose requests and answers look alike need to know. */
  role: "dial" | "accept";
  limits: Limits;
  /** Names of the user's body encodings that the Option agreed on. */
  bodies: readonly string[];
  /** That bodies may be compressed: agreed at the accepting end, wished for at the dialling one, which waits for settings that agree. */
  compression?: Compression | undefined;
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
