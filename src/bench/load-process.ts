import { RpcError } from "../errors.ts";
import { endProcess } from "./end-process.ts";
import type { LoadAnswer } from "./load-server.ts";

/**
 * A process that makes load: it is sent a line of JSON and answers with one.
 * It lives until its input ends, so it is never left behind.
 */
export class LoadProcess implements AsyncDisposable {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #lines: AsyncIterator<string>;

  /** @param command what runs serveLoad() */
  constructor(
    command: readonly string[],
    env: Readonly<Record<string, string | undefined>> = process.env,
  ) {
    this.#child = Bun.spawn([...command], {
      env: { ...env },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    this.#lines = linesOf(this.#child.stdout);
  }

  /**
   * Sends an order and resolves with its answer. One at a time.
   *
   * @throws RpcError unavailable  the process has ended
   * @throws RpcError              what it failed with
   */
  async ask<T extends object>(order: object): Promise<T> {
    void this.#child.stdin.write(`${JSON.stringify(order)}\n`);
    void this.#child.stdin.flush();
    const line = await this.#lines.next();
    if (line.done) {
      throw new RpcError("unavailable", "a process that made load has ended");
    }
    const answer = JSON.parse(line.value) as LoadAnswer<T>;
    if ("error" in answer) {
      throw new RpcError(answer.error.code, answer.error.message);
    }
    return answer;
  }

  /** Ends its input, and resolves when the process is gone. */
  close(): Promise<void> {
    return endProcess(this.#child);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function* linesOf(
  stream: ReadableStream<Uint8Array>,
): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
