import type { Clock } from "../base/clock.ts";
import type { Inbound, RequestHead, Settings } from "../codec/codec.ts";
import type { RpcError } from "../errors.ts";
import type { Metadata } from "../wire/metadata.ts";
import type { Callee } from "./callee.ts";
import type { Caller } from "./caller.ts";
import { ControlBudget } from "./control-budget.ts";
import type { Flow } from "./flow.ts";

/** What a peer says of the connection instead of a call. */
export interface ConnectionInbound {
  settings(settings: Settings): void;
  /** The peer gave the connection up, or never took it. */
  givenUp(error: RpcError): void;
  goaway(lastSeq: number, error: RpcError): void;
  ping(number: number): void;
}

/**
 * Where each message goes that a session's codec has read: requests and what
 * belongs to them to the callee's half, answers and what belongs to them to
 * the caller's, credit to whichever sends the items. Frames that cost work and
 * bring none are taken up to their budget.
 */
export class Routing implements Inbound {
  readonly #caller: Caller;
  readonly #callee: Callee;
  readonly #flow: Flow;
  readonly #connection: ConnectionInbound;
  readonly #budget: ControlBudget;

  constructor(
    caller: Caller,
    callee: Callee,
    flow: Flow,
    clock: Clock,
    connection: ConnectionInbound,
  ) {
    this.#caller = caller;
    this.#callee = callee;
    this.#flow = flow;
    this.#connection = connection;
    this.#budget = new ControlBudget(
      clock,
      // Requests, answers and items so far: what explains control frames.
      () => caller.startedCount + callee.takenCount + flow.itemCount,
    );
  }

  settings(settings: Settings): void {
    this.#budget.spend();
    this.#connection.settings(settings);
  }

  request(head: RequestHead, args: unknown): void {
    this.#callee.request(head, args);
  }

  badRequest(head: RequestHead, error: RpcError): void {
    this.#callee.badRequest(head, error);
  }

  response(seq: number, reply: unknown, metadata?: Metadata): void {
    const { lateReplies } = this.#caller;
    this.#caller.settle(seq, reply, metadata);
    this.#countAnswer(lateReplies);
  }

  streamed(seq: number, metadata?: Metadata): void {
    const { lateReplies } = this.#caller;
    this.#caller.begin(seq, metadata);
    this.#countAnswer(lateReplies);
  }

  error(seq: number, error: RpcError, metadata?: Metadata): void {
    if (seq === 0) {
      this.#connection.givenUp(error);
      return;
    }
    const { lateReplies } = this.#caller;
    this.#caller.fail(seq, error, metadata);
    this.#countAnswer(lateReplies);
  }

  cancel(seq: number): void {
    this.#budget.spend();
    this.#callee.cancel(seq);
  }

  awaits(seq: number, isAnswer: boolean): boolean {
    return isAnswer ? this.#caller.awaits(seq) : this.#callee.awaits(seq);
  }

  get waitingArgumentBytes(): number {
    return this.#callee.waitingArgumentBytes;
  }

  get heldArgumentBytes(): number {
    return this.#callee.heldArgumentBytes;
  }

  idle(): void {
    this.#budget.spend();
  }

  item(seq: number, isAnswer: boolean, item: unknown, bytes: number): void {
    const lastSeq = isAnswer ? this.#caller.startedCount : this.#callee.seenSeq;
    if (seq > lastSeq) this.#budget.spend();
    if (isAnswer) this.#caller.item(seq, item, bytes);
    else this.#callee.item(seq, item, bytes);
  }

  badItem(
    seq: number,
    isAnswer: boolean,
    error: RpcError,
    bytes: number,
  ): void {
    if (isAnswer) this.#caller.badItem(seq, error, bytes);
    else this.#callee.badItem(seq, error, bytes);
  }

  halfClose(seq: number, isAnswer: boolean, metadata?: Metadata): void {
    this.#budget.spend();
    if (isAnswer) this.#caller.halfClose(seq, metadata);
    else this.#callee.halfClose(seq);
  }

  credit(seq: number, isAnswer: boolean, bytes: number): void {
    this.#budget.spend();
    if (seq === 0) this.#flow.grant(bytes);
    else if (isAnswer) this.#caller.grant(seq, bytes);
    else this.#callee.grant(seq, bytes);
  }

  goaway(lastSeq: number, error: RpcError): void {
    this.#budget.spend();
    this.#connection.goaway(lastSeq, error);
  }

  ping(number: number): void {
    this.#budget.spendPing();
    this.#connection.ping(number);
  }

  pong(): void {
    this.#budget.spend();
  }

  /** An answer that nobody waited for explains itself only by a call of this end's. */
  #countAnswer(lateReplies: number): void {
    if (this.#caller.lateReplies > lateReplies) this.#budget.spend();
  }
}
