/** What has happened, in order; a test waits for what it expects. */
export class Diary {
  readonly entries: string[] = [];
  readonly #waiting = new Set<() => void>();

  write(entry: string): void {
    this.entries.push(entry);
    for (const look of [...this.#waiting]) look();
  }

  /** Resolves once `entry` has been written `count` times. */
  async until(entry: string, count = 1): Promise<void> {
    const isThere = () =>
      this.entries.filter((written) => written === entry).length >= count;
    if (isThere()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => {
      if (isThere()) resolve();
    };
    this.#waiting.add(look);
    await promise;
    this.#waiting.delete(look);
  }
}
