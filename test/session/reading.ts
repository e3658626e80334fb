import { RpcError } from "../../src/errors.ts";

/** A stream being read in a loop, and what came of it. */
export class Reading {
  readonly items: unknown[] = [];
  /** Set once the loop is over. */
  end: "done" | RpcError | undefined;
  readonly #stream: AsyncIterable<unknown>;
  readonly #maxItems: number;

  /** @param maxItems then it leaves the loop */
  constructor(stream: AsyncIterable<unknown>, maxItems = Infinity) {
    this.#stream = stream;
    this.#maxItems = maxItems;
    this.#read().then(
      () => (this.end = "done"),
      (thrown) => (this.end = RpcError.from(thrown)),
    );
  }

  /** The code that it ended with; undefined while it goes on, and after an end in order. */
  get code(): string | undefined {
    return this.end instanceof RpcError ? this.end.code : undefined;
  }

  async #read(): Promise<void> {
    for await (const item of this.#stream) {
      this.items.push(item);
      if (this.items.length === this.#maxItems) break;
    }
  }
}
