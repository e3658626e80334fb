import { RpcError } from "../../errors.ts";
import {
  flags,
  ignorableBit,
  kinds,
  maxNameBytes,
  maxMethodNumbers,
  requestHeadBytes,
} from "../../wire/frame.ts";
import { FrameReader } from "../../wire/frame-reader.ts";
import { readUint16, readUint32 } from "../../wire/little-endian.ts";
import { RefusalReader } from "../../wire/refusal.ts";
import type { CodecContext, Inbound, RequestHead } from "../codec.ts";
import type { Bodies } from "./body.ts";
import { readError } from "./error-frame.ts";
import { longName, ReceivedNames } from "./method-numbers.ts";
import { PartialBodies } from "./partial-bodies.ts";
import type { OutgoingPieces } from "./pieces.ts";
import { readSettings } from "./settings.ts";

/** Flags that this side cannot do: such a request or response fails. */
const unknownFlags = flags.compressed | flags.stream;

/** What comes over one binary connection. An answer or a cancel also ends the pieces of its seq that were to go out. */
export class BinaryReader {
  readonly #bodies: Bodies;
  readonly #pieces: OutgoingPieces;
  readonly #frames = new FrameReader();
  /** What the dialling end gets first; undefined once settings have come. */
  #greeting: RefusalReader | undefined;
  readonly #receivedNames = new ReceivedNames(maxMethodNumbers);
  readonly #partialRequests: PartialBodies<RequestHead>;
  readonly #partialResponses: PartialBodies<undefined>;

  constructor(
    { role, limits }: CodecContext,
    bodies: Bodies,
    pieces: OutgoingPieces,
  ) {
    if (role === "dial") this.#greeting = new RefusalReader();
    this.#bodies = bodies;
    this.#pieces = pieces;
    this.#partialRequests = new PartialBodies(limits);
    this.#partialResponses = new PartialBodies(limits);
  }

  push(chunk: Uint8Array): void {
    if (this.#greeting?.push(chunk) !== true) this.#frames.push(chunk);
  }

  read(inbound: Inbound): boolean {
    if (this.#greeting !== undefined) {
      return this.#readGreeting(this.#greeting, inbound);
    }
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

  /** Settings, or why there are none: then no request has run. */
  #readGreeting(greeting: RefusalReader, inbound: Inbound): boolean {
    const frames = this.#frames;
    let error: RpcError | undefined;
    if (greeting.isReading) {
      error = greeting.read();
      if (error === undefined) return false;
    } else {
      try {
        if (!frames.next()) return false;
      } catch {
        error = greeting.strangerError();
      }
      if (error === undefined && frames.kind === kinds.settings) {
        this.#greeting = undefined;
        inbound.settings(readSettings(frames));
        return true;
      }
      const isRefusal = frames.kind === kinds.error && frames.seq === 0;
      error ??= isRefusal ? this.#refusal() : greeting.strangerError();
    }
    inbound.error(0, error);
    return true;
  }

  #refusal(): RpcError {
    const { code, message, details } = this.#errorOfFrame();
    return new RpcError(code, message, { details, sent: false });
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
      refuseFlags(frames.flags & unknownFlags);
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
    this.#partialResponses.drop(seq);
    let reply: unknown;
    try {
      const at = this.#skipMetadata(frames.start);
      refuseFlags(frames.flags & unknownFlags);
      if ((frames.flags & flags.pieces) !== 0) {
        const total = this.#readTotal(at);
        if (!inbound.awaits(seq)) {
          // Nobody keeps its pieces; it is told so that it is counted.
          inbound.response(seq, undefined);
          return;
        }
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
    inbound.error(frames.seq, this.#errorOfFrame());
  }

  #errorOfFrame(): RpcError {
    const frames = this.#frames;
    try {
      const at = this.#skipMetadata(frames.start);
      return readError(frames, at, this.#bodies);
    } catch (thrown) {
      return badReply(thrown);
    }
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
      inbound.badRequest(partial.drop(seq) as RequestHead, tooMany(false));
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
      inbound.error(seq, tooMany());
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

  get partialRequests(): number {
    return this.#partialRequests.count;
  }

  dropStalled(inbound: Inbound): void {
    for (const head of this.#partialRequests.dropStalled()) {
      const error = new RpcError(
        "deadline_exceeded",
        "the rest of the request did not come",
        { sent: false },
      );
      inbound.badRequest(head, error);
    }
  }

  /** Nobody waits for this answer any more: its pieces are not kept. */
  forgetResponse(seq: number): void {
    this.#partialResponses.drop(seq);
  }
}

function refuseFlags(unknown: number): void {
  if (unknown === 0) return;
  throw new RpcError(
    "unimplemented",
    "the message is a stream or compressed, which this end does not do",
  );
}

/** @param sent false of a request, which has not run then */
function tooMany(sent?: false): RpcError {
  return new RpcError(
    "resource_exhausted",
    "too many bodies, or too large ones, arrive in pieces at a time",
    sent === undefined ? {} : { sent },
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
