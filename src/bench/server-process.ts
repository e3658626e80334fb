import { RpcError } from "../errors.ts";
import type { OwnAddresses } from "./bench-server.ts";
import { endProcess } from "./end-process.ts";
import { firstLine } from "./first-line.ts";

/** How long a process may take to listen. */
const startTimeoutMs = 10_000;

/**
 * The measured process. It says on one line of standard output where it
 * listens, as JSON, and lives until its standard input ends: that happens also
 * when this process dies, so it is never left behind.
 */
export class ServerProcess implements AsyncDisposable {
  readonly #process: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly addresses: OwnAddresses;

  private constructor(
    process: Bun.Subprocess<"pipe", "pipe", "inherit">,
    addresses: OwnAddresses,
  ) {
    this.#process = process;
    this.addresses = addresses;
  }

  /**
   * Starts `command` and resolves once it listens.
   *
   * @throws RpcError unavailable  it ended, or said nothing within 10 s
   */
  static async start(
    command: readonly string[],
    env: Readonly<Record<string, string | undefined>> = process.env,
  ): Promise<ServerProcess> {
    const child = Bun.spawn([...command], {
      env: { ...env },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), startTimeoutMs);
    try {
      const line = await firstLine(child.stdout);
      return new ServerProcess(child, JSON.parse(line));
    } catch (cause) {
      child.kill("SIGKILL");
      throw new RpcError(
        "unavailable",
        `the server process did not start: ${command.join(" ")}`,
        { cause },
      );
    } finally {
      clearTimeout(timer);
    }
  }

  /** Where calls are answered. */
  get listening(): string {
    return this.addresses.listening;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Ends its input, and resolves when the process is gone. */
  close(): Promise<void> {
    return endProcess(this.#process);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
