import { RpcError } from "../../src/errors.ts";
import type { Context } from "../../src/service/context.ts";
import { Diary } from "./diary.ts";

/** A service whose calls last until their caller is gone, with a diary of it. */
export class Holding {
  readonly diary = new Diary();

  async call(name: string, { signal }: Context): Promise<string> {
    this.diary.write(`${name} started`);
    await aborted(signal);
    this.diary.write(`${name} aborted: ${RpcError.fromAbort(signal).code}`);
    return "nobody hears this";
  }

  async *stream(name: string, { signal }: Context): AsyncGenerator<string> {
    try {
      yield `${name} held`;
      await aborted(signal);
      this.diary.write(`${name} aborted: ${RpcError.fromAbort(signal).code}`);
    } finally {
      this.diary.write(`${name} ended`);
    }
  }

  /** Reads all of its argument; the first item is a name. */
  async read(names: AsyncIterable<string>): Promise<void> {
    let first = "";
    try {
      for await (const name of names) {
        if (first === "") this.diary.write(`${name} started`);
        first ||= name;
      }
    } catch (thrown) {
      this.diary.write(`${first} aborted: ${RpcError.from(thrown).code}`);
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve());
  });
}
