import type { Codec, Form, RequestHead, Settings } from "../codec/codec.ts";
import { RpcError } from "../errors.ts";
import type { Outbox } from "../transport/outbox.ts";
import { pieceBytes } from "../wire/frame.ts";
import type { Limits } from "../wire/limits.ts";
import type { SendBuffer } from "../wire/send-buffer.ts";

/** What a session says: messages, encoded by its codec into its outbox, in order. */
export class Sender {
  readonly #codec: Codec;
  readonly #outbox: Outbox;
  readonly #maxQueuedBytes: number;
  readonly #floodBytes: number;

  constructor(codec: Codec, outbox: Outbox, limits: Limits) {
    const { maxQueuedBytes, maxMessageBytes } = limits;
    this.#codec = codec;
    this.#outbox = outbox;
    this.#maxQueuedBytes = maxQueuedBytes;
    this.#floodBytes = 2 * maxQueuedBytes + maxMessageBytes;
  }

  /** Whether so much is queued that nothing should be added but answers and cancels. */
  get isCongested(): boolean {
    return this.#queuedBytes >= this.#maxQueuedBytes;
  }

  /**
   * Whether more is queued than this end's own calls can have brought: they
   * stop at limits.maxQueuedBytes, with one message on top. The rest, at least
   * as much again, is answers, and a peer that reads leaves no so many.
   */
  get isFlooded(): boolean {
    return this.#queuedBytes >= this.#floodBytes;
  }

  get #queuedBytes(): number {
    return this.#outbox.queuedBytes + this.#codec.heldBytes;
  }

  /** Whether everything that was said stands in the queue, and no body follows in pieces. */
  get isWhole(): boolean {
    return this.#codec.heldBytes === 0;
  }

  /** Whether the codec's error with seq 0 can say that what was not answered was not started. */
  get canSayNotStarted(): boolean {
    return this.#codec.features.settings;
  }

  /** Whether a caller can take a request back on this connection. */
  get canCancel(): boolean {
    return this.#codec.features.cancel;
  }

  /** Whether any byte from `position` on has been handed to the kernel. */
  hasTaken(position: number): boolean {
    return position < this.#outbox.takenBytes;
  }

  /** Appends bytes that stand before the codec's: the Option. */
  bytes(bytes: Uint8Array): void {
    this.#outbox.buffer.writeBytes(bytes);
    this.#outbox.schedule();
  }

  settings(settings: Settings): void {
    this.#codec.writeSettings(this.#outbox.buffer, settings);
    this.#outbox.schedule();
  }

  /**
   * Queues a request and returns the position of its first byte.
   *
   * @throws RpcError as Codec.writeRequest; nothing is queued then
   */
  request(head: RequestHead, args: unknown, form: Form | undefined): number {
    const { buffer, position } = this.#outbox;
    this.#codec.writeRequest(buffer, head, args, form);
    this.#outbox.schedule();
    return position;
  }

  /** Queues a reply; one that cannot be encoded becomes an error. */
  response(seq: number, serviceMethod: string, reply: unknown): void {
    try {
      this.#codec.writeResponse(this.#outbox.buffer, seq, serviceMethod, reply);
    } catch (thrown) {
      const { code, message } = RpcError.from(thrown);
      const error = new RpcError(
        code === "resource_exhausted" ? code : "internal",
        `the reply cannot be sent: ${message}`,
      );
      this.error(seq, serviceMethod, error);
      return;
    }
    this.#outbox.schedule();
  }

  error(seq: number, serviceMethod: string, error: RpcError): void {
    this.#codec.writeError(this.#outbox.buffer, seq, serviceMethod, error);
    this.#outbox.schedule();
  }

  /** Takes a request back; only where canCancel. */
  cancel(seq: number): void {
    this.#codec.writeCancel(this.#outbox.buffer, seq);
    this.#outbox.schedule();
  }

  /** Appends pieces of large bodies while little else is queued. */
  refill(buffer: SendBuffer): void {
    while (this.#codec.heldBytes > 0 && buffer.length < pieceBytes) {
      this.#codec.writePiece(buffer);
    }
  }
}
