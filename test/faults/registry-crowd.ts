import { join } from "node:path";
import { Program } from "../support/geerpc.ts";
import type { CrowdHeartbeats } from "./registry-crowd-servers.ts";
import type { CrowdNews, CrowdOrder } from "./registry-crowd-watchers.ts";
import type { RegistryProcess } from "./registry-process.ts";

/** Many servers that register and many who watch, each in a process of their own. */
export class RegistryCrowd implements AsyncDisposable {
  readonly #registry: RegistryProcess;
  readonly #servers: Program;
  readonly #watchers: Program;

  private constructor(
    registry: RegistryProcess,
    servers: Program,
    watchers: Program,
  ) {
    this.#registry = registry;
    this.#servers = servers;
    this.#watchers = watchers;
  }

  /** Resolves when `count` servers are registered, and as many wait for what comes. */
  static async gather(
    registry: RegistryProcess,
    count: number,
  ): Promise<RegistryCrowd> {
    await using cleanup = new AsyncDisposableStack();
    const start = async (script: string) => {
      const command = [join(import.meta.dir, script), registry.url];
      const program = cleanup.use(
        new Program([process.execPath, ...command, String(count)], {
          cwd: import.meta.dir,
        }),
      );
      await program.stdoutLine(/^ready$/m);
      return program;
    };
    const servers = await start("registry-crowd-servers.ts");
    const watchers = await start("registry-crowd-watchers.ts");
    cleanup.move();
    return new RegistryCrowd(registry, servers, watchers);
  }

  /** Registers `address`; gives the ms until every watcher knew it. */
  async add(address: string): Promise<number> {
    const startedAt = Date.now();
    const status = await this.#registry.register(address);
    if (status !== 200) throw new Error(`answered ${status}`);
    const line = await this.#watchers.stdoutLine(
      new RegExp(`^.*"${address.replaceAll(".", "\\.")}".*$`, "m"),
    );
    return (JSON.parse(line) as CrowdNews).at - startedAt;
  }

  /** Ends it; gives what became of its heartbeats, and what its watchers were told. */
  async ended(): Promise<CrowdHeartbeats & CrowdOrder> {
    return {
      ...(await lastWord<CrowdHeartbeats>(this.#servers)),
      ...(await lastWord<CrowdOrder>(this.#watchers)),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#servers[Symbol.asyncDispose]();
    await this.#watchers[Symbol.asyncDispose]();
  }
}

async function lastWord<T>(program: Program): Promise<T> {
  program.signal("SIGTERM");
  const { stdout } = await program.ended();
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) as string) as T;
}
