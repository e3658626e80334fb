import { RpcError } from "../errors.ts";
import type { Limits } from "../wire/limits.ts";
import type { ItemPump } from "./item-pump.ts";
import type { Sender } from "./sender.ts";
import { ReceiveWindow, SendWindow } from "./window.ts";

const none: readonly ItemPump[] = [];

/**
 * Flow control of one connection: the windows that all of its streams share,
 * in both directions, and the pumps that wait for room.
 *
 * A sender starts an item only while its stream's window and the connection's
 * are open (PROTOCOL.md, "Windows") and little is queued, so that calls get
 * through beside streams. Windows towards the peer are what its settings or
 * its Option say; until they have come no item is sent.
 */
export class Flow {
  readonly #sender: Sender;
  readonly #limits: Limits;
  readonly #received: ReceiveWindow;
  #sendWindow: SendWindow | undefined;
  /** What each stream towards the peer begins with. */
  #streamWindowBytes = 0;
  /** Items so far, in both directions. */
  itemCount = 0;
  /** Those that wait for the connection, in the order in which they came. */
  readonly #parked = new Set<ItemPump>();
  /** Those whose last item is still going out in pieces. */
  readonly #holding = new Set<ItemPump>();
  #isWaking = false;
  /** Whether there was more room since the pumps were last looked at. */
  #mustWake = false;
  #hasEnded = false;

  constructor(sender: Sender, limits: Limits) {
    this.#sender = sender;
    this.#limits = limits;
    // An item in pieces counts once it is whole: one of another stream that
    // was begun later may have come in front of it.
    this.#received = new ReceiveWindow(
      limits.connectionWindowBytes,
      limits.maxMessageBytes,
    );
  }

  /** The peer has said what it takes. */
  open(streamWindowBytes: number, connectionWindowBytes: number): void {
    this.#streamWindowBytes = streamWindowBytes;
    this.#sendWindow = new SendWindow(connectionWindowBytes);
    this.wake();
  }

  // Sending

  /** The window of a new stream towards the peer; undefined while it is not known. */
  newSendWindow(): SendWindow | undefined {
    return this.#sendWindow && new SendWindow(this.#streamWindowBytes);
  }

  /** Whether an item may go out, as far as the connection is concerned. */
  get hasRoom(): boolean {
    return this.#sendWindow?.isOpen === true && this.#sender.hasItemRoom;
  }

  spend(bytes: number): void {
    this.itemCount++;
    this.#sendWindow?.spend(bytes);
  }

  /** Credit for all streams together. */
  grant(bytes: number): void {
    this.#sendWindow?.grant(bytes);
    this.wake();
  }

  /** `pump` goes on at the next wake(). */
  park(pump: ItemPump): void {
    this.#parked.add(pump);
  }

  /** `pump` goes on once the pieces of its last item are out. */
  parkHolding(pump: ItemPump): void {
    this.#holding.add(pump);
  }

  unpark(pump: ItemPump): void {
    this.#parked.delete(pump);
    this.#holding.delete(pump);
  }

  /** There may be room: those that wait go on in turn. */
  wake(): void {
    if (this.#parked.size === 0 && this.#holding.size === 0) return;
    this.#mustWake = true;
    // What a pump sends may be flushed at once, which wakes the others in turn.
    if (this.#isWaking) return;
    this.#isWaking = true;
    try {
      while (this.#mustWake) this.#runWaiting();
    } finally {
      this.#isWaking = false;
    }
  }

  #runWaiting(): void {
    this.#mustWake = false;
    for (const pump of this.#holdersToRun()) pump.run();
    // One that parks again waits behind the others.
    for (const pump of this.#parked) {
      if (!this.hasRoom) break;
      this.#parked.delete(pump);
      pump.run();
    }
  }

  /** Takes out those that hold; they look themselves whether they still do. */
  #holdersToRun(): Iterable<ItemPump> {
    if (this.#holding.size === 0) return none;
    const pumps = [...this.#holding];
    this.#holding.clear();
    return pumps;
  }

  // Receiving

  newReceiveWindow(): ReceiveWindow {
    return new ReceiveWindow(this.#limits.streamWindowBytes);
  }

  /**
   * Counts an item that came.
   *
   * @throws RpcError resource_exhausted  the peer was not allowed to start it: the connection is cut
   */
  receive(bytes: number, stream?: ReceiveWindow): void {
    this.itemCount++;
    const isAllowed = this.#received.receive(bytes);
    if (stream?.receive(bytes) !== false && isAllowed) return;
    throw new RpcError(
      "resource_exhausted",
      "the peer sends more items than its window allows",
    );
  }

  /**
   * An item came that nobody waits for. It explains no control frames: it
   * would pay for a flood of them.
   *
   * @throws RpcError as receive
   */
  drop(bytes: number): void {
    // An end that cannot be read takes nothing.
    if (bytes === 0) return;
    this.receive(bytes);
    this.itemCount--;
    this.consume(bytes);
  }

  /** An item was given up before it had come whole. */
  forget(bytes: number): void {
    this.#received.receive(bytes);
    this.consume(bytes);
  }

  /** Items have left for their reader, or will never. */
  consume(bytes: number): void {
    const granted = this.#received.consume(bytes);
    if (granted > 0 && !this.#hasEnded) this.#sender.credit(0, false, granted);
  }

  /** The connection has ended: nobody is left to be granted anything. */
  end(): void {
    this.#hasEnded = true;
  }
}
