import type { Flow } from "./flow.ts";
import type { Sender } from "./sender.ts";
import type { SendWindow } from "./window.ts";

/** So many items go out before others get their turn: a source that never waits would keep the process for itself. */
const itemsPerTurn = 256;

/** What becomes of a stream that is sent. */
export interface PumpOwner {
  /** Its last item is on its way, whole: the end may follow. */
  ended(): void;
  /** The source threw, or an item cannot be sent; what came before is on its way, whole. */
  failed(thrown: unknown): void;
}

/**
 * Sends the items of an async iterable, one after the other, as its stream's
 * window and the connection's allow: the source is asked for the next item
 * only when that could be sent at once.
 *
 * It tells its owner once how it went, unless it was stopped. stop() ends the
 * source, too (`return()`, which runs a generator's finally).
 */
export class ItemPump {
  /** Undefined where it could not even begin. */
  readonly #source: AsyncIterator<unknown> | undefined;
  readonly #sender: Sender;
  readonly #flow: Flow;
  readonly #seq: number;
  readonly #isAnswer: boolean;
  readonly #owner: PumpOwner;
  #window: SendWindow | undefined;
  #state: "idle" | "waiting" | "holding" | "ending" | "over" = "idle";
  /** While "holding": an item that waits for room. */
  #held: unknown;
  /** While "ending": set where it ends in a failure. */
  #failure: { thrown: unknown } | undefined;
  #itemsInTurn = 0;
  #stopped: Promise<void> | undefined;
  readonly #onResult = (result: unknown): void => {
    if (this.#state === "over") return;
    try {
      this.#take(result);
    } catch (thrown) {
      this.#onThrown(thrown);
      return;
    }
    this.run();
  };
  readonly #onThrown = (thrown: unknown): void => {
    if (this.#state === "over") return;
    this.#failure = { thrown };
    this.#state = "ending";
    this.run();
  };
  readonly #nextTurn = (): void => {
    if (this.#state === "over") return;
    this.#itemsInTurn = 0;
    this.#state = "idle";
    this.run();
  };

  /** @param isAnswer as the frame's flag: the items answer a call of the peer's */
  constructor(
    items: AsyncIterable<unknown>,
    seq: number,
    isAnswer: boolean,
    sender: Sender,
    flow: Flow,
    owner: PumpOwner,
  ) {
    try {
      this.#source = items[Symbol.asyncIterator]();
    } catch (thrown) {
      this.#failure = { thrown };
      this.#state = "ending";
    }
    this.#sender = sender;
    this.#flow = flow;
    this.#seq = seq;
    this.#isAnswer = isAnswer;
    this.#owner = owner;
  }

  /** The receiver of this stream takes more. */
  grant(bytes: number): void {
    this.#window?.grant(bytes);
    this.run();
  }

  /** Goes on as far as there is room. */
  run(): void {
    if (this.#state === "waiting" || this.#state === "over") return;
    this.#window ??= this.#flow.newSendWindow();
    if (this.#sender.holdsItem(this.#seq, this.#isAnswer)) {
      this.#flow.parkHolding(this);
    } else if (this.#state === "ending") this.#end();
    else if (this.#window?.isOpen === false) {
      return; // Its credit runs it.
    } else if (!this.#flow.hasRoom) this.#flow.park(this);
    else if (this.#state === "idle") this.#pull();
    else this.#send();
  }

  /**
   * Nobody wants the rest. Resolves when the source has ended, too; rejects
   * with what it threw at that. Stopping one that is over does nothing, and
   * stopping one twice waits for the same end.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#held = undefined;
    this.#flow.unpark(this);
    // Where streams cannot be sent, one that was refused still has to be ended.
    if (this.#sender.hasSession) {
      this.#sender.dropItem(this.#seq, this.#isAnswer);
    }
    await this.#source?.return?.();
  }

  #pull(): void {
    this.#state = "waiting";
    try {
      Promise.resolve(this.#source?.next()).then(
        this.#onResult,
        this.#onThrown,
      );
    } catch (thrown) {
      this.#onThrown(thrown);
    }
  }

  /** @throws TypeError  it is no result of an iterator; and what its getters throw */
  #take(result: unknown): void {
    if (typeof result !== "object" || result === null) {
      throw new TypeError(`next() of a stream gave ${String(result)}`);
    }
    const { done } = result as IteratorResult<unknown>;
    if (done) this.#state = "ending";
    else {
      this.#held = (result as IteratorResult<unknown>).value;
      this.#state = "holding";
    }
  }

  #send(): void {
    const item = this.#held;
    this.#held = undefined;
    this.#state = "idle";
    let bytes: number;
    try {
      bytes = this.#sender.item(this.#seq, this.#isAnswer, item);
    } catch (thrown) {
      this.#onThrown(thrown);
      void this.#endSource();
      return;
    }
    this.#window?.spend(bytes);
    this.#flow.spend(bytes);
    if (++this.#itemsInTurn >= itemsPerTurn) {
      this.#state = "waiting";
      setImmediate(this.#nextTurn);
    }
    // Only now: what is flushed may wake others, who look at the windows.
    this.#sender.scheduleItems();
    this.run();
  }

  /** An item could not be sent. Its owner does not wait for the source, whose finally may take any time. */
  async #endSource(): Promise<void> {
    try {
      await this.#source?.return?.();
    } catch {
      // The first failure is the one that is told.
    }
  }

  #end(): void {
    this.#state = "over";
    if (this.#failure === undefined) this.#owner.ended();
    else this.#owner.failed(this.#failure.thrown);
  }
}
