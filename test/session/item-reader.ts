import { expect } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import type { Source } from "./source.ts";

/** Reads numbered items as far as it is told, often several at a time, and checks that none is missing. */
export class ItemReader {
  received = 0;
  end: "done" | "left" | RpcError | undefined;
  readonly source: Source;
  readonly #items: AsyncIterator<unknown>;

  constructor(items: unknown, source: Source) {
    this.#items = items as AsyncIterator<unknown>;
    this.source = source;
  }

  get isOver(): boolean {
    return this.end !== undefined;
  }

  pull(): void {
    if (this.isOver) return;
    this.#items.next().then(
      ({ done, value }) => {
        if (done === true) {
          this.end ??= "done";
          return;
        }
        expect((value as [number])[0]).toBe(this.received++);
        // One that was asked for before the reader left.
        if (this.end !== "left") expect(this.end).toBe(undefined);
      },
      (thrown) => (this.end ??= RpcError.from(thrown)),
    );
  }

  leave(): void {
    if (this.isOver) return;
    this.end = "left";
    void this.#items.return?.();
  }

  /** What it has read is the beginning of what was given, and all of it where it has come to its end. */
  check(): void {
    const { given, how } = this.source;
    expect(this.isOver).toBe(true);
    expect(this.received).toBeLessThanOrEqual(given);
    if (this.end !== "done") return;
    expect(this.received).toBe(given);
    expect(how).toBe("ended");
  }
}
