import { RpcError } from "../../errors.ts";
import type { Limits } from "../../wire/limits.ts";
import type { SendBuffer } from "../../wire/send-buffer.ts";

/** The answers of one batch that wait for the others. */
export class Batch {
  readonly answers: string[] = [];
  bytes = 0;
  /** Requests that have no answer yet; notifications are not among them. */
  waiting: number;

  constructor(waiting: number) {
    this.waiting = waiting;
  }
}

/**
 * The batches of a connection that are not answered. A batch is answered as a
 * whole, so its answers wait here, at most maxMessageBytes of them over all
 * batches: a thousand batches with one slow call each would keep a thousand
 * times their quick answers. An answer that finds no room becomes an error of
 * a hundred bytes; while there is no room, a new batch is refused.
 */
export class OpenBatches {
  readonly #limits: Limits;
  #heldBytes = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /**
   * Refuses a batch before any of it is read further.
   *
   * @throws RpcError resource_exhausted
   */
  admit(length: number): void {
    const { maxRunningHandlers, maxMessageBytes } = this.#limits;
    if (length > maxRunningHandlers) {
      throw new RpcError(
        "resource_exhausted",
        `a batch has more than ${maxRunningHandlers} requests`,
      );
    }
    if (this.#heldBytes >= maxMessageBytes) {
      throw new RpcError(
        "resource_exhausted",
        "too many answers wait for their batches: try again later",
      );
    }
  }

  hasRoom(answer: string): boolean {
    const bytes = Buffer.byteLength(answer);
    return this.#heldBytes + bytes <= this.#limits.maxMessageBytes;
  }

  /** Takes one answer; the last one sends them all. */
  add(out: SendBuffer, batch: Batch, answer: string): void {
    const bytes = Buffer.byteLength(answer);
    batch.answers.push(answer);
    batch.bytes += bytes;
    this.#heldBytes += bytes;
    if (--batch.waiting > 0) return;
    this.#heldBytes -= batch.bytes;
    out.writeText(`[${batch.answers.join(",")}]\n`);
  }
}
