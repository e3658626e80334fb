import { escapeText } from "./escape.ts";
import { UsageError } from "./usage-error.ts";

/**
 * The items of an argument that is a stream, for one reader: each line of
 * stdin that is not blank is one, as JSON. Each is given as soon as its line
 * is whole, and no more is read than is asked for.
 */
export class StdinItems implements AsyncIterable<unknown> {
  readonly #chunks: AsyncIterable<Uint8Array>;
  #fault: UsageError | undefined;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks;
  }

  /** What is wrong with a line: the call that had these items has failed by it. */
  get fault(): UsageError | undefined {
    return this.#fault;
  }

  /** @throws UsageError a line that is no JSON */
  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void> {
    let number = 0;
    for await (const line of linesOf(this.#chunks)) {
      number++;
      if (line.trim() !== "") yield this.#parse(line, number);
    }
  }

  #parse(line: string, number: number): unknown {
    try {
      return JSON.parse(line);
    } catch (thrown) {
      const { message } = thrown as Error;
      this.#fault = new UsageError(
        `line ${number} of stdin is no JSON (${escapeText(message)}): write an item a line, as in {"a":1}`,
      );
      throw this.#fault;
    }
  }
}

async function* linesOf(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    const [first = "", ...lines] = decoder
      .decode(chunk, { stream: true })
      .split("\n");
    rest += first;
    for (const line of lines) {
      yield rest;
      rest = line;
    }
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}
