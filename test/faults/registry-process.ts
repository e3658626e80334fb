import { join } from "node:path";
import { Program } from "../support/geerpc.ts";

const main = join(import.meta.dir, "../../src/main.ts");

/** What of a log line is looked at. */
export interface LogEvent {
  readonly event: string;
  readonly level: string;
  readonly address?: string;
  readonly reason?: string;
}

/**
 * `geerpc registry` as a process that is killed, stopped and begun anew, at the
 * same port each time.
 */
export class RegistryProcess implements AsyncDisposable {
  readonly #flags: readonly string[];
  readonly #wrapper: readonly string[];
  #url = "";
  #program!: Program;
  /** What the processes before this one have logged. */
  #logged = "";

  private constructor(flags: readonly string[], wrapper: readonly string[]) {
    this.#flags = flags;
    this.#wrapper = wrapper;
  }

  /**
   * Starts it at a free port; resolves once it listens.
   *
   * @param flags besides those that say where it listens and how it logs
   * @param wrapper a command that becomes the one that is written behind it
   */
  static async start(
    flags: readonly string[] = [],
    wrapper: readonly string[] = [],
  ): Promise<RegistryProcess> {
    const registry = new RegistryProcess(flags, wrapper);
    await registry.#start("127.0.0.1:0");
    return registry;
  }

  get url(): string {
    return this.#url;
  }

  /** The host and port that it listens at. */
  get host(): string {
    return new URL(this.#url).host;
  }

  get pid(): number {
    return this.#program.pid;
  }

  /** What was logged so far, also before it began anew. */
  get events(): readonly LogEvent[] {
    return (this.#logged + this.#program.stderr)
      .split("\n")
      .filter((line) => line.startsWith("{") && line.endsWith("}"))
      .map((line) => JSON.parse(line) as LogEvent);
  }

  /** How many servers it has taken out, for whatever reason. */
  get removedCount(): number {
    return this.events.filter(({ event }) => event === "server-removed").length;
  }

  /** SIGKILL. Resolves when it is gone; `restart` begins it again. */
  async kill(): Promise<void> {
    this.#program.signal("SIGKILL");
    await this.#program.ended();
  }

  /** Begins it again at the same port; resolves once it listens. */
  async restart(): Promise<void> {
    this.#logged += `${this.#program.stderr}\n`;
    await this.#start(this.host);
  }

  /** SIGSTOP: it hangs, and its connections stay. */
  stop(): void {
    this.#program.signal("SIGSTOP");
  }

  continue(): void {
    this.#program.signal("SIGCONT");
  }

  /** The addresses that it lists, sorted. */
  async listed(): Promise<readonly string[]> {
    const { headers } = await fetch(this.#url, { keepalive: false });
    const servers = headers.get("X-Geerpc-Servers") ?? "";
    return servers === "" ? [] : servers.split(",");
  }

  /** The status with which it answers the registration of `address`; NaN where it does not answer. */
  async register(address: string, ttlSeconds = 0): Promise<number> {
    const headers = {
      "X-Geerpc-Server": address,
      "X-Geerpc-TTL": String(ttlSeconds),
    };
    const signal = AbortSignal.timeout(6_000);
    const init = { method: "POST", headers, keepalive: false, signal };
    const answer = await fetch(this.#url, init).catch(() => undefined);
    return answer?.status ?? NaN;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // One that is stopped would not notice its end.
    this.continue();
    await this.#program[Symbol.asyncDispose]();
  }

  async #start(listen: string): Promise<void> {
    const own = ["registry", "--listen", listen, "--log", "json"];
    const command = [process.execPath, main, ...own, ...this.#flags];
    this.#program = new Program([...this.#wrapper, ...command], {
      cwd: import.meta.dir,
    });
    this.#url = await this.#program.listening();
  }
}
