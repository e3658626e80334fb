import type { Clock } from "../base/clock.ts";
import type { SendBuffer } from "../wire/send-buffer.ts";
import { EarlyEvents } from "./early-events.ts";
import { Outbox, type OutboxOwner } from "./outbox.ts";
import type { Pipe, PipeHandler } from "./pipe.ts";

/** Bytes on their way to one side before the other is paused. */
const maxQueuedBytes = 256 * 1024;
const stallTimeoutMs = 30_000;

/**
 * Joins two pipes so that what comes from one goes to the other, with
 * backpressure, half-closes and the end carried over. `first` are bytes of
 * `outer` that were read already; `inner` may still be dialling, and `outer`
 * is ended if that fails. `onGone` is told once `outer` is gone.
 */
export function splice(
  outer: Pipe,
  first: Uint8Array,
  inner: Promise<Pipe>,
  clock: Clock,
  onGone: () => void,
): void {
  const early = new EarlyEvents();
  outer.attach(early);
  outer.pause();
  inner.then(
    (opened) => {
      const outerSide = new Side(outer, clock, onGone);
      const innerSide = new Side(opened, clock, () => {});
      outerSide.join(innerSide);
      innerSide.join(outerSide);
      innerSide.send(first);
      outerSide.begin();
      early.replay(outerSide);
      innerSide.begin();
    },
    () => {
      outer.attach({ data() {}, drain() {}, end() {}, close: onGone });
      outer.abort();
    },
  );
}

class Side implements PipeHandler, OutboxOwner {
  readonly #pipe: Pipe;
  readonly #outbox: Outbox;
  readonly #onGone: () => void;
  #other!: Side;

  constructor(pipe: Pipe, clock: Clock, onGone: () => void) {
    this.#pipe = pipe;
    this.#onGone = onGone;
    this.#outbox = new Outbox(pipe, this, {
      clock,
      stallTimeoutMs,
      lowBytes: 0,
    });
  }

  join(other: Side): void {
    this.#other = other;
  }

  begin(): void {
    this.#pipe.attach(this);
    this.#pipe.resume();
  }

  /** Queues bytes for this side's pipe. */
  send(chunk: Uint8Array): void {
    this.#outbox.buffer.writeBytes(chunk);
    this.#outbox.schedule();
    if (this.#outbox.queuedBytes >= maxQueuedBytes) this.#other.#pipe.pause();
  }

  data(chunk: Uint8Array): void {
    this.#other.send(chunk);
  }

  drain(): void {
    this.#outbox.drain();
  }

  end(): void {
    this.#other.#outbox.shutdown();
  }

  close(): void {
    this.#outbox.close();
    this.#other.#outbox.shutdown();
    this.#onGone();
  }

  refill(_buffer: SendBuffer): void {}

  flushed(): void {
    if (this.#outbox.queuedBytes < maxQueuedBytes) this.#other.#pipe.resume();
  }

  stalled(): void {
    this.#pipe.abort();
  }
}
