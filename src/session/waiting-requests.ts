import { Queue } from "../base/queue.ts";
import type { Invocation } from "../service/invocation.ts";

/** Requests that were read and whose handlers have not started, oldest first. */
export class WaitingRequests {
  readonly #queue = new Queue<Invocation>();
  /** Seqs that are over before their turn, and perhaps some that do not wait. */
  #over: Set<number> | undefined;
  /** What waits, by seq: made at the first question, since nearly nobody asks. */
  #bySeq: Map<number, Invocation> | undefined;
  /** Bytes of those arguments that are large; made for the first one. */
  #largeBytes: Map<Invocation, number> | undefined;
  #largeBytesSum = 0;

  get length(): number {
    return this.#queue.length;
  }

  /** Bytes of the large arguments of all that wait, also of those that are over: they are not let go before their turn. */
  get largeBytes(): number {
    return this.#largeBytesSum;
  }

  /** @param largeBytes of its argument, where that is large */
  push(invocation: Invocation, largeBytes: number | undefined): void {
    this.#queue.push(invocation);
    this.#bySeq?.set(invocation.seq, invocation);
    if (largeBytes === undefined) return;
    this.#largeBytes ??= new Map();
    this.#largeBytes.set(invocation, largeBytes);
    this.#largeBytesSum += largeBytes;
  }

  /** Takes the oldest one out. */
  shift(): Invocation | undefined {
    const invocation = this.#queue.shift();
    if (invocation !== undefined) this.#bySeq?.delete(invocation.seq);
    return invocation;
  }

  /** The bytes of the argument of one that was taken out, which count here no more; 0 where it is not large. */
  takeLargeBytes(invocation: Invocation): number {
    const bytes = this.#largeBytes?.get(invocation);
    if (bytes === undefined) return 0;
    this.#largeBytes?.delete(invocation);
    this.#largeBytesSum -= bytes;
    return bytes;
  }

  /** The one of that seq, which has come and may not wait, is of no interest any more. */
  drop(seq: number): void {
    if (this.#queue.length > 0) (this.#over ??= new Set()).add(seq);
  }

  /** Whether one that was taken out is over: asked once. */
  takeOver({ seq }: Invocation): boolean {
    return this.#over?.delete(seq) === true;
  }

  /** The one of that seq, where it waits and is not over. */
  get(seq: number): Invocation | undefined {
    if (this.#queue.length === 0 || this.#over?.has(seq)) return undefined;
    if (this.#bySeq === undefined) {
      this.#bySeq = new Map();
      for (const each of this.#queue) this.#bySeq.set(each.seq, each);
    }
    return this.#bySeq.get(seq);
  }

  /** To be called now and then: forgets what is of use only while something waits. */
  tidy(): void {
    if (this.#queue.length > 0) return;
    this.#over = undefined;
    this.#bySeq = undefined;
    // A Map that is filled and emptied again keeps what was in it until a full collection.
    this.#largeBytes = undefined;
  }

  clear(): void {
    this.#queue.clear();
    this.#largeBytes = undefined;
    this.#largeBytesSum = 0;
    this.tidy();
  }
}
