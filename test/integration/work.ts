/** What a server process serves while it is told to end: calls and streams that last as long as their caller wants. */
export class Work {
  readonly #released = Promise.withResolvers<void>();

  pid(): number {
    return process.pid;
  }

  same(value: unknown): unknown {
    return value;
  }

  /** Answers when release() has read its last item. */
  async wait(): Promise<string> {
    await this.#released.promise;
    return "released";
  }

  async release(items: AsyncIterable<number>): Promise<number> {
    let count = 0;
    for await (const _item of items) count++;
    this.#released.resolve();
    return count;
  }

  async *count(to: number): AsyncGenerator<number, void> {
    for (let number = 1; number <= to; number++) yield number;
  }

  async *echo(items: AsyncIterable<unknown>): AsyncGenerator<unknown, void> {
    for await (const item of items) yield item;
  }
}
