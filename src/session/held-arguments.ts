interface RunningHandlers {
  /** Whether the handler of this call has not settled: so long it may hold its argument. */
  runs(seq: number): boolean;
}

/** Bytes of the large arguments of handlers that run, by the seq of their call. */
export class HeldArguments {
  readonly #bytes = new Map<number, number>();
  /** Of calls that are over, and whose handlers go on. */
  readonly #outlasting = new Set<number>();
  readonly #handlers: RunningHandlers;
  #sum = 0;

  constructor(handlers: RunningHandlers) {
    this.#handlers = handlers;
  }

  /** Of all of them together. */
  get bytes(): number {
    return this.#sum;
  }

  hold(seq: number, bytes: number): void {
    // A second call of the same seq may be on its way to be refused.
    this.#bytes.set(seq, (this.#bytes.get(seq) ?? 0) + bytes);
    this.#sum += bytes;
  }

  /** The call is over: its argument is let go when its handler has settled. */
  release(seq: number): void {
    // Nearly always there are none.
    if (this.#bytes.size === 0) return;
    const bytes = this.#bytes.get(seq);
    if (bytes === undefined) return;
    if (this.#handlers.runs(seq)) {
      this.#outlasting.add(seq);
      return;
    }
    this.#sum -= bytes;
    this.#bytes.delete(seq);
    this.#outlasting.delete(seq);
  }

  /** Handlers have settled. */
  sweep(): void {
    for (const seq of this.#outlasting) this.release(seq);
  }

  clear(): void {
    this.#bytes.clear();
    this.#outlasting.clear();
    this.#sum = 0;
  }
}
