/** Work for one address at a time, in the order in which it was asked for; others' goes on beside it. */
export class AddressTurns {
  /** The last of each address, while it is under way. Never rejects. */
  readonly #last = new Map<string, Promise<unknown>>();

  /** Addresses that have work under way. */
  get size(): number {
    return this.#last.size;
  }

  /** Runs `run` when what was asked for before is over, whatever became of it. */
  take<T>(address: string, run: () => Promise<T>): Promise<T> {
    const before = this.#last.get(address) ?? Promise.resolve();
    const turn = before.then(run);
    const settled = turn
      .catch(() => {})
      .then(() => {
        if (this.#last.get(address) === settled) this.#last.delete(address);
      });
    this.#last.set(address, settled);
    return turn;
  }
}
