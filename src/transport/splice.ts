import type { Clock, Timer } from "../base/clock.ts";
import type { SendBuffer } from "../wire/send-buffer.ts";
import { EarlyEvents } from "./early-events.ts";
import { Outbox, type OutboxOwner } from "./outbox.ts";
import type { Pipe, PipeHandler } from "./pipe.ts";

/** Bytes on their way to one side before the other is paused. */
const maxQueuedBytes = 256 * 1024;
const stallTimeoutMs = 30_000;

export interface SpliceOptions {
  clock: Clock;
  /** Ms in which no byte came from either side, after which both end. */
  idleTimeoutMs: number;
  /** Whether what `outer` sent last may still be answered: then silence is no reason to end. */
  isBusy(): boolean;
  /** `inner` could not be dialled: answer `outer` and end it. */
  onFailed(outer: Pipe): void;
  /** `outer` is gone; told once. */
  onGone(): void;
}

/**
 * Joins two pipes so that what comes from one goes to the other, with
 * backpressure, half-closes and the end carried over. `first` are bytes of
 * `outer` that were read already; `inner` may still be dialling. When `outer`
 * is gone nobody reads the answer, and `inner` is cut; when `inner` is gone
 * `outer` still gets what was queued.
 */
export function splice(
  outer: Pipe,
  first: Uint8Array,
  inner: Promise<Pipe>,
  options: SpliceOptions,
): void {
  const early = new EarlyEvents();
  outer.attach(early);
  outer.pause();
  inner.then(
    (opened) => new Splice(outer, opened, options).begin(first, early),
    () => {
      const handler = { ...ignored, close: () => options.onGone() };
      outer.attach(handler);
      early.replay(handler);
      outer.resume();
      options.onFailed(outer);
    },
  );
}

const ignored = { data() {}, drain() {}, end() {} };

class Splice {
  readonly #options: SpliceOptions;
  readonly #outer: Side;
  readonly #inner: Side;
  #timer: Timer | undefined;
  #lastAt: number;
  #isAwaitingAnswer = true;

  constructor(outer: Pipe, inner: Pipe, options: SpliceOptions) {
    const { clock } = options;
    this.#options = options;
    this.#lastAt = clock.now();
    this.#outer = new Side(outer, clock, {
      data: (chunk) => this.#carry(chunk, true),
      end: () => this.#inner.shutdown(),
      close: () => {
        this.#timer?.cancel();
        inner.abort();
        options.onGone();
      },
      room: (hasRoom) => this.#inner.readOn(hasRoom),
    });
    this.#inner = new Side(inner, clock, {
      data: (chunk) => this.#carry(chunk, false),
      end: () => this.#outer.shutdown(),
      close: () => this.#outer.shutdown(),
      room: (hasRoom) => this.#outer.readOn(hasRoom),
    });
  }

  begin(first: Uint8Array, early: EarlyEvents): void {
    this.#checkIdle();
    this.#inner.send(first);
    this.#outer.begin();
    early.replay(this.#outer);
    this.#inner.begin();
  }

  #carry(chunk: Uint8Array, isFromOuter: boolean): void {
    this.#lastAt = this.#options.clock.now();
    this.#isAwaitingAnswer = isFromOuter;
    (isFromOuter ? this.#inner : this.#outer).send(chunk);
  }

  #checkIdle(): void {
    const { clock, idleTimeoutMs, isBusy } = this.#options;
    const now = clock.now();
    let dueAt = this.#lastAt + idleTimeoutMs;
    if (dueAt <= now) {
      if (!this.#isAwaitingAnswer || !isBusy()) {
        this.#inner.abort();
        return;
      }
      dueAt = now + idleTimeoutMs;
    }
    this.#timer = clock.after(dueAt - now, () => this.#checkIdle()).unref();
  }
}

interface SideEvents {
  data(chunk: Uint8Array): void;
  end(): void;
  close(): void;
  /** Whether this side takes more bytes now; told whenever it may have changed. */
  room(hasRoom: boolean): void;
}

/** One of two joined pipes, with the queue of what goes to it. */
class Side implements PipeHandler, OutboxOwner {
  readonly #pipe: Pipe;
  readonly #outbox: Outbox;
  readonly #events: SideEvents;
  #isPaused = false;
  #isGone = false;

  constructor(pipe: Pipe, clock: Clock, events: SideEvents) {
    this.#pipe = pipe;
    this.#events = events;
    this.#outbox = new Outbox(pipe, this, {
      clock,
      stallTimeoutMs,
      lowBytes: 0,
    });
  }

  begin(): void {
    this.#pipe.attach(this);
    if (!this.#isPaused) this.#pipe.resume();
  }

  /** Queues bytes for this side's pipe; of one that is gone they are dropped. */
  send(chunk: Uint8Array): void {
    if (this.#isGone) return;
    this.#outbox.buffer.writeBytes(chunk);
    this.#outbox.schedule();
    this.#tellRoom();
  }

  readOn(mayRead: boolean): void {
    if (mayRead !== this.#isPaused) return;
    this.#isPaused = !mayRead;
    if (mayRead) this.#pipe.resume();
    else this.#pipe.pause();
  }

  /** Ends what goes to this side once all that is queued has been taken; a paused pipe then reads on. */
  shutdown(): void {
    this.#outbox.shutdown();
  }

  abort(): void {
    this.#pipe.abort();
  }

  data(chunk: Uint8Array): void {
    this.#events.data(chunk);
  }

  drain(): void {
    this.#outbox.drain();
  }

  end(): void {
    this.#events.end();
  }

  close(): void {
    this.#isGone = true;
    this.#outbox.close();
    this.#events.close();
  }

  refill(_buffer: SendBuffer): void {}

  flushed(): void {
    this.#tellRoom();
  }

  stalled(): void {
    this.abort();
  }

  #tellRoom(): void {
    this.#events.room(this.#outbox.queuedBytes < maxQueuedBytes);
  }
}
