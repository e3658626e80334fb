import { RpcError } from "../../errors.ts";
import { flags } from "../../wire/frame.ts";
import type { FrameReader } from "../../wire/frame-reader.ts";
import type { Limits } from "../../wire/limits.ts";
import { readUint32 } from "../../wire/little-endian.ts";
import type { Inbound } from "../codec.ts";
import { cutOff } from "./bad-body.ts";
import type { Bodies } from "./body.ts";
import { type BodyCompression, plainLengthBytes } from "./compression.ts";
import { PartialBodies } from "./partial-bodies.ts";
import type { PartialMessage } from "./partial-message.ts";

/** Arguments of up to so many bytes are not counted, since the number of calls bounds them, where they came as they are: compressed ones cost their sender next to nothing. */
const freeArgumentBytes = 16 * 1024;

/** As many largest arguments may wait for their turn: what one chunk brings is decoded before the first handler runs, and nobody else gets a turn meanwhile. */
const maxWaitingLargest = 8;

/** A body of which pieces are to come. */
interface Announced {
  message: PartialMessage;
  encoding: number;
  /** Its length once it is inflated; undefined where it is not compressed. */
  plainBytes: number | undefined;
}

/** Bodies as they come: in the frame of their message, or in pieces behind it. */
export class BodyReader {
  readonly #frames: FrameReader;
  readonly #limits: Limits;
  readonly #bodies: Bodies;
  readonly #compression: BodyCompression;
  /** Of requests, and of the items of their arguments. */
  readonly #arguments: PartialBodies<Announced>;
  /** Of responses, and of the items of replies. */
  readonly #answers: PartialBodies<Announced>;

  constructor(
    frames: FrameReader,
    limits: Limits,
    bodies: Bodies,
    compression: BodyCompression,
  ) {
    this.#frames = frames;
    this.#limits = limits;
    this.#bodies = bodies;
    this.#compression = compression;
    this.#arguments = new PartialBodies(limits);
    this.#answers = new PartialBodies(limits);
  }

  /**
   * The body in the current frame, from `at` to its end.
   *
   * @throws RpcError as Bodies.decode and BodyCompression.unpack
   */
  read(at: number): unknown {
    const { flags: flag, encoding, bytes, end } = this.#frames;
    if ((flag & flags.compressed) === 0) {
      return this.#bodies.decode(encoding, bytes, at, end);
    }
    const plainBytes = this.#readPlainLength(at);
    const packed = bytes.subarray(at + plainLengthBytes, end);
    return this.#inflate(encoding, packed, plainBytes);
  }

  /**
   * The body of the current request, at `at`, before it is decoded or its
   * pieces are kept: its bytes where they count as held, else 0.
   *
   * @throws RpcError resource_exhausted  too many are held; the call was not started
   */
  admit(at: number, inbound: Inbound): number {
    const isCompressed = (this.#frames.flags & flags.compressed) !== 0;
    return this.#admit(this.declaredBytes(at), isCompressed, inbound);
  }

  #admit(bytes: number, isCompressed: boolean, inbound: Inbound): number {
    if (bytes <= freeArgumentBytes && !isCompressed) return 0;
    const { maxArgumentBytes, maxMessageBytes } = this.#limits;
    const { heldArgumentBytes, waitingArgumentBytes } = inbound;
    const hasRoom =
      heldArgumentBytes + bytes <= maxArgumentBytes &&
      waitingArgumentBytes + bytes <= maxWaitingLargest * maxMessageBytes;
    if (hasRoom || heldArgumentBytes === 0) return bytes;
    throw new RpcError(
      "resource_exhausted",
      `calls with ${heldArgumentBytes} bytes of large arguments are running: make fewer at a time, or raise limits.maxArgumentBytes, ${maxArgumentBytes}, where they run`,
      { sent: false },
    );
  }

