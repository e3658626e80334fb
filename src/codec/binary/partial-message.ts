import { type Code, RpcError } from "../../errors.ts";
import type { Metadata } from "../../wire/metadata.ts";
import type { Inbound, RequestHead } from "../codec.ts";
import { badArgument, badReply, tellBadItem } from "./bad-body.ts";

/** A message whose body comes in pieces: it is told once, when that is whole or is given up. */
export interface PartialMessage {
  /** What it takes of a window; 0 for all but items. */
  readonly chargedBytes: number;
  /** Told what its argument counts for, before it is decoded; only requests have it. */
  holdArgument?(bytes: number): void;
  tell(inbound: Inbound, body: unknown): void;
  /** The body came and cannot be read. */
  fail(inbound: Inbound, thrown: unknown): void;
  /** What is left of the body is not taken. */
  giveUp(inbound: Inbound, code: Code, message: string): void;
}

export class PartialRequest implements PartialMessage {
  readonly chargedBytes = 0;
  readonly #head: RequestHead;

  constructor(head: RequestHead) {
    this.#head = head;
  }

  holdArgument(bytes: number): void {
    if (bytes > 0) this.#head.argumentBytes = bytes;
  }

  tell(inbound: Inbound, args: unknown): void {
    inbound.request(this.#head, args);
  }

  fail(inbound: Inbound, thrown: unknown): void {
    inbound.badRequest(this.#head, badArgument(thrown));
  }

  /** It has not run, so that it may go elsewhere. */
  giveUp(inbound: Inbound, code: Code, message: string): void {
    inbound.badRequest(
      this.#head,
      new RpcError(code, message, { sent: false }),
    );
  }
}

export class PartialResponse implements PartialMessage {
  readonly chargedBytes = 0;
  readonly #seq: number;
  readonly #metadata: Metadata | undefined;

  constructor(seq: number, metadata: Metadata | undefined) {
    this.#seq = seq;
    this.#metadata = metadata;
  }

  tell(inbound: Inbound, reply: unknown): void {
    inbound.response(this.#seq, reply, this.#metadata);
  }

  fail(inbound: Inbound, thrown: unknown): void {
    inbound.error(this.#seq, badReply(thrown));
  }

  giveUp(inbound: Inbound, code: Code, message: string): void {
    inbound.error(this.#seq, new RpcError(code, message));
  }
}

export class PartialItem implements PartialMessage {
  readonly chargedBytes: number;
  readonly #seq: number;
  readonly #isAnswer: boolean;

  constructor(seq: number, isAnswer: boolean, chargedBytes: number) {
    this.#seq = seq;
    this.#isAnswer = isAnswer;
    this.chargedBytes = chargedBytes;
  }

  tell(inbound: Inbound, item: unknown): void {
    inbound.item(this.#seq, this.#isAnswer, item, this.chargedBytes);
  }

  fail(inbound: Inbound, thrown: unknown): void {
    tellBadItem(inbound, this.#seq, this.#isAnswer, thrown, this.chargedBytes);
  }

  giveUp(inbound: Inbound, code: Code, message: string): void {
    this.fail(inbound, new RpcError(code, message));
  }
}
