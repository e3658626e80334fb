import type { RegistryProcess } from "./registry-process.ts";

const pauseMs = 20;

/** Registers one server after the other, for ever, each at the next registry that is there. */
export class RegistryWriter implements AsyncDisposable {
  readonly acknowledged = new Set<string>();
  /** The longest time from one acknowledgement to the next. */
  longestGapMs = 0;
  readonly #registries: readonly RegistryProcess[];
  readonly #done: Promise<void>;
  #lastAt = performance.now();
  #isOver = false;

  constructor(registries: readonly RegistryProcess[]) {
    this.#registries = registries;
    this.#done = this.#write();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }

  async #write(): Promise<void> {
    for (let i = 0; !this.#isOver; i++) {
      const address = `tcp@10.0.${i >> 8}.${i & 255}:1`;
      const registry = this.#registries[i % this.#registries.length];
      if ((await registry?.register(address)) === 200) {
        this.acknowledged.add(address);
        const now = performance.now();
        this.longestGapMs = Math.max(this.longestGapMs, now - this.#lastAt);
        this.#lastAt = now;
      }
      await Bun.sleep(pauseMs);
    }
  }
}
