import { RpcError } from "../../errors.ts";
import {
  flags,
  ignorableBit,
  kinds,
  maxMethodNumbers,
  maxNameBytes,
  pieceBytes,
  requestHeadBytes,
} from "../../wire/frame.ts";
import { FrameReader } from "../../wire/frame-reader.ts";
import type { Limits } from "../../wire/limits.ts";
import { readUint16, readUint32 } from "../../wire/little-endian.ts";
import { RefusalReader } from "../../wire/refusal.ts";
import type { SendBuffer } from "../../wire/send-buffer.ts";
import type {
  Codec,
  CodecContext,
  CodecFeatures,
  Form,
  Inbound,
  RequestHead,
  Settings,
} from "../codec.ts";
import { Bodies, tooLong } from "./body.ts";
import { readError, writeErrorFrame } from "./error-frame.ts";
import { setContentLength, writeHeader } from "./header.ts";
import {
  encodeName,
  longName,
  ReceivedNames,
  SentNames,
} from "./method-numbers.ts";
import { PartialBodies } from "./partial-bodies.ts";
import { OutgoingPieces } from "./pieces.ts";
import { readSettings, settingsText } from "./settings.ts";

const features: CodecFeatures = { settings: true, cancel: true, oneWay: true };

/** Flags that this side cannot do: such a request or response fails. */
const unknownRequestFlags = flags.compressed | flags.stream;
const unknownResponseFlags = flags.compressed | flags.stream;

/** The codec behind `application/x-geerpc`: PROTOCOL.md describes every byte. */
export function binaryCodec(context: CodecContext): Codec {
  return new BinaryCodec(context);
}

class BinaryCodec implements Codec {
  readonly features = features;
  readonly #limits: Limits;
  /** A body of up to so many bytes stands in its message's own frame. */
  readonly #inlineBytes: number;
  readonly #bodies: Bodies;
  readonly #frames = new FrameReader();
  readonly #refusal = new RefusalReader();
  readonly #sentNames = new SentNames(maxMethodNumbers);
  readonly #receivedNames = new ReceivedNames(maxMethodNumbers);
  readonly #pieces = new OutgoingPieces();
  readonly #partialRequests: PartialBodies<RequestHead>;
  readonly #partialResponses: PartialBodies<undefined>;

  constructor({ limits, bodies }: CodecContext) {
    this.#limits = limits;
    this.#inlineBytes = Math.min(pieceBytes, limits.maxMessageBytes);
    this.#bodies = new Bodies(limits, bodies);
    this.#partialRequests = new PartialBodies(limits);
    this.#partialResponses = new PartialBodies(limits);
  }

  // Reading

  push(chunk: Uint8Array): void {
    if (!this.#refusal.push(chunk)) this.#frames.push(chunk);
  }

  read(inbound: Inbound): boolean {
    if (this.#refusal.isReading) return this.#readRefusal(inbound);
    const frames = this.#frames;
    if (!frames.next()) return false;
    switch (frames.kind) {
      case kinds.request:
        this.#readRequest(inbound);
        break;
      case kinds.response:
        this.#readResponse(inbound);
        break;
      case kinds.error:
        this.#readError(inbound);
        break;
      case kinds.cancel:
        this.#pieces.drop(frames.seq, flags.answer);
        this.#partialRequests.drop(frames.seq);
        inbound.cancel(frames.seq);
        break;
      case kinds.piece:
        this.#readPiece(inbound);
        break;
      case kinds.settings:
        inbound.settings(readSettings(frames));
        break;
      default:
        if ((frames.kind & ignorableBit) === 0) {
          throw new RpcError("internal", `unknown frame kind ${frames.kind}`);
        }
    }
    return true;
  }

  #readRefusal(inbound: Inbound): boolean {
    const error = this.#refusal.read();
    if (error === undefined) return false;
    inbound.error(0, error);
    return true;
  }

  #readRequest(inbound: Inbound): void {
    const frames = this.#frames;
    const { bytes, start, end, seq } = frames;
    if (seq === 0) throw new RpcError("internal", "a request has seq 0");
    if (end - start < requestHeadBytes) throw cutOff("a request");
    const number = readUint16(bytes, start + 8);
    const head: RequestHead = {
      seq,
      serviceMethod: this.#receivedNames.nameOf(number) ?? "",
      timeoutMs: readUint32(bytes, start),
      sentAtMs: readUint32(bytes, start + 4),
      oneWay: (frames.flags & flags.oneWay) !== 0,
    };
    let args: unknown;
    try {
      let at = start + requestHeadBytes;
      if ((frames.flags & flags.named) !== 0) {
        at = this.#readName(head, number, at);
      } else if (head.serviceMethod === "") {
        throw new RpcError(
          "invalid_argument",
          `method number ${number} has no name`,
        );
      }
      at = this.#skipMetadata(at);
      refuseFlags(frames.flags & unknownRequestFlags);
      if ((frames.flags & flags.pieces) !== 0) {
        const total = this.#readTotal(at);
        this.#partialRequests.announce(seq, head, frames.encoding, total);
        return;
      }
      args = this.#bodies.decode(frames.encoding, frames.bytes, at, end);
    } catch (thrown) {
      inbound.badRequest(head, RpcError.from(thrown, "invalid_argument"));
      return;
    }
    inbound.request(head, args);
  }

