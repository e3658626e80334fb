import type {
  Codec,
  Form,
  RequestHead,
  SessionMessages,
  Settings,
} from "../codec/codec.ts";
import { RpcError } from "../errors.ts";
import { bulkFlushBytes, type Outbox } from "../transport/outbox.ts";
import { pieceBytes } from "../wire/frame.ts";
import type { Limits } from "../wire/limits.ts";
import { checkMetadata, type Metadata } from "../wire/metadata.ts";
import type { SendBuffer } from "../wire/send-buffer.ts";

/** What a session says: messages, encoded by its codec into its outbox, in order. */
export class Sender {
  readonly #codec: Codec;
  readonly #outbox: Outbox;
  readonly #maxQueuedBytes: number;
  readonly #floodBytes: number;
  /** Bytes of items, as they stand in their own frames, since the last piece. */
  #itemBytes = 0;

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

  /**
   * Whether items may be added: while little is queued, so that calls get
   * through beside streams, and bodies in pieces, too. Those are added when
   * less is queued than items alone would leave: they take turns.
   */
  get hasItemRoom(): boolean {
    return (
      this.#outbox.queuedBytes < bulkFlushBytes &&
      (this.#itemBytes < pieceBytes || this.#codec.heldBytes === 0)
    );
  }

  /** Whether the codec has streams, metadata and what an end says of the connection. */
  get hasSession(): boolean {
    return this.#codec.session !== undefined;
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
    this.#outbox.schedule(!head.oneWay);
    return position;
  }

  /** Queues a reply; one that cannot be encoded becomes an error. */
  response(
    seq: number,
    serviceMethod: string,
    reply: unknown,
    metadata?: Metadata,
  ): void {
    const { buffer } = this.#outbox;
    try {
      this.#codec.writeResponse(
        buffer,
        seq,
        serviceMethod,
        reply,
        metadata && checkMetadata(metadata),
      );
    } catch (thrown) {
      this.error(seq, serviceMethod, unsendable(thrown));
      return;
    }
    this.#outbox.schedule();
  }

  error(
    seq: number,
    serviceMethod: string,
    error: RpcError,
    metadata?: Metadata,
  ): void {
    const { buffer } = this.#outbox;
    this.#codec.writeError(buffer, seq, serviceMethod, error, metadata);
    this.#outbox.schedule();
  }

  /** Takes a request back; only where canCancel. */
  cancel(seq: number): void {
    this.#codec.writeCancel(this.#outbox.buffer, seq);
    this.#outbox.schedule();
  }

  /**
   * Appends pieces of large bodies while little else is queued: as many as go
   * well in one write, but one behind items, which get as many bytes in turn.
   */
  refill(buffer: SendBuffer): void {
    const enoughBytes = this.#itemBytes > 0 ? pieceBytes : bulkFlushBytes;
    while (this.#codec.heldBytes > 0 && buffer.length < enoughBytes) {
      this.#codec.writePiece(buffer);
      this.#itemBytes = 0;
    }
  }

  // Streams and the connection: only where hasSession

  /**
   * @throws RpcError unimplemented                 the codec has no streams
   * @throws RpcError internal, resource_exhausted  the metadata cannot be sent
   */
  streamed(seq: number, metadata?: Metadata): void {
    const session = this.#session;
    try {
      session.writeStreamed(
        this.#outbox.buffer,
        seq,
        metadata && checkMetadata(metadata),
      );
    } catch (thrown) {
      throw unsendable(thrown);
    }
    this.#outbox.scheduleSoon();
  }

  /**
   * Appends an item and returns what it takes of the window; scheduleItems()
   * sends it.
   *
   * @throws RpcError as Codec.writeRequest, and of a reply as for a lone one; nothing is queued then
   */
  item(seq: number, isAnswer: boolean, item: unknown): number {
    const { buffer } = this.#outbox;
    const from = buffer.length;
    let bytes: number;
    try {
      bytes = this.#session.writeItem(buffer, seq, isAnswer, item);
    } catch (thrown) {
      throw isAnswer ? unsendable(thrown) : thrown;
    }
    this.#itemBytes += buffer.length - from;
    return bytes;
  }

  /** Items are sent together with those that follow in the same turn of the loop. */
  scheduleItems(): void {
    this.#outbox.scheduleSoon();
  }

  /**
   * Half-close.
   *
   * @throws RpcError internal, resource_exhausted  the metadata cannot be sent
   */
  end(seq: number, isAnswer: boolean, metadata?: Metadata): void {
    const { buffer } = this.#outbox;
    try {
      this.#session.writeEnd(
        buffer,
        seq,
        isAnswer,
        metadata && checkMetadata(metadata),
      );
    } catch (thrown) {
      throw unsendable(thrown);
    }
    this.#outbox.schedule();
  }

  /** Whether a part of this stream's last item is still to be queued. */
  holdsItem(seq: number, isAnswer: boolean): boolean {
    // Asked for every item: nearly always there is nothing to look for.
    return this.#codec.heldBytes > 0 && this.#session.holds(seq, isAnswer);
  }

  dropItem(seq: number, isAnswer: boolean): void {
    this.#session.dropItem(seq, isAnswer);
  }

  /** Forgets what has come of an item, and returns what that takes of the connection's window. */
  forgetItem(seq: number, isAnswer: boolean): number {
    return this.#session.forgetItem(seq, isAnswer);
  }

  credit(seq: number, isAnswer: boolean, bytes: number): void {
    this.#session.writeCredit(this.#outbox.buffer, seq, isAnswer, bytes);
    this.#outbox.schedule();
  }

  goaway(lastSeq: number, reason: RpcError): void {
    this.#session.writeGoaway(this.#outbox.buffer, lastSeq, reason);
    this.#outbox.schedule();
  }

  ping(number: number): void {
    this.#session.writePing(this.#outbox.buffer, number);
    this.#outbox.schedule();
  }

  pong(number: number): void {
    this.#session.writePong(this.#outbox.buffer, number);
    this.#outbox.schedule();
  }

  get #session(): SessionMessages {
    const { session } = this.#codec;
    if (session !== undefined) return session;
    throw new RpcError(
      "unimplemented",
      "this connection carries no streams; the binary codec does",
    );
  }
}

/** What a caller gets whose reply, or a part of it, cannot be encoded. */
function unsendable(thrown: unknown): RpcError {
  const { code, message } = RpcError.from(thrown);
  return new RpcError(
    code === "resource_exhausted" ? code : "internal",
    `the reply cannot be sent: ${message}`,
  );
}