  /**
   * What the body at `at` of the current frame says that it comes to before
   * compression: nothing has been checked yet.
   */
  declaredBytes(at: number): number {
    const { flags: flag, bytes, end } = this.#frames;
    const isDeclared = (flag & (flags.compressed | flags.pieces)) !== 0;
    return isDeclared && end - at >= 4 ? readUint32(bytes, at) : end - at;
  }

  /**
   * Makes room for the body of the current frame's `message`, whose lengths
   * stand at `at` and which follows in pieces.
   *
   * @throws RpcError as PartialBodies.announce and BodyCompression.check
   */
  announce(at: number, isAnswer: boolean, message: PartialMessage): void {
    const { seq, flags: flag, encoding, bytes, end } = this.#frames;
    const isCompressed = (flag & flags.compressed) !== 0;
    const plainBytes = isCompressed ? this.#readPlainLength(at) : undefined;
    const totalAt = isCompressed ? at + plainLengthBytes : at;
    if (end - totalAt !== 4) throw cutOff("a body's total length");
    const total = readUint32(bytes, totalAt);
    const announced = { message, encoding, plainBytes };
    this.#partial(isAnswer).announce(seq, announced, total);
  }

  /** @throws RpcError internal  more bytes than were announced: the framing is broken */
  readPiece(inbound: Inbound): void {
    const { seq, flags: flag, bytes, start, end, restBytes } = this.#frames;
    if (start === end) {
      inbound.idle();
      return;
    }
    const partial = this.#partial((flag & flags.answer) !== 0);
    if (partial.isFullFor(seq)) {
      partial
        .drop(seq)
        ?.message.giveUp(
          inbound,
          "resource_exhausted",
          "too many bodies, or too large ones, arrive in pieces at a time",
        );
      return;
    }
    const body = partial.add(seq, bytes.subarray(start, end), restBytes);
    if (body === undefined) return;
    const { message, encoding, plainBytes } = body.head;
    let value: unknown;
    try {
      if (message.holdArgument !== undefined) {
        const bytes = plainBytes ?? body.length;
        const isCompressed = plainBytes !== undefined;
        message.holdArgument(this.#admit(bytes, isCompressed, inbound));
      }
      value =
        plainBytes === undefined
          ? this.#bodies.decode(encoding, body.bytes, 0, body.length)
          : this.#inflate(encoding, body.bytes, plainBytes);
    } catch (thrown) {
      message.fail(inbound, thrown);
      return;
    }
    message.tell(inbound, value);
  }

  /** Forgets a request, or a response, that has not come whole. */
  dropCall(seq: number, isAnswer: boolean): void {
    const partial = this.#partial(isAnswer);
    if (partial.headOf(seq)?.message.chargedBytes === 0) partial.drop(seq);
  }

  /** Forgets an item that has not come whole; returns what it takes of the window, 0 where there is none. */
  dropItem(seq: number, isAnswer: boolean): number {
    const partial = this.#partial(isAnswer);
    const bytes = partial.headOf(seq)?.message.chargedBytes ?? 0;
    if (bytes > 0) partial.drop(seq);
    return bytes;
  }

  /** Whether a body of this seq and direction has not come whole. */
  isPartial(seq: number, isAnswer: boolean): boolean {
    return this.#partial(isAnswer).headOf(seq) !== undefined;
  }

  get partialRequests(): number {
    return this.#arguments.count;
  }

  dropStalled(inbound: Inbound): void {
    for (const { message } of this.#arguments.dropStalled()) {
      message.giveUp(
        inbound,
        "deadline_exceeded",
        "the rest of the message did not come",
      );
    }
  }

  #partial(isAnswer: boolean): PartialBodies<Announced> {
    return isAnswer ? this.#answers : this.#arguments;
  }

  #readPlainLength(at: number): number {
    const plainBytes = this.declaredBytes(at);
    this.#compression.check(plainBytes);
    return plainBytes;
  }

  #inflate(encoding: number, packed: Uint8Array, plainBytes: number): unknown {
    const body = this.#compression.unpack(packed, plainBytes);
    return this.#bodies.decode(encoding, body, 0, body.length);
  }
}
