import { Alarm, type AlarmOwner } from "../base/alarm.ts";
import type { Clock } from "../base/clock.ts";
import { SendBuffer } from "../wire/send-buffer.ts";
import type { Pipe } from "./pipe.ts";

/**
 * From so many waiting messages and bytes on they are flushed at once, so that
 * both ends work at the same time. Both: where few messages made so many
 * bytes, a write and a wake-up of the peer for each cost more than is won.
 * Messages of 1 to 20 KB take half the CPU time that they take with bytes alone.
 *
 * The bytes double with each flush of a turn, since the first one is there to
 * wake the peer up: with 64 calls in flight, which come to 3 KiB, both ends
 * have work then, which makes 1.4 to 2.2 times as many calls a second.
 */
const flushMessages = 16;
const firstFlushBytes = 1024;
const lastFlushBytes = 8 * 1024;

/**
 * From so many waiting bytes on they are flushed at once, however few messages
 * made them, and also items of a stream, which need not leave so soon: two and
 * a half times as much goes through a socket in writes of this size as in
 * writes of 64 KiB. Less than a SendBuffer keeps room for.
 */
export const bulkFlushBytes = 192 * 1024;

export interface OutboxOwner {
  /** Appends more, if there is more that waited for room; called while little is queued. */
  refill(buffer: SendBuffer): void;
  /** After each flush: less is queued than before. */
  flushed(): void;
  /** For limits.stallTimeoutMs the kernel took nothing of what is queued. */
  stalled(): void;
}

export interface OutboxOptions {
  clock: Clock;
  stallTimeoutMs: number;
  /** The owner is asked to refill while fewer bytes than this are queued. */
  lowBytes: number;
  /** Whether what waits leaves at the end of the loop's turn, and not at that of the code that runs. */
  waitsForTurn?: boolean | undefined;
}

/**
 * The one queue in front of a pipe's write(): messages are appended to
 * `buffer` and leave together, when the code that runs has ended (or the turn
 * of the loop, where that is asked for), or as soon as 16 of them wait that
 * come to 1 KiB (then 2, 4, 8), or 192 KiB. Nothing else writes to the pipe.
 * What the kernel refuses stays, in order.
 */
export class Outbox implements AlarmOwner {
  readonly buffer = new SendBuffer();
  readonly #pipe: Pipe;
  readonly #owner: OutboxOwner;
  readonly #options: OutboxOptions;
  readonly #stall: Alarm;
  readonly #flushScheduled = (): void => {
    this.#isScheduled = false;
    this.#flushBytes = firstFlushBytes;
    this.flush();
  };
  readonly #flushSoon = (): void => {
    this.#isScheduledSoon = false;
    this.#flushBytes = firstFlushBytes;
    if (this.buffer.length > 0) this.flush();
  };
  /** Since the last flush. */
  #messages = 0;
  #flushBytes = firstFlushBytes;
  #isScheduled = false;
  #isScheduledSoon = false;
  #isBlocked = false;
  #isShuttingDown = false;
  #isClosed = false;
  #takenBytes = 0;
  /** When the kernel last took a byte; undefined while nothing waits. */
  #progressAt: number | undefined;

  constructor(pipe: Pipe, owner: OutboxOwner, options: OutboxOptions) {
    this.#pipe = pipe;
    this.#owner = owner;
    this.#options = options;
    this.#stall = new Alarm(options.clock, this);
  }

  /** Bytes that the kernel has not taken. */
  get queuedBytes(): number {
    return this.buffer.length;
  }

  /** Bytes that the kernel took since the start. */
  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** Where the next byte to be appended stands, counted like takenBytes. */
  get position(): number {
    return this.#takenBytes + this.buffer.length;
  }

  /**
   * Makes sure that the message that was appended goes out.
   *
   * @param mayWait false for one that nobody waits for: its sender may be gone at the end of the turn
   */
  schedule(mayWait = true): void {
    if (this.#isBlocked) return;
    const { length } = this.buffer;
    const isMuch =
      ++this.#messages >= flushMessages && length >= this.#flushBytes;
    if (isMuch || length >= bulkFlushBytes) {
      this.#flushBytes = Math.min(this.#flushBytes * 2, lastFlushBytes);
      this.flush();
    } else if (mayWait && this.#options.waitsForTurn) {
      this.#flushAtEndOfTurn();
    } else if (!this.#isScheduled) {
      this.#isScheduled = true;
      queueMicrotask(this.#flushScheduled);
    }
  }

  /**
   * Makes sure that what was appended goes out, together with what is appended
   * in the same turn of the loop: for a stream's items, which come one in a
   * microtask and would cost a write each.
   */
  scheduleSoon(): void {
    if (this.#isBlocked) return;
    if (this.buffer.length >= bulkFlushBytes) this.flush();
    else this.#flushAtEndOfTurn();
  }

  #flushAtEndOfTurn(): void {
    if (this.#isScheduledSoon) return;
    this.#isScheduledSoon = true;
    setImmediate(this.#flushSoon);
  }

  /** The pipe's drain event. */
  drain(): void {
    if (!this.#isBlocked) return;
    this.#isBlocked = false;
    this.flush();
  }

  /** Ends the stream in order once all that is queued has been taken. */
  shutdown(): void {
    this.#isShuttingDown = true;
    this.flush();
  }

  /** The pipe is gone: nothing is sent any more. */
  close(): void {
    this.#isClosed = true;
    this.#stall.stop();
    this.buffer.clear();
  }

  flush(): void {
    if (this.#isBlocked || this.#isClosed) return;
    this.#messages = 0;
    const { buffer } = this;
    const takenBefore = this.#takenBytes;
    for (;;) {
      if (buffer.length < this.#options.lowBytes) this.#owner.refill(buffer);
      if (buffer.length === 0) break;
      const taken = this.#pipe.write(buffer.pending());
      if (this.#isClosed) return;
      this.#takenBytes += taken;
      buffer.consume(taken);
      if (buffer.length > 0) {
        this.#block(this.#takenBytes > takenBefore);
        break;
      }
    }
    if (!this.#isBlocked) {
      this.#progressAt = undefined;
      if (this.#isShuttingDown) this.#pipe.shutdown();
    }
    this.#owner.flushed();
  }

  #block(hasProgressed: boolean): void {
    const { clock, stallTimeoutMs } = this.#options;
    this.#isBlocked = true;
    if (hasProgressed || this.#progressAt === undefined) {
      this.#progressAt = clock.now();
    }
    this.#stall.by(this.#progressAt + stallTimeoutMs);
  }

  /** AlarmOwner: nothing may have been taken for too long. */
  ring(now: number): number {
    if (this.#progressAt === undefined) return Infinity;
    const dueAt = this.#progressAt + this.#options.stallTimeoutMs;
    if (now < dueAt) return dueAt;
    this.#owner.stalled();
    return Infinity;
  }
}
