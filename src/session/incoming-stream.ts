import type { Flow } from "./flow.ts";
import { ItemStream, type ItemStreamOwner } from "./item-stream.ts";
import type { Sender } from "./sender.ts";
import type { ReceiveWindow } from "./window.ts";

/** A stream that comes in: its items for the reader, and the credit for its sender as they are read. */
export class IncomingStream implements ItemStreamOwner {
  readonly items = new ItemStream<unknown>(this);
  readonly #seq: number;
  readonly #isAnswer: boolean;
  readonly #sender: Sender;
  readonly #flow: Flow;
  readonly #window: ReceiveWindow;
  readonly #onAbandoned: () => void;
  /** Whether the peer has said that this was all. */
  hasEnded = false;
  #isGranting = true;

  /**
   * @param isAnswer whether the items answer a call of this end's
   * @param onAbandoned told when the reader has gone before the end
   */
  constructor(
    seq: number,
    isAnswer: boolean,
    sender: Sender,
    flow: Flow,
    onAbandoned: () => void,
  ) {
    this.#seq = seq;
    this.#isAnswer = isAnswer;
    this.#sender = sender;
    this.#flow = flow;
    this.#window = flow.newReceiveWindow();
    this.#onAbandoned = onAbandoned;
  }

  /**
   * Takes the next item.
   *
   * @throws RpcError resource_exhausted  the peer was not allowed to send it
   */
  receive(item: unknown, bytes: number): void {
    this.#flow.receive(bytes, this.#window);
    if (this.items.isOver) this.#flow.consume(bytes);
    else this.items.push(item, bytes);
  }

  /** Its last item has come. */
  end(): void {
    this.hasEnded = true;
    this.items.end();
  }

  /** No more of it is wanted or comes: its sender needs no credit, and a part of an item is not kept. */
  close(): void {
    this.#isGranting = false;
    const bytes = this.#sender.forgetItem(this.#seq, this.#isAnswer);
    if (bytes > 0) this.#flow.forget(bytes);
  }

  consumed(bytes: number): void {
    this.#flow.consume(bytes);
    const granted = this.#window.consume(bytes);
    if (granted === 0 || !this.#isGranting) return;
    this.#sender.credit(this.#seq, !this.#isAnswer, granted);
  }

  abandoned(): void {
    this.close();
    this.#onAbandoned();
  }
}
