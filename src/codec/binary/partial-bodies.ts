import { RpcError } from "../../errors.ts";
import type { Limits } from "../../wire/limits.ts";

/** A body that arrives in pieces, and what to do with it once it is whole. */
export interface PartialBody<Head> {
  head: Head;
  encoding: number;
  totalBytes: number;
  bytes: Buffer;
  length: number;
}

const firstCapacity = 128 * 1024;

/**
 * The bodies of one direction that are half here, by seq. Memory follows what
 * came, not what was declared: room doubles up to the declared total, the
 * number of bodies with bytes is limited, and that of announced ones, too.
 */
export class PartialBodies<Head> {
  readonly #limits: Limits;
  readonly #bodies = new Map<number, PartialBody<Head>>();
  #begun = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /**
   * Announces a body.
   *
   * @throws RpcError resource_exhausted  it is too large, or too many are under way: the call fails, its pieces are skipped
   * @throws RpcError invalid_argument    it is empty
   */
  announce(
    seq: number,
    head: Head,
    encoding: number,
    totalBytes: number,
  ): void {
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
      encoding,
      totalBytes,
      bytes: Buffer.alloc(0),
      length: 0,
    });
  }

  /**
   * Adds a piece; returns the body when it is whole. A piece of a body that is
   * not known is dropped: its call is over.
   *
   * @throws RpcError internal            more bytes than were announced: the framing is broken
   */
  add(seq: number, piece: Uint8Array): PartialBody<Head> | undefined {
    const body = this.#bodies.get(seq);
    if (body === undefined || piece.length === 0) return undefined;
    const length = body.length + piece.length;
    if (length > body.totalBytes) {
      throw new RpcError("internal", "a body is longer than was announced");
    }
    if (body.length === 0) this.#begun++;
    if (length > body.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(
        Math.min(body.totalBytes, Math.max(firstCapacity, length * 2)),
      );
      grown.set(body.bytes.subarray(0, body.length));
      body.bytes = grown;
    }
    body.bytes.set(piece, body.length);
    body.length = length;
    if (length < body.totalBytes) return undefined;
    this.drop(seq);
    return body;
  }

  /** Whether the first piece of this body would be one begun body too many. */
  isFullFor(seq: number): boolean {
    const body = this.#bodies.get(seq);
    return body?.length === 0 && this.#begun >= this.#limits.maxPartialBodies;
  }

  /** Forgets the body; returns its head if there was one. */
  drop(seq: number): Head | undefined {
    const body = this.#bodies.get(seq);
    if (body === undefined) return undefined;
    this.#bodies.delete(seq);
    if (body.length > 0) this.#begun--;
    return body.head;
  }
}
