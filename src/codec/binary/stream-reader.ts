import { RpcError } from "../../errors.ts";
import { flags, minItemBytes } from "../../wire/frame.ts";
import type { FrameReader } from "../../wire/frame-reader.ts";
import type { Limits } from "../../wire/limits.ts";
import { readUint32 } from "../../wire/little-endian.ts";
import type { Metadata } from "../../wire/metadata.ts";
import type { Inbound, RequestHead } from "../codec.ts";
import { cutOff, tellBadItem } from "./bad-body.ts";
import type { BodyReader } from "./body-reader.ts";
import { encodings } from "./body.ts";
import { frameMetadata, frameMetadataEnd } from "./frame-metadata.ts";
import { PartialItem } from "./partial-message.ts";
import type { OutgoingPieces } from "./pieces.ts";

/** What comes over one binary connection of streams that have begun: items, ends and credit. */
export class StreamReader {
  readonly #frames: FrameReader;
  readonly #limits: Limits;
  readonly #bodies: BodyReader;
  readonly #pieces: OutgoingPieces;

  constructor(
    frames: FrameReader,
    limits: Limits,
    bodies: BodyReader,
    pieces: OutgoingPieces,
  ) {
    this.#frames = frames;
    this.#limits = limits;
    this.#bodies = bodies;
    this.#pieces = pieces;
  }

  readItem(inbound: Inbound): void {
    const { seq, flags: flag, start } = this.#frames;
    const isAnswer = (flag & flags.answer) !== 0;
    const declared = this.#bodies.declaredBytes(start);
    const chargedBytes = Math.max(minItemBytes, declared);
    if (!inbound.awaits(seq, isAnswer)) {
      // Told all the same, since it has taken its part of the window; its pieces are dropped.
      inbound.item(seq, isAnswer, undefined, chargedBytes);
      return;
    }
    let item: unknown;
    try {
      if (this.#bodies.isPartial(seq, isAnswer)) {
        throw new RpcError(
          "invalid_argument",
          "an item came before the one in front of it was whole",
        );
      }
      if ((flag & flags.pieces) !== 0) {
        const message = new PartialItem(seq, isAnswer, chargedBytes);
        this.#bodies.announce(start, isAnswer, message);
        return;
      }
      item = this.#bodies.read(start);
    } catch (thrown) {
      tellBadItem(inbound, seq, isAnswer, thrown, chargedBytes);
      return;
    }
    inbound.item(seq, isAnswer, item, chargedBytes);
  }

  readEnd(inbound: Inbound): void {
    const frames = this.#frames;
    const { seq, flags: flag, start } = frames;
    const isAnswer = (flag & flags.answer) !== 0;
    // The answer is over, and so nobody takes the rest of the argument.
    if (isAnswer) this.#pieces.drop(seq, 0);
    let metadata: Metadata | undefined;
    try {
      const end = frameMetadataEnd(frames, start);
      metadata = frameMetadata(frames, start, end, this.#limits);
    } catch (thrown) {
      tellBadItem(inbound, seq, isAnswer, thrown, 0);
      return;
    }
    inbound.halfClose(seq, isAnswer, metadata);
  }

  /** @throws RpcError invalid_argument  it is cut off: the framing is broken */
  readCredit(inbound: Inbound): void {
    const { seq, flags: flag, bytes, start, end } = this.#frames;
    if (end - start < 4) throw cutOff("a credit");
    const isAnswer = (flag & flags.answer) !== 0;
    inbound.credit(seq, isAnswer, readUint32(bytes, start));
  }
}

/**
 * Looks at a request or a response whose items follow as frames of their own.
 *
 * @throws RpcError invalid_argument  it has a body, too
 */
export function refuseBody({ flags: flag, encoding }: FrameReader): void {
  const bodyFlags = flag & (flags.pieces | flags.compressed);
  if (encoding === encodings.nothing && bodyFlags === 0) return;
  throw new RpcError(
    "invalid_argument",
    "a stream begins with a body: write encoding 0 and send items",
  );
}

/** @throws RpcError invalid_argument  a one-way request begins a stream, which nothing would answer: no credit, no end */
export function refuseOneWayStream({ oneWay, isStream }: RequestHead): void {
  if (!oneWay || isStream !== true) return;
  throw new RpcError(
    "invalid_argument",
    "a one-way call has no streams: call it, and drop the reply",
  );
}
