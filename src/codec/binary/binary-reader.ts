import { codeOf, RpcError } from "../../errors.ts";
import {
  flags,
  ignorableBit,
  kinds,
  maxNameBytes,
  maxMethodNumbers,
  requestHeadBytes,
} from "../../wire/frame.ts";
import { FrameReader } from "../../wire/frame-reader.ts";
import type { Limits } from "../../wire/limits.ts";
import { readUint16, readUint32 } from "../../wire/little-endian.ts";
import { RefusalReader } from "../../wire/refusal.ts";
import type { CodecContext, Inbound, RequestHead } from "../codec.ts";
import { AnswerReader } from "./answer-reader.ts";
import { badArgument, cutOff } from "./bad-body.ts";
import { BodyReader } from "./body-reader.ts";
import type { Bodies } from "./body.ts";
import type { BodyCompression } from "./compression.ts";
import { frameMetadata, frameMetadataEnd } from "./frame-metadata.ts";
import { longName, ReceivedNames } from "./method-numbers.ts";
import { PartialRequest } from "./partial-message.ts";
import type { OutgoingPieces } from "./pieces.ts";
import { readSettings } from "./settings.ts";
import {
  refuseBody,
  refuseOneWayStream,
  StreamReader,
} from "./stream-reader.ts";

/** What comes over one binary connection. An answer or a cancel also ends the pieces of its seq that were to go out. */
export class BinaryReader {
  readonly #limits: Limits;
  readonly #pieces: OutgoingPieces;
  readonly #compression: BodyCompression;
  readonly #frames = new FrameReader();
  readonly #bodies: BodyReader;
  readonly #answers: AnswerReader;
  readonly #streams: StreamReader;
  /** What the dialling end gets first; undefined once settings have come. */
  #greeting: RefusalReader | undefined;
  readonly #receivedNames = new ReceivedNames(maxMethodNumbers);

  constructor(
    { role, limits }: CodecContext,
    bodies: Bodies,
    pieces: OutgoingPieces,
    compression: BodyCompression,
  ) {
    if (role === "dial") this.#greeting = new RefusalReader();
    const frames = this.#frames;
    this.#limits = limits;
    this.#pieces = pieces;
    this.#compression = compression;
    const reader = new BodyReader(frames, limits, bodies, compression);
    this.#bodies = reader;
    this.#answers = new AnswerReader(frames, limits, reader, bodies, pieces);
    this.#streams = new StreamReader(frames, limits, reader, pieces);
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
        this.#answers.readResponse(inbound);
        break;
      case kinds.error:
        this.#answers.readError(inbound);
        break;
      case kinds.cancel:
        this.#pieces.drop(frames.seq, flags.answer);
        this.#bodies.dropCall(frames.seq, false);
        inbound.cancel(frames.seq);
        break;
      case kinds.piece:
        this.#bodies.readPiece(inbound);
        break;
      case kinds.item:
        this.#streams.readItem(inbound);
        break;
      case kinds.end:
        this.#streams.readEnd(inbound);
        break;
      case kinds.credit:
        this.#streams.readCredit(inbound);
        break;
      case kinds.goaway:
        this.#readGoaway(inbound);
        break;
      case kinds.ping:
        inbound.ping(frames.seq);
        break;
      case kinds.pong:
        inbound.pong(frames.seq);
        break;
      case kinds.settings:
        throw new RpcError(
          "internal",
          "settings come once, from the accepting end",
        );
      default:
        if ((frames.kind & ignorableBit) === 0) {
          throw new RpcError("internal", `unknown frame kind ${frames.kind}`);
        }
        inbound.idle();
    }
    return true;
  }

  #readSettings(inbound: Inbound): void {
    const settings = readSettings(this.#frames);
    if (settings.compression === "zstd") this.#compression.agree();
    inbound.settings(settings);
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
        this.#readSettings(inbound);
        return true;
      }
      const isRefusal = frames.kind === kinds.error && frames.seq === 0;
      error ??= isRefusal ? this.#refusal() : greeting.strangerError();
    }
    inbound.error(0, error);
    return true;
  }

  #refusal(): RpcError {
    const { code, message, details } = this.#answers.error();
    return new RpcError(code, message, { details, sent: false });
  }

  #readRequest(inbound: Inbound): void {
    const frames = this.#frames;
    const { bytes, start, end, seq, flags: flag } = frames;
    if (seq === 0) throw new RpcError("internal", "a request has seq 0");
    if (end - start < requestHeadBytes) throw cutOff("a request");
    const number = readUint16(bytes, start + 8);
    const head: RequestHead = {
      seq,
      serviceMethod: this.#receivedNames.nameOf(number) ?? "",
      timeoutMs: readUint32(bytes, start),
      sentAtMs: readUint32(bytes, start + 4),
      oneWay: (flag & flags.oneWay) !== 0,
      untilReply: (flag & flags.untilReply) !== 0,
      isStream: (flag & flags.stream) !== 0,
      metadata: undefined,
    };
    let args: unknown;
    try {
      let at = start + requestHeadBytes;
      if ((flag & flags.named) !== 0) at = this.#readName(head, number, at);
      else if (head.serviceMethod === "") {
        throw new RpcError(
          "invalid_argument",
          `method number ${number} has no name`,
        );
      }
      if ((flag & flags.metadata) !== 0) {
        const from = at;
        at = frameMetadataEnd(frames, from);
        head.metadata = frameMetadata(frames, from, at, this.#limits);
      }
      if ((flag & flags.stream) !== 0) {
        refuseBody(frames);
        refuseOneWayStream(head);
      } else if ((flag & flags.pieces) !== 0) {
        this.#bodies.admit(at, inbound);
        this.#bodies.announce(at, false, new PartialRequest(head));
        return;
      } else {
        const heldBytes = this.#bodies.admit(at, inbound);
        args = this.#bodies.read(at);
        if (heldBytes > 0) head.argumentBytes = heldBytes;
      }
    } catch (thrown) {
      inbound.badRequest(head, badArgument(thrown));
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

  #readGoaway(inbound: Inbound): void {
    const { seq, code, bytes, start, end } = this.#frames;
    const text = bytes.toString("utf8", start, end);
    inbound.goaway(seq, new RpcError(codeOf(code), text));
  }

  get partialRequests(): number {
    return this.#bodies.partialRequests;
  }

  dropStalled(inbound: Inbound): void {
    this.#bodies.dropStalled(inbound);
  }

  /** Nobody waits for this answer any more: its pieces are not kept. */
  forgetResponse(seq: number): void {
    this.#bodies.dropCall(seq, true);
  }

  /** Nobody takes the item any more that has begun to come; returns what it takes of the window. */
  forgetItem(seq: number, isAnswer: boolean): number {
    return this.#bodies.dropItem(seq, isAnswer);
  }
}