  #readName(head: RequestHead, number: number, at: number): number {
    const { bytes, end } = this.#frames;
    if (end - at < 2) throw cutOff("a name");
    const from = at + 2;
    const to = from + readUint16(bytes, at);
    if (to > end) throw cutOff("a name");
    if (to - from > maxNameBytes) throw longName(to - from);
    head.serviceMethod = bytes.toString("utf8", from, to);
    this.#receivedNames.define(number, head.serviceMethod);
    return to;
  }

  /** Steps over metadata, which this side does not read yet. */
  #skipMetadata(at: number): number {
    const { bytes, end } = this.#frames;
    if ((this.#frames.flags & flags.metadata) === 0) return at;
    if (end - at < 2) throw cutOff("metadata");
    const to = at + 2 + readUint16(bytes, at);
    if (to > end) throw cutOff("metadata");
    return to;
  }

  #readTotal(at: number): number {
    const { bytes, end } = this.#frames;
    if (end - at !== 4) throw cutOff("a body's total length");
    return readUint32(bytes, at);
  }

  #readResponse(inbound: Inbound): void {
    const frames = this.#frames;
    const { seq, end } = frames;
    this.#pieces.drop(seq, 0);
    let reply: unknown;
    try {
      const at = this.#skipMetadata(frames.start);
      refuseFlags(frames.flags & unknownResponseFlags);
      if ((frames.flags & flags.pieces) !== 0) {
        const total = this.#readTotal(at);
        this.#partialResponses.announce(seq, undefined, frames.encoding, total);
        return;
      }
      reply = this.#bodies.decode(frames.encoding, frames.bytes, at, end);
    } catch (thrown) {
      inbound.error(seq, badReply(thrown));
      return;
    }
    inbound.response(seq, reply);
  }

  #readError(inbound: Inbound): void {
    const frames = this.#frames;
    this.#pieces.drop(frames.seq, 0);
    this.#partialResponses.drop(frames.seq);
    let error: RpcError;
    try {
      const at = this.#skipMetadata(frames.start);
      error = readError(frames, at, this.#bodies);
    } catch (thrown) {
      error = badReply(thrown);
    }
    inbound.error(frames.seq, error);
  }

  #readPiece(inbound: Inbound): void {
    const { seq, bytes, start, end } = this.#frames;
    const piece = bytes.subarray(start, end);
    if ((this.#frames.flags & flags.answer) !== 0) {
      this.#readResponsePiece(inbound, seq, piece);
    } else this.#readRequestPiece(inbound, seq, piece);
  }

  #readRequestPiece(inbound: Inbound, seq: number, piece: Buffer): void {
    const partial = this.#partialRequests;
    if (partial.isFullFor(seq)) {
      inbound.badRequest(partial.drop(seq) as RequestHead, this.#tooMany());
      return;
    }
    const body = partial.add(seq, piece);
    if (body === undefined) return;
    let args: unknown;
    try {
      args = this.#bodies.decode(body.encoding, body.bytes, 0, body.length);
    } catch (thrown) {
      inbound.badRequest(body.head, RpcError.from(thrown));
      return;
    }
    inbound.request(body.head, args);
  }

  #readResponsePiece(inbound: Inbound, seq: number, piece: Buffer): void {
    const partial = this.#partialResponses;
    if (partial.isFullFor(seq)) {
      partial.drop(seq);
      inbound.error(seq, this.#tooMany());
      return;
    }
    const body = partial.add(seq, piece);
    if (body === undefined) return;
    let reply: unknown;
    try {
      reply = this.#bodies.decode(body.encoding, body.bytes, 0, body.length);
    } catch (thrown) {
      inbound.error(seq, badReply(thrown));
      return;
    }
    inbound.response(seq, reply);
  }

  #tooMany(): RpcError {
    return new RpcError(
      "resource_exhausted",
      `more than ${this.#limits.maxPartialBodies} bodies arrive in pieces at a time`,
    );
  }

  // Writing

  writeSettings(out: SendBuffer, settings: Settings): void {
    const text = settingsText(settings);
    writeHeader(out, kinds.settings, 0, 0, 0, text.length, 0);
    out.writeText(text);
  }

  writeRequest(
    out: SendBuffer,
    head: RequestHead,
    args: unknown,
    form?: Form,
  ): void {
    const { seq, serviceMethod } = head;
    const body = this.#bodies.encode(args, bodyNameOf(form));
    const large = this.#largeBytes(body.content);
    const number = this.#sentNames.numberOf(serviceMethod);
    const name = number === undefined ? encodeName(serviceMethod) : undefined;
    let flag = head.oneWay ? flags.oneWay : 0;
    if (name !== undefined) flag |= flags.named;
    if (large !== undefined) flag |= flags.pieces;
    const from = out.length;
    writeHeader(out, kinds.request, flag, body.encoding, 0, 0, seq);
    out.reserve(requestHeadBytes);
    const { view, end } = out;
    view.setUint32(end, timeoutOnWire(head.timeoutMs), true);
    view.setUint32(end + 4, head.sentAtMs, true);
    view.setUint16(
      end + 8,
      number ?? this.#sentNames.assign(serviceMethod),
      true,
    );
    out.end = end + requestHeadBytes;
    if (name !== undefined) {
      out.writeUint16(name.length);
      out.writeBytes(name);
    }
    this.#writeBody(out, from, seq, 0, body.content, large);
  }

  writeResponse(
    out: SendBuffer,
    seq: number,
    _serviceMethod: string,
    reply: unknown,
  ): void {
    const body = this.#bodies.encode(reply);
    const large = this.#largeBytes(body.content);
    const flag = large === undefined ? 0 : flags.pieces;
    const from = out.length;
    writeHeader(out, kinds.response, flag, body.encoding, 0, 0, seq);
    this.#writeBody(out, from, seq, flags.answer, body.content, large);
  }

  /** Appends the body, or its total length where it follows in pieces, and completes the header. */
  #writeBody(
    out: SendBuffer,
    from: number,
    seq: number,
    direction: number,
    content: string | Uint8Array,
    large: Uint8Array | undefined,
  ): void {
    if (large !== undefined) {
      out.writeUint32(large.length);
      this.#pieces.add(seq, direction, large);
    } else if (typeof content === "string") out.writeText(content);
    else out.writeBytes(content);
    setContentLength(out, out.length - from);
  }

  /** The body's bytes where it has to go in pieces. */
  #largeBytes(content: string | Uint8Array): Uint8Array | undefined {
    // A UTF-16 unit is at most three bytes of UTF-8.
    const isText = typeof content === "string";
    if ((isText ? content.length * 3 : content.length) <= this.#inlineBytes) {
      return undefined;
    }
    const length = isText ? Buffer.byteLength(content) : content.length;
    const { maxMessageBytes } = this.#limits;
    if (length > maxMessageBytes) throw tooLong(length, maxMessageBytes);
    if (length <= pieceBytes) return undefined;
    return isText ? Buffer.from(content) : content;
  }

  writeError(
    out: SendBuffer,
    seq: number,
    _serviceMethod: string,
    error: RpcError,
  ): void {
    this.#pieces.drop(seq, flags.answer);
    writeErrorFrame(out, seq, error, this.#bodies);
  }

  writeCancel(out: SendBuffer, seq: number): void {
    this.#pieces.drop(seq, 0);
    this.#partialResponses.drop(seq);
    writeHeader(out, kinds.cancel, 0, 0, 0, 0, seq);
  }

  get heldBytes(): number {
    return this.#pieces.heldBytes;
  }

  writePiece(out: SendBuffer): void {
    this.#pieces.write(out);
  }
}

/** Whole ms from 1, since 0 is no limit; 49 days at most. */
function timeoutOnWire(timeoutMs: number): number {
  if (timeoutMs === 0) return 0;
  return Math.min(Math.max(1, Math.ceil(timeoutMs)), 0xffff_ffff);
}

function refuseFlags(unknown: number): void {
  if (unknown === 0) return;
  throw new RpcError(
    "unimplemented",
    "the message is a stream or compressed, which this end does not do",
  );
}

function cutOff(what: string): RpcError {
  return new RpcError("invalid_argument", `${what} is cut off`);
}

/** A reply that came but cannot be read fails the call at its caller. */
function badReply(thrown: unknown): RpcError {
  const error = RpcError.from(thrown);
  return error.code === "resource_exhausted" || error.code === "unimplemented"
    ? error
    : new RpcError(
        "internal",
        `the reply cannot be decoded: ${error.message}`,
        {
          cause: error,
        },
      );
}

/** A Go type says nothing here: this codec carries what the value is. */
function bodyNameOf(form: Form | undefined): string | undefined {
  return typeof form === "string" ? form : undefined;
}
