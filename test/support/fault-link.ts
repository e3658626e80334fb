import type { Clock, Timer } from "../../src/base/clock.ts";
import { Queue } from "../../src/base/queue.ts";

/** What a link does to what goes over it. */
export interface Faults {
  /** What comes arrives so much later, in order. */
  latencyMs: number;
  bytesPerSecond: number;
  /** Of one write at most; each has a turn of the event loop of its own. */
  sliceBytes: number;
  /** Nothing gets through: no byte, no end and no reset. All of it does once this is over, as TCP's resends would. */
  isSilent: boolean;
}

export const noFaults: Readonly<Faults> = {
  latencyMs: 0,
  bytesPerSecond: Infinity,
  sliceBytes: Infinity,
  isSilent: false,
};

/** Bytes on their way before their sender is paused. */
const maxQueuedBytes = 1024 * 1024;
/** The time that one write of a narrow link stands for. */
const tickMs = 10;

/** The two sockets that a link joins; its methods do nothing on one that is closed. */
export interface LinkEnds {
  /** Hands bytes to the receiver, and returns how many it took; the rest waits for `drain`. */
  write(bytes: Uint8Array): number;
  shutdown(): void;
  /** The sender has gone with a reset, which comes to the receiver. */
  reset(): void;
  /** Whether more is read of the sender. */
  readOn(mayRead: boolean): void;
  /** Something came through. */
  passed(): void;
}

interface Parcel {
  /** Undefined is the end. */
  bytes: Uint8Array | undefined;
  dueAt: number;
}

/** One direction of a proxied connection: a queue with faults. */
export class FaultLink {
  /** What came in, and what the receiver's socket took. */
  receivedBytes = 0;
  passedBytes = 0;
  /** What came behind the end, or for a receiver that is gone. */
  lostBytes = 0;
  readonly #ends: LinkEnds;
  readonly #clock: Clock;
  readonly #queue = new Queue<Parcel>();
  #faults: Faults;
  /** When the bytes written last are through a narrow link. */
  #freeAt = -Infinity;
  #timer: Timer | undefined;
  #turn: NodeJS.Immediate | undefined;
  #isFull = false;
  #isPaused = false;
  #hasEnded = false;
  #isReset = false;
  #isStopped = false;

  constructor(ends: LinkEnds, clock: Clock, faults: Faults) {
    this.#ends = ends;
    this.#clock = clock;
    this.#faults = faults;
  }

  /** From now on; what is on its way keeps the latency that it came with. */
  set(faults: Partial<Faults>): void {
    this.#faults = { ...this.#faults, ...faults };
    this.#wait();
    if (this.#isReset) this.reset();
    else this.#pump();
  }

  /** Bytes came from the sender. Behind the end they are lost. */
  push(bytes: Uint8Array): void {
    if (this.#hasEnded || this.#isStopped) {
      this.lostBytes += bytes.length;
      return;
    }
    this.receivedBytes += bytes.length;
    this.#add(bytes);
  }

  /** The sender says that it sends no more, or is made to. */
  end(): void {
    if (this.#hasEnded || this.#isStopped) return;
    this.#hasEnded = true;
    this.#add(undefined);
  }

  /** The sender has gone with a reset: it overtakes what is on its way. */
  reset(): void {
    this.#isReset = true;
    if (this.#isStopped || this.#faults.isSilent) return;
    this.stop();
    this.#ends.reset();
  }

  /** The receiver has room again. */
  drain(): void {
    this.#isFull = false;
    this.#pump();
  }

  /** What is on its way is lost, and nothing follows. */
  stop(): void {
    this.#isStopped = true;
    this.#wait();
    this.#queue.clear();
    this.#readOnIfRoom();
  }

  #add(bytes: Uint8Array | undefined): void {
    const dueAt = this.#clock.now() + this.#faults.latencyMs;
    this.#queue.push({ bytes, dueAt });
    this.#readOnIfRoom();
    if (this.#timer === undefined && this.#turn === undefined) this.#pump();
  }

  /** Forgets when to go on. */
  #wait(): void {
    this.#timer?.cancel();
    clearImmediate(this.#turn);
    this.#timer = this.#turn = undefined;
  }

  #pump(): void {
    this.#wait();
    while (!this.#isStopped && !this.#isFull && !this.#faults.isSilent) {
      const parcel = this.#queue.peek();
      if (parcel === undefined) return;
      const now = this.#clock.now();
      const delayMs = Math.max(parcel.dueAt, this.#freeAt) - now;
      if (delayMs > 0) {
        this.#timer = this.#clock.after(delayMs, () => this.#pump()).unref();
        return;
      }
      this.#pass(parcel, now);
      if (this.#faults.sliceBytes < Infinity) {
        this.#turn = setImmediate(() => this.#pump());
        return;
      }
    }
  }

  #pass(parcel: Parcel, now: number): void {
    if (parcel.bytes === undefined) {
      this.#queue.shift();
      this.#ends.shutdown();
      this.#ends.passed();
      return;
    }
    const { sliceBytes, bytesPerSecond } = this.#faults;
    const perTick = Math.ceil((bytesPerSecond * tickMs) / 1000);
    const slice = parcel.bytes.subarray(0, Math.min(sliceBytes, perTick));
    const taken = this.#ends.write(slice);
    this.#isFull = taken < slice.length;
    this.passedBytes += taken;
    this.#freeAt = now + (taken * 1000) / bytesPerSecond;
    parcel.bytes = parcel.bytes.subarray(taken);
    if (parcel.bytes.length === 0) this.#queue.shift();
    this.#readOnIfRoom();
    if (taken > 0) this.#ends.passed();
  }

  #readOnIfRoom(): void {
    const queuedBytes = this.receivedBytes - this.passedBytes;
    const isPaused = !this.#isStopped && queuedBytes >= maxQueuedBytes;
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    this.#ends.readOn(!isPaused);
  }
}
