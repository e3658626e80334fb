import type { Sink } from "./io.ts";

/** What is used of Bun's own writer. */
export type PipeWriter = Pick<Bun.FileSink, "write" | "flush">;

/** A pipe or a file whose reader may be slow, or gone (`geerpc … | head -1`), which is no failure. */
export class PipeSink implements Sink {
  readonly isTerminal = false;
  readonly #writer: PipeWriter;
  #isGone = false;
  #flushed: Promise<boolean> = Promise.resolve(true);

  constructor(writer: PipeWriter) {
    this.#writer = writer;
  }

  write(text: string): void {
    // Bun tells it once: later writes succeed, and go nowhere.
    if (this.#isGone) return;
    let sent: Promise<unknown>;
    try {
      sent = Promise.all([this.#writer.write(text), this.#writer.flush()]);
    } catch (thrown) {
      sent = Promise.reject(thrown);
    }
    this.#flushed = sent.then(
      () => true,
      () => {
        this.#isGone = true;
        return false;
      },
    );
  }

  flush(): Promise<boolean> {
    return this.#flushed;
  }
}
