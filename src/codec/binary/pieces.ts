import { kinds, pieceBytes } from "../../wire/frame.ts";
import type { SendBuffer } from "../../wire/send-buffer.ts";
import { writeHeader } from "./header.ts";

/** How many bodies take turns; the others wait, so that a receiver holds few half ones. */
const turns = 4;

interface Outgoing {
  seq: number;
  /** flags.answer for the body or an item of an answer, 0 for those of a request. */
  flag: number;
  bytes: Uint8Array;
  at: number;
}

/**
 * Large bodies on their way out, a piece at a time, so that small calls get
 * through between them. The oldest four take turns.
 */
export class OutgoingPieces {
  readonly #bodies: Outgoing[] = [];
  #turn = 0;
  #heldBytes = 0;

  /** Bytes that are still to be written. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** `bytes` must not change until they are sent. */
  add(seq: number, flag: number, bytes: Uint8Array): void {
    this.#bodies.push({ seq, flag, bytes, at: 0 });
    this.#heldBytes += bytes.length;
  }

  /** Whether something of this body is still to be written. */
  holds(seq: number, flag: number): boolean {
    return this.#indexOf(seq, flag) >= 0;
  }

  /** Forgets the body: its call is over. */
  drop(seq: number, flag: number): void {
    const at = this.#indexOf(seq, flag);
    if (at < 0) return;
    const body = this.#bodies[at] as Outgoing;
    this.#bodies.splice(at, 1);
    this.#heldBytes -= body.bytes.length - body.at;
  }

  #indexOf(seq: number, flag: number): number {
    // Asked at every response: nearly always there is nothing to look through.
    if (this.#bodies.length === 0) return -1;
    return this.#bodies.findIndex(
      (body) => body.seq === seq && body.flag === flag,
    );
  }

  /** Appends one frame. Not to be called while empty. */
  write(out: SendBuffer): void {
    if (this.#turn >= Math.min(turns, this.#bodies.length)) this.#turn = 0;
    const body = this.#bodies[this.#turn] as Outgoing;
    const piece = body.bytes.subarray(body.at, body.at + pieceBytes);
    writeHeader(out, kinds.piece, body.flag, 0, 0, piece.length, body.seq);
    out.writeBytes(piece);
    body.at += piece.length;
    this.#heldBytes -= piece.length;
    // The next body moves into the place of one that is through.
    if (body.at === body.bytes.length) this.#bodies.splice(this.#turn, 1);
    else this.#turn++;
  }
}
