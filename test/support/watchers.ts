/** Those who wait until something holds; look() is called whenever it may. */
export class Watchers {
  readonly #looks = new Set<() => void>();

  /** Resolves when `holds` does: now, or at a look(). */
  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => {
      const look = () => {
        if (!holds()) return;
        this.#looks.delete(look);
        resolve();
      };
      this.#looks.add(look);
    });
  }

  look(): void {
    for (const look of [...this.#looks]) look();
  }
}
