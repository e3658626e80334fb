import { RpcError } from "../../errors.ts";
import type { Limits } from "../../wire/limits.ts";

/** A body that arrives in pieces, and what to do with it once it is whole. */
export interface PartialBody<Head> {
  head: Head;
  totalBytes: number;
  bytes: Buffer;
  length: number;
  /** Whether a piece came since the last dropStalled(). */
  hasGrown: boolean;
}

/** Largest messages that may be half here: as many as a sender has in rotation. */
const maxLargest = 4;

/** The room of a body until more of it has come. */
const firstCapacity = 128 * 1024;

/** Behind that, a body's room is less than so many times what has come of it. */
const maxRoomRatio = 8;

const noBytes = Buffer.alloc(0);

/**
 * The bodies of one direction that are half here, by seq. Memory follows what
 * came, not what was declared: a body has little room until that is full, then
 * an eighth of its total (of a large one, an eighth of that), then all of it.
 * The system counts room page by page as it is written to, but the garbage
 * collector counts it at once, and lets the more garbage lie: a peer that stops
 * half-way must not claim much. A body's bytes are copied 1.2 times, where
 * doubling copied them 2.4 times. The number of bodies with bytes is limited
 * and the sum of their totals, too, and so is the number of announced ones.
 * Items of streams are bodies like others.
 */
export class PartialBodies<Head> {
  readonly #limits: Limits;
  readonly #bodies = new Map<number, PartialBody<Head>>();
  #begun = 0;
  /** What those that have begun will come to. */
  #begunBytes = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Bodies that are announced and not whole. */
  get count(): number {
    return this.#bodies.size;
  }

  /**
   * Announces a body.
   *
   * @throws RpcError resource_exhausted  it is too large, or too many are under way: the call fails, its pieces are skipped
   * @throws RpcError invalid_argument    it is empty
   */
  announce(seq: number, head: Head, totalBytes: number): void {
    this.drop(seq);
    const { maxMessageBytes, maxRunningHandlers } = this.#limits;
    if (totalBytes > maxMessageBytes) {
      throw new RpcError(
        "resource_exhausted",
        `a message of ${totalBytes} bytes is over the limit of ${maxMessageBytes}`,
      );
    }
    if (totalBytes === 0) {
      throw new RpcError("invalid_argument", "an empty body comes in pieces");
    }
    if (this.#bodies.size >= maxRunningHandlers) {
      throw new RpcError(
        "resource_exhausted",
        `${maxRunningHandlers} messages are under way in pieces already`,
      );
    }
    this.#bodies.set(seq, {
      head,
      totalBytes,
      bytes: noBytes,
      length: 0,
      hasGrown: false,
    });
  }

  /**
   * Adds a piece; returns the body when it is whole. A piece of a body that is
   * not known is dropped: its call is over.
   *
   * @param restBytes of the same piece, still to come
   * @throws RpcError internal            more bytes than were announced: the framing is broken
   */
  add(
    seq: number,
    piece: Uint8Array,
    restBytes = 0,
  ): PartialBody<Head> | undefined {
    const body = this.#bodies.get(seq);
    if (body === undefined || piece.length === 0) return undefined;
    const length = body.length + piece.length;
    if (length + restBytes > body.totalBytes) {
      throw new RpcError("internal", "a body is longer than was announced");
    }
    if (body.length === 0) {
      this.#begun++;
      this.#begunBytes += body.totalBytes;
    }
    body.hasGrown = true;
    if (length > body.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(roomFor(length, body.totalBytes));
      grown.set(body.bytes.subarray(0, body.length));
      body.bytes = grown;
    }
    body.bytes.set(piece, body.length);
    body.length = length;
    if (length < body.totalBytes) return undefined;
    this.drop(seq);
    return body;
  }

  /** What the body of this seq that is half here belongs to. */
  headOf(seq: number): Head | undefined {
    // Asked at every item: nearly always there is nothing to look for.
    return this.#bodies.size === 0 ? undefined : this.#bodies.get(seq)?.head;
  }

  /** Whether the first piece of this body would be one begun body, or too many bytes to come, too many. */
  isFullFor(seq: number): boolean {
    const body = this.#bodies.get(seq);
    if (body?.length !== 0) return false;
    const { maxPartialBodies, maxMessageBytes } = this.#limits;
    return (
      this.#begun >= maxPartialBodies ||
      this.#begunBytes + body.totalBytes > maxLargest * maxMessageBytes
    );
  }

  /**
   * Forgets the bodies that have begun and have not grown since the last call,
   * and returns their heads. Those that have not begun wait for their turn at
   * the sender.
   */
  dropStalled(): Head[] {
    const dropped: Head[] = [];
    for (const [seq, body] of this.#bodies) {
      if (body.length === 0) continue;
      if (body.hasGrown) body.hasGrown = false;
      else dropped.push(this.drop(seq) as Head);
    }
    return dropped;
  }

  /** Forgets the body; returns its head if there was one. */
  drop(seq: number): Head | undefined {
    // Asked at every response: nearly always there is nothing to look for.
    if (this.#bodies.size === 0) return undefined;
    const body = this.#bodies.get(seq);
    if (body === undefined) return undefined;
    this.#bodies.delete(seq);
    if (body.length > 0) {
      this.#begun--;
      this.#begunBytes -= body.totalBytes;
    }
    return body.head;
  }
}

/** Of the total and its eighth, that one's eighth and so on: the least that holds `length` bytes. */
function roomFor(length: number, totalBytes: number): number {
  if (length <= firstCapacity) return Math.min(totalBytes, firstCapacity);
  let room = totalBytes;
  while (room >= length * maxRoomRatio) room = Math.ceil(room / maxRoomRatio);
  return room;
}
