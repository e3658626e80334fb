import { RpcError } from "../errors.ts";
import { selfCommand, selfEnv } from "./self.ts";

/** How long one of our processes may take to listen, and to end when it is told to. */
const startTimeoutMs = 10_000;
const stopTimeoutMs = 5_000;

/** Another geerpc as a process of its own, which ends with `close()` at the latest. */
export class Child implements AsyncDisposable {
  readonly #process: Bun.Subprocess<"ignore", "pipe", "inherit">;
  /** Where it listens. */
  readonly listening: string;

  private constructor(
    process: Bun.Subprocess<"ignore", "pipe", "inherit">,
    listening: string,
  ) {
    this.#process = process;
    this.listening = listening;
  }

  /**
   * Starts `geerpc …args`, a registry or a server, and resolves once it
   * listens. Its log goes to this process's stderr.
   *
   * @throws RpcError unavailable  it ended, or did not listen within 10 s
   * @throws RpcError cancelled    `signal` was aborted; the process is gone
   */
  static async start(
    args: readonly string[],
    env: Readonly<Record<string, string | undefined>>,
    signal: AbortSignal,
  ): Promise<Child> {
    signal.throwIfAborted();
    const command = [...selfCommand(), ...args];
    const child = Bun.spawn(command, {
      env: selfEnv(env),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    const kill = () => child.kill("SIGKILL");
    const timer = setTimeout(kill, startTimeoutMs);
    signal.addEventListener("abort", kill);
    try {
      const line = await firstLine(child.stdout);
      const { listening } = JSON.parse(line) as { listening: string };
      return new Child(child, listening);
    } catch (cause) {
      kill();
      await child.exited;
      if (signal.aborted) throw RpcError.fromAbort(signal);
      const message = `${command.join(" ")} did not start`;
      throw new RpcError("unavailable", message, { sent: false, cause });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", kill);
    }
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Ends it in order, or by force after 5 s. Resolves with its exit code once it is gone. */
  async close(): Promise<number> {
    this.#process.kill("SIGTERM");
    const timer = setTimeout(
      () => this.#process.kill("SIGKILL"),
      stopTimeoutMs,
    );
    const code = await this.#process.exited;
    clearTimeout(timer);
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new RpcError("unavailable", "it ended before it listened");
    text += decoder.decode(value, { stream: true });
  }
  // Not cancelled: a pipe that is closed on would kill it at its next line.
  reader.releaseLock();
  return text.slice(0, text.indexOf("\n"));
}
