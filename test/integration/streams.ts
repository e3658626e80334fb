import { RpcError } from "../../src/errors.ts";
import type { Context } from "../../src/service/context.ts";
import { blob, blobs, Checksum } from "./blobs.ts";
import { Diary } from "./diary.ts";

/** A service of streams of every kind; its diary says how each ended. */
export class Streams {
  readonly diary = new Diary();
  /** Items that count() has been asked for. */
  yielded = 0;

  same(value: unknown): unknown {
    return value;
  }

  async *count(to: number): AsyncGenerator<number, void> {
    try {
      for (let number = 1; number <= to; number++) {
        this.yielded++;
        yield number;
      }
    } finally {
      this.diary.write("count ended");
    }
  }

  blob({ number, bytes }: { number: number; bytes: number }): Uint8Array {
    return blob(number, bytes);
  }

  blobs({ count, bytes }: { count: number; bytes: number }) {
    return blobs(count, bytes);
  }

  async *failing(count: number): AsyncGenerator<number, void> {
    for (let number = 1; number <= count; number++) yield number;
    throw new RpcError("data_loss", "100% lost", { details: { count } });
  }

  async total(numbers: AsyncIterable<number>): Promise<number> {
    let total = 0;
    for await (const number of numbers) total += number;
    return total;
  }

  checksum(items: AsyncIterable<Uint8Array>): Promise<string> {
    return Checksum.of(items);
  }

  async *echo(items: AsyncIterable<unknown>): AsyncGenerator<unknown, void> {
    try {
      for await (const item of items) yield item;
    } finally {
      this.diary.write("echo ended");
    }
  }

  /** Reads one item, and no more. */
  async first(items: AsyncIterable<unknown>): Promise<unknown> {
    for await (const item of items) return item;
    return undefined;
  }

  /** Reads one item, and the others once its signal has aborted. */
  async stall(
    items: AsyncIterable<unknown>,
    { signal }: Context,
  ): Promise<void> {
    const iterator = items[Symbol.asyncIterator]();
    await iterator.next();
    this.diary.write("stalled");
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    try {
      while (!(await iterator.next()).done);
    } catch (thrown) {
      this.diary.write(`stall ended: ${RpcError.from(thrown).code}`);
    }
  }
}
