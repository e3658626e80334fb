import { codeOf, RpcError } from "../../errors.ts";
import { flags } from "../../wire/frame.ts";
import type { FrameReader } from "../../wire/frame-reader.ts";
import type { Limits } from "../../wire/limits.ts";
import type { Metadata } from "../../wire/metadata.ts";
import type { Inbound } from "../codec.ts";
import { badReply } from "./bad-body.ts";
import type { BodyReader } from "./body-reader.ts";
import type { Bodies } from "./body.ts";
import { readError } from "./error-frame.ts";
import { frameMetadata, frameMetadataEnd } from "./frame-metadata.ts";
import { PartialResponse } from "./partial-message.ts";
import type { OutgoingPieces } from "./pieces.ts";
import { refuseBody } from "./stream-reader.ts";

/** A reply of up to so many bytes is decoded without asking whether it is awaited. */
const freeReplyBytes = 4 * 1024;

/** What comes over one binary connection in answer to requests. It ends the pieces of its request that were to go out. */
export class AnswerReader {
  readonly #frames: FrameReader;
  readonly #limits: Limits;
  readonly #bodies: BodyReader;
  /** Errors' details stand in their frame, as they are. */
  readonly #details: Bodies;
  readonly #pieces: OutgoingPieces;

  constructor(
    frames: FrameReader,
    limits: Limits,
    bodies: BodyReader,
    details: Bodies,
    pieces: OutgoingPieces,
  ) {
    this.#frames = frames;
    this.#limits = limits;
    this.#bodies = bodies;
    this.#details = details;
    this.#pieces = pieces;
  }

  readResponse(inbound: Inbound): void {
    const frames = this.#frames;
    const { seq, start, flags: flag } = frames;
    if ((flag & flags.stream) !== 0) {
      this.#readStreamed(inbound);
      return;
    }
    this.#pieces.drop(seq, 0);
    this.#bodies.dropCall(seq, true);
    let reply: unknown;
    let metadata: Metadata | undefined;
    try {
      const at = frameMetadataEnd(frames, start);
      metadata = frameMetadata(frames, start, at, this.#limits);
      const isLarge = this.#bodies.declaredBytes(at) > freeReplyBytes;
      const isInPieces = (flag & flags.pieces) !== 0;
      // Whether somebody waits is asked a second time when it is told: not of small ones.
      const isDropped = (isLarge || isInPieces) && !inbound.awaits(seq, true);
      if (!isDropped && !isInPieces) reply = this.#bodies.read(at);
      else if (!isDropped) {
        this.#bodies.announce(at, true, new PartialResponse(seq, metadata));
        return;
      }
      // Nobody decodes or keeps one that is not awaited; it is told so that it is counted.
    } catch (thrown) {
      inbound.error(seq, badReply(thrown));
      return;
    }
    inbound.response(seq, reply, metadata);
  }

  /** The argument of such a call may still be on its way. */
  #readStreamed(inbound: Inbound): void {
    const frames = this.#frames;
    const { seq, start } = frames;
    let metadata: Metadata | undefined;
    try {
      refuseBody(frames);
      const at = frameMetadataEnd(frames, start);
      metadata = frameMetadata(frames, start, at, this.#limits);
    } catch (thrown) {
      inbound.error(seq, badReply(thrown));
      return;
    }
    inbound.streamed(seq, metadata);
  }

  readError(inbound: Inbound): void {
    const { seq } = this.#frames;
    this.#pieces.drop(seq, 0);
    this.#bodies.dropCall(seq, true);
    inbound.error(seq, this.error(), this.#metadataOfError());
  }

  /** The error of the current frame. */
  error(): RpcError {
    const frames = this.#frames;
    try {
      const at = frameMetadataEnd(frames, frames.start);
      return readError(frames, at, this.#details);
    } catch {
      // Nobody finds the message: the code is left, which matters more.
      const sent = (frames.flags & flags.notStarted) === 0;
      const text = "the error's message is cut off";
      return new RpcError(codeOf(frames.code), text, { sent });
    }
  }

  /** As details: what cannot be read is left out, since the code matters more. */
  #metadataOfError(): Metadata | undefined {
    const frames = this.#frames;
    const { start } = frames;
    try {
      const end = frameMetadataEnd(frames, start);
      return frameMetadata(frames, start, end, this.#limits);
    } catch {
      return undefined;
    }
  }
}
